from __future__ import annotations

import json
import os

import pytest

from benchmark_runner.launch.progress import (
    Finished,
    finished_launches,
    in_words,
    progress_line,
    read_owed,
    seconds_left,
)
from launch_case import LaunchCase


def order(*cells: tuple[str, str]):
    return [
        {"position": place, "engine": engine, "workload": workload, "folder": f"{engine}-{workload}-{place}"}
        for place, (engine, workload) in enumerate(cells, start=1)
    ]


def test_a_launch_takes_as_long_as_its_like():
    planned = order(("a", "x"), ("b", "x"), ("a", "x"), ("b", "x"))
    assert seconds_left(planned, {1: Finished(0, 10), 2: Finished(10, 13)}) == 13


def test_an_engine_not_yet_seen_takes_as_long_as_its_workload_then_as_any():
    planned = order(("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"))
    assert seconds_left(planned, {1: Finished(0, 10), 2: Finished(10, 40)}) == 10 + 20


def test_an_unavailable_engine_takes_no_time_and_teaches_none():
    planned = order(("a", "x"), ("a", "x"), ("b", "x"))
    assert seconds_left(planned, {1: Finished(None, 10)}) is None
    assert seconds_left(planned, {1: Finished(None, 10), 3: Finished(10, 15)}) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (4, "4 s"), (37, "40 s"), (89, "90 s"), (95, "2 min"), (200, "3 min"), (7200, "2.0 h")],
)
def test_a_time_is_as_coarse_as_it_is_uncertain(seconds, words):
    assert in_words(seconds) == words


def test_finished_launches_are_told_by_their_files_times_alone(tmp_path):
    planned = order(("a", "x"), ("a", "y"), ("a", "z"))
    for entry in planned:
        entry["folder"] = str(tmp_path / entry["folder"])
    for entry in planned[:2]:
        folder = tmp_path / entry["folder"]
        folder.mkdir()
        (folder / "record.json").write_text("unreadable")
        os.utime(folder / "record.json", (0, 1010))
    spec = tmp_path / planned[0]["folder"] / "spec.json"
    spec.touch()
    os.utime(spec, (0, 1000))
    assert finished_launches(planned) == {1: Finished(1000, 1010), 2: Finished(None, 1010)}


def test_a_launch_that_is_measured_again_counts_once_it_has_its_new_record(tmp_path):
    planned = order(("a", "x"), ("b", "x"), ("b", "x"))
    for entry in planned:
        folder = tmp_path / entry["folder"]
        folder.mkdir()
        entry["folder"] = str(folder)
        (folder / "record.json").touch()
        os.utime(folder / "record.json", (0, 1000))
    call = tmp_path / "call.json"
    call.write_text('{"owed": [2, 3]}')
    os.utime(call, (0, 2000))
    os.utime(tmp_path / "b-x-2" / "record.json", (0, 2010))
    finished = finished_launches(planned, read_owed(call))
    assert sorted(finished) == [1, 2]
    line = progress_line(record(), planned, finished)
    assert line.startswith("[2/3]") and "all launches are done" not in line


def record(**changes):
    token_ns = [212_000_000 + step * 25_000_000 for step in range(5)]
    event = {"warmup": False, "start_ns": 0, "token_ns": token_ns}
    content = {
        "engine": "candle_cuda",
        "workload": "latency",
        "block": 3,
        "status": "ok",
        "reason": None,
        "iterations": [event | {"warmup": True, "token_ns": [1, 2]}, event],
        "timing": {"engine_ms": 9800.0},
    }
    return json.loads(json.dumps(content)) | changes


def test_the_line_tells_what_happened_and_how_long_it_will_take():
    planned = order(("candle_cuda", "latency"), ("candle_cuda", "latency"))
    line = progress_line(record(), planned, {1: Finished(0, 200)})
    assert line == "[1/2] candle_cuda · latency · block 3: ok, 40 tok/s, TTFT 212 ms, 9.8 s — about 3 min left"


def test_a_launch_under_load_tells_its_requests_and_those_that_failed():
    requests = [{"phase": phase, "status": "ok"} for phase in ("warmup", "measured", "measured", "filler")]
    served = record(iterations=[], requests=requests)
    assert "block 3: ok, 2 requests, 9.8 s" in progress_line(served, order(("a", "x")), {1: Finished(0, 1)})
    served["requests"][1]["status"] = "timeout"
    assert "ok, 2 requests (1 failed), 9.8 s" in progress_line(served, order(("a", "x")), {1: Finished(0, 1)})


def test_the_last_line_says_so():
    line = progress_line(record(), order(("a", "x")), {1: Finished(0, 200)})
    assert line.endswith("9.8 s — all launches are done")


def test_a_failure_gives_its_reason_on_one_short_line():
    line = progress_line(record(status="failed", reason="boom " * 100 + "\nmore"), order(("a", "x")), {})
    assert ": failed: boom" in line and "\n" not in line and len(line) < 200
    assert line.endswith("1 launches left")


def test_single_tokens_have_no_speed():
    event = {"warmup": False, "start_ns": 0, "token_ns": [5_000_000]}
    line = progress_line(record(iterations=[event]), order(("a", "x")), {1: Finished(0, 1)})
    assert "ok, TTFT 5 ms, 9.8 s" in line


def test_what_a_call_owes_is_read_before_anything_is_measured(tmp_path, monkeypatch):
    case = LaunchCase(tmp_path)
    command = [*case.command(), f"--owed={tmp_path / 'owed.json'}"]
    monkeypatch.setattr(case, "command", lambda _: command)
    ended = case.run()
    assert ended.returncode == 1
    assert "owed.json is missing" in ended.stderr
    assert not case.out_dir.exists()
