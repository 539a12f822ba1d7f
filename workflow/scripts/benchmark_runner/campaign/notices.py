"""What is told once, before the first launch: what the launches ahead ask for and what is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark_runner.campaign.asking import not_served
from benchmark_runner.campaign.engines import Engine, brought_notices, kept_devices
from benchmark_runner.campaign.machine import container_here, notice, this_machine
from benchmark_runner.campaign.trace import notes_of


def notices_of(
    system: Mapping[str, Any],
    engines: Collection[Engine],
    asked: Mapping[str, Any],
    engines_folder: Path,
    *,
    here: bool,
) -> Iterator[str]:
    """A line for each; asked is what the plan says of who is asked for what, here whether the launches run on this
    machine."""
    if here:
        yield from filter(None, (notice(system, this_machine(system)), container_here()))
    yield from brought_notices(engines, engines_folder)
    own = [engine for engine in engines if engine.control_of is None]
    notes = [
        *(kept_devices(own, engines_folder) if system["device"] == "auto" else ()),
        *not_served(asked),
        *notes_of(asked["workloads"]),
    ]
    yield from (f"note: {words}" for words in notes)
