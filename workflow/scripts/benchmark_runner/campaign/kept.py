"""What `system.device: auto` was when a campaign began: its later launches compute on the same kind of device.

A login node without a GPU, or a node whose compiler is missing, would otherwise plan other launches.
"""

from __future__ import annotations

from pathlib import Path

from benchmark_runner.jsonio import read_json
from benchmark_runner.records.raw_data import value_at
from benchmark_runner.records.whole import is_damaged, record_head
from benchmark_runner.status import Status


def _was_measured(record: Path) -> bool:
    head = record_head(record)
    return head is not None and head.status != Status.UNAVAILABLE


def measured_devices(output_dir: Path) -> dict[str, str]:
    """Kind of device, by name, of the engines that were measured there under `auto`, as plan.json tells it.

    A plan that is broken, or of another shape, is made again and tells nothing.
    """
    file = output_dir / "plan.json"
    if not file.is_file() or is_damaged(file):
        return {}
    plan = read_json(file)
    if value_at(plan, "config.system.device") != "auto":
        return {}
    measured = {row["engine"] for row in plan["order"] if _was_measured(Path(row["folder"], "record.json"))}
    return {
        engine["name"]: engine["build_device"]
        for engine in plan["engines"]
        if engine["build_device"] and engine["name"] in measured
    }
