"""What a reader is told of a campaign that was measured on several machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmark_runner.display import plural
from benchmark_runner.statistics.cautions import caution
from benchmark_runner.statistics.inputs import Measurements


def machine_cautions(inputs: Measurements) -> Iterator[dict[str, Any]]:
    """On how many machines a campaign was measured, and of what kinds."""
    blocks: dict[str, set[int]] = {}
    for (_, _, block), name in inputs.machines.items():
        blocks.setdefault(name, set()).add(block)
    if len(blocks) < 2:
        return
    told = ", ".join(f"{name} ({plural(len(found), 'block')})" for name, found in blocks.items())
    words = (
        f"measured on {len(blocks)} machines: {told}; engines are compared within blocks, each on one machine, and an "
        "engine's own times are a mean over these machines"
    )
    unlike = (inputs.plan["campaign"].get("joined") or {}).get("unlike")
    if unlike is None:
        yield caution("several_machines", "note", words, "Nothing to do")
        return
    yield caution(
        "several_machines",
        "warning",
        f"{words}, which are of unlike kinds: {unlike}",
        "Read ratios; take an engine's own times, capacity and costs from a campaign of one kind of machine",
    )
