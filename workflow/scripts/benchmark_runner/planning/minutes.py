"""How long launches will take, by those of the same identity that have finished here or in a neighbouring folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.configuration.not_asked import as_asked
from benchmark_runner.launch.program import cannot_load
from benchmark_runner.launch.progress import Row, finished_launches, finished_rows, seconds_left

NOTHING_FINISHED: Final = "no launch of this campaign has finished yet"
S_PER_MIN: Final = 60.0


class Expected(NamedTuple):
    """Time of the launches; None with a reason where none of the kind was ever measured."""

    total_minutes: float | None
    """All launches of the campaign, measured or not."""
    owed_minutes: float | None
    """Those that are still to be run."""
    reason: str | None
    known: int
    """Finished launches that this rests on."""


def expected(order: Sequence[Row], owed: Iterable[int], output_dir: Path) -> Expected:
    """Minutes of a plan's launches; owed are the positions of those to be run."""
    known = finished_rows(order, output_dir)
    finished = finished_launches(known)
    known = [row for row in known if row["position"] in finished]

    def minutes(rows: Sequence[Row]) -> float | None:
        seconds = seconds_left([*known, *rows], finished) if rows else 0.0
        return None if seconds is None else seconds / S_PER_MIN

    wanted, here = set(owed), finished_launches(order)
    instant = {position for position, launch in here.items() if launch.start is None} - wanted
    total = minutes([row for row in order if row["position"] not in instant])
    left = minutes([row for row in order if row["position"] in wanted])
    launches = {row["folder"] for row in known}
    return Expected(total, left, NOTHING_FINISHED if total is None else None, len(launches))


def rows_that_take_time(plan: Mapping[str, Any]) -> list[Row]:
    """Launches of a plan without those that refuse their workload's load before anything is started."""
    engines = {engine["name"]: engine for engine in plan["engines"]}
    refused = {
        (name, workload["name"])
        for name, engine in engines.items()
        for workload in plan["workloads"]
        if cannot_load(engine, as_asked(plan, name, workload)) is not None
    }
    return [row for row in plan["order"] if (row["engine"], row["workload"]) not in refused]


def minutes_of_blocks(order: Sequence[Row], blocks: int, output_dir: Path) -> float | None:
    """Minutes of so many blocks like the plan's first one; None where no launch of the kind was ever measured."""
    minutes = expected([row for row in order if row["block"] == 1], [], output_dir).total_minutes
    return None if minutes is None else minutes * blocks
