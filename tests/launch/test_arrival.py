"""An engine's times against the growth of its events file; all times are scripted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark_runner.launch.arrival import ends_of_iterations, lags_ns, late_events

MS = 1_000_000


def iterations(*ends_ms: float) -> list[dict[str, Any]]:
    return [{"end_ns": round(end * MS)} for end in ends_ms]


def samples(*readings: tuple[float, int]) -> list[dict[str, Any]]:
    return [{"time_ns": round(time * MS), "events_bytes": size} for time, size in readings]


def test_an_event_is_late_by_the_last_sample_that_did_not_see_it() -> None:
    seen = samples((0, 50), (100, 50), (200, 120), (300, 200))
    assert list(lags_ns(iterations(60, 250), [120, 200], seen)) == [40 * MS, 0]
    assert list(lags_ns(iterations(60), [120], [])) == [0]
    assert list(lags_ns(iterations(150), [120], seen)) == [0]


def test_an_event_that_no_sample_saw_is_late_by_the_last_one() -> None:
    assert list(lags_ns(iterations(10), [500], samples((0, 0), (100, 120)))) == [90 * MS]


def test_times_that_are_all_early_are_told_and_a_few_hiccups_are_not() -> None:
    ends = [100 * place for place in range(1, 9)]
    # Each event comes at 100, 200, … ms; samples every 10 ms.
    seen = samples(*((time, time // 100 * 100) for time in range(0, 900, 10)))
    assert late_events(iterations(*[end - 1 for end in ends]), ends, seen) is None
    told = late_events(iterations(*[end - 50 for end in ends]), ends, seen)
    assert told is not None
    assert told.startswith("8 of 8 iterations ended up to 40 ms before their events came")
    hiccups = [end - 60 if end in (300, 500) else end - 1 for end in ends]
    assert late_events(iterations(*hiccups), ends, seen) is None


def test_the_ends_of_iteration_lines_are_counted_in_bytes(tmp_path: Path) -> None:
    lines = ['{"event":"hello"}', '{"event":"iteration","x":"é"}', '{"event": "iteration"}', '{"event":"done"}']
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    sizes = [len(f"{line}\n".encode()) for line in lines]
    assert ends_of_iterations(path) == [sum(sizes[:2]), sum(sizes[:3])]
