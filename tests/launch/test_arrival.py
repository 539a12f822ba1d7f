"""An engine's times against the growth of its events file; all times are scripted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.launch.arrival import (
    changed_since,
    doubt,
    early_events,
    lags_ns,
    late_events,
    unaccounted,
    unaccounted_stages,
)
from benchmark_runner.monitor.events_file import EventsFileProbe
from benchmark_runner.protocol.events import EventReport

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


def test_an_event_that_was_there_before_its_iteration_ended_is_told() -> None:
    seen = [{"events_read_ns": time * MS, "events_bytes": size} for time, size in ((10, 100), (40, 200))]
    assert early_events(iterations(9, 39), [100, 200], seen) is None
    told = early_events(iterations(9, 52), [100, 200], seen)
    assert told == "the event of iteration 1 was there 12.0 ms before it ended, by the engine's account"
    assert early_events(iterations(9, 52), [100, 201], seen) is None


def test_a_stage_that_is_told_before_it_ended_is_doubted_and_one_that_is_written_long_after_is_not(
    tmp_path: Path,
) -> None:
    events = tmp_path / "events.jsonl"
    seen = [{"time_ns": time * MS, "events_read_ns": time * MS, "events_bytes": 10 * time} for time in range(0, 90, 10)]
    spoken = EventReport(None, None, [], None, True, None, [200, 500, 800], stages=iterations(15, 45, 75))
    assert doubt(spoken, events, seen) is None
    assert doubt(spoken._replace(stages=iterations(1, 2, 3)), events, seen) is None
    told = doubt(spoken._replace(stages=iterations(15, 45, 95)), events, seen)
    assert told == "the event of stage 2 was there 15.0 ms before it ended, by the engine's account"


def under_load(*spans_s: tuple[float, float]) -> EventReport:
    """Stages from start to end after a load that ended at 10 s, each of 100 kB."""
    load = {"start_ns": 0, "end_ns": 10 * 1000 * MS}
    stages = [
        {name: round(at * 1000 * MS) for name, at in zip(("start_ns", "end_ns"), span, strict=True)} for span in spans_s
    ]
    ends = [100_000 * place for place in range(1, 1 + len(stages))]
    return EventReport({"capabilities": {}}, load, [], None, True, None, ends, stages=stages)


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ([(10.5, 14), (15, 19)], None),
        ([(14, 15), (15, 19)], "stage 0 begins 4.0 s after load_end"),
        ([(11, 31), (37, 57)], None),
        ([(11, 31), (39, 57)], "stage 1 begins 8.0 s after stage 0"),
    ],
)
def test_work_beside_the_stages_that_are_told_is_noticed(spans: list[tuple[float, float]], words: str | None) -> None:
    told = unaccounted_stages(under_load(*spans), [])
    assert told is None if words is None else (told or "").startswith(words)


def test_a_stage_that_is_told_as_a_shorter_one_is_noticed_and_one_of_many_requests_takes_time_to_write() -> None:
    spoken, unseen = under_load((10, 12)), samples((13_500, 90_000), (16_000, 90_000))
    told = unaccounted_stages(spoken, unseen)
    assert told is not None and told.startswith("stage 0 ended 4.0 s before its event came")
    assert unaccounted_stages(spoken, unseen[:1]) is None
    assert unaccounted_stages(spoken._replace(ends_bytes=[10_000_000]), unseen) is None


def report(*spans_ms: tuple[float, float], load_ms: float = 5, **capabilities: Any) -> EventReport:
    """Iterations from start to end after a load that ended at 100 ms."""
    load = {"start_ns": round((100 - load_ms) * MS), "end_ns": 100 * MS}
    events = [{"start_ns": round(start * MS), "end_ns": round(end * MS)} for start, end in spans_ms]
    return EventReport({"capabilities": capabilities}, load, events, None, True, None)


def every(gap_ms: float, took_ms: float, count: int) -> list[tuple[float, float]]:
    """Iterations of one length with one gap before each."""
    step = gap_ms + took_ms
    return [(100 + place * step + gap_ms, 100 + (place + 1) * step) for place in range(count)]


@pytest.mark.parametrize(("gap_ms", "took_ms", "count"), [(45, 5, 3), (14, 30, 9), (3, 5, 6), (40, 200, 3)])
def test_work_before_the_starts_that_are_told_is_noticed(gap_ms: float, took_ms: float, count: int) -> None:
    told = unaccounted(report(*every(gap_ms, took_ms, count)))
    assert told is not None
    assert told.startswith(f"{count - 1} of {count - 1} iterations begin up to {gap_ms} ms after the last")


@pytest.mark.parametrize(
    "spans",
    [
        every(1, 5, 20),
        every(9, 5, 4),
        every(90, 1000, 6),
        [(400, 3000), (3001, 3010), (3111, 3200)],
        [(120, 1000), (1040, 1043), (1083, 2000), (2040, 2043), (2083, 3000)],
        [],
    ],
    ids=["quick", "few", "in proportion", "late once", "a long case's cache", "none"],
)
def test_honest_gaps_hiccups_and_gaps_in_proportion_are_not(spans: list[tuple[float, float]]) -> None:
    assert unaccounted(report(*spans)) is None


def test_work_between_load_end_and_the_first_iteration_is_noticed() -> None:
    told = unaccounted(report((700, 701), (702, 703)))
    assert told is not None
    assert told.startswith("the first iteration begins 600 ms after load_end, by the engine's account")


def test_an_engine_that_says_it_loads_anew_each_time_may_take_a_load_for_it() -> None:
    spans = every(60, 10, 4)
    assert unaccounted(report(*spans)) is not None
    assert unaccounted(report(*spans, load_ms=40, loads_each_time=True)) is None
    assert unaccounted(report(*spans, load_ms=2, loads_each_time=True)) is not None


def grown(path: Path, *contents: bytes) -> list[dict[str, Any]]:
    """Samples of a file that holds each content in turn."""
    probe, found = EventsFileProbe(path), []
    for content in contents:
        path.write_bytes(content)
        sample: dict[str, Any] = {}
        probe.read(sample)
        found.append(sample)
    return found


def test_what_was_written_must_stay_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    seen = grown(path, b"", b"ab\n", b"ab\n", b"ab\ncd\n")
    assert [sample["events_bytes"] for sample in seen] == [0, 3, 3, 6]
    assert seen[3]["events_sha256"] == hashlib.sha256(b"ab\ncd\n").hexdigest()
    assert changed_since(path, seen) is None
    path.write_bytes(b"ab\ncd\nef\n")
    assert changed_since(path, seen) is None


@pytest.mark.parametrize(
    "contents",
    [(b"    \n", b"ab\n\n\n"), (b"ab\ncd\n", b"ab\n"), (b"ab\n", b"cd\nef\n"), (b"ab\n", b"")],
    ids=["padded", "cut", "rewritten", "emptied"],
)
def test_what_is_changed_or_taken_back_is_told(tmp_path: Path, contents: tuple[bytes, bytes]) -> None:
    path = tmp_path / "events.jsonl"
    told = "what the engine had written to its events file was changed or taken back later"
    assert changed_since(path, grown(path, *contents)) == told
    seen = grown(path, contents[0])
    path.write_bytes(contents[1])
    assert changed_since(path, seen) == told
    path.unlink()
    assert changed_since(path, seen) == told


def test_a_file_that_is_none_is_never_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    os.mkfifo(path)
    sample: dict[str, Any] = {}
    EventsFileProbe(path).read(sample)
    assert sample == {"events_bytes": 0}
