"""How long launches will take, by those of the same identity that have finished here or in a neighbouring folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.launch.progress import finished_launches, seconds_left

NOTHING_FINISHED: Final = "no launch of this campaign has finished yet"
S_PER_MIN: Final = 60.0

Row = Mapping[str, Any]
"""A launch as plan.json's `order` has it."""


class Expected(NamedTuple):
    """Time of the launches; None with a reason where none of the kind was ever measured."""

    total_minutes: float | None
    """All launches of the campaign, measured or not."""
    owed_minutes: float | None
    """Those that are still to be run."""
    reason: str | None
    known: int
    """Finished launches that this rests on."""


def _cells(order: Iterable[Row]) -> Iterator[tuple[str, str, str]]:
    """Engine, workload and identity of each cell, once."""
    yield from dict.fromkeys((row["engine"], row["workload"], row["identity"]) for row in order)


def finished_rows(order: Sequence[Row], output_dir: Path) -> list[dict[str, Any]]:
    """A row for each finished launch of a cell's identity, in output_dir and in the folders beside it.

    An identity says what is measured and not by which name, so a control finds its twin's launches. Launches that
    started no engine (no spec.json) took no time and tell none.
    """
    found: list[dict[str, Any]] = []
    for engine, workload, identity in _cells(order):
        for spec in output_dir.parent.glob(f"*/launches/*/*.{identity}/*/spec.json"):
            row = {"engine": engine, "workload": workload, "folder": str(spec.parent)}
            found.append({**row, "position": -1 - len(found)})
    return found


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
