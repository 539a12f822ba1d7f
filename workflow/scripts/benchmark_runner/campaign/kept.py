"""What `system.device: auto` was when a campaign began: its later launches compute on the same kind of device.

A login node without a GPU, or a node whose compiler is missing, would otherwise plan other launches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark_runner.campaign.planned import PlannedLaunch
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, value_at
from benchmark_runner.records.whole import record_head
from benchmark_runner.status import Status


def _was_measured(row: Mapping[str, Any], output_dir: Path) -> bool:
    """Whether a launch of a plan was; its folder lies in output_dir, wherever that was when it was planned."""
    place = {name: row[name] for name in ("block", "engine", "workload", "identity")}
    head = record_head(Path(PlannedLaunch(0, **place, output_dir=str(output_dir)).record))
    return head is not None and head.status != Status.UNAVAILABLE


def _plans(output_dir: Path) -> Iterator[Any]:
    """The plan of the last call and those of the calls before, which had other engines perhaps, the newest first.

    One that is broken is made again and tells nothing.
    """
    before = sorted((output_dir / "plan").glob("campaign.*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in (output_dir / "plan.json", *before):
        try:
            yield read_json(file)
        except BenchmarkError:
            continue


def measured_devices(output_dir: Path, names: Collection[str]) -> dict[str, str]:
    """Kind of device, by name, of those of the engines that were measured there under `auto`, as the plans tell it."""
    left, found, plans = set(names), dict[str, str](), _plans(output_dir)
    while left and (plan := next(plans, None)) is not None:
        if value_at(plan, "config.system.device") == "auto":
            told = dict(_told(plan, left, output_dir))
            found |= {name: device for name, device in told.items() if device is not None}
            left -= told.keys()
    return found


def _told(plan: Mapping[str, Any], names: Collection[str], output_dir: Path) -> Iterator[tuple[str, str | None]]:
    """Device of each named engine of which a launch was measured; None of one that is not built here."""
    for engine in plan["engines"]:
        name, device = engine["name"], engine["build_device"]
        rows = (row for row in plan["order"] if row["engine"] == name)
        if name in names and (device is None or any(_was_measured(row, output_dir) for row in rows)):
            yield name, device
