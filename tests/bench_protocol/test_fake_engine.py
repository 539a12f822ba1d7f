"""The scripted engine does what it is told, so that tests of the campaign can trust it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

Serve = Callable[..., Any]
MS = 1_000_000


def delays(event: dict[str, Any]) -> list[int]:
    times = [event["start_ns"], *event["token_ns"]]
    return [after - before for before, after in pairwise(times)]


def test_a_scripted_clock_reports_exactly_the_delays(serve: Serve, spec: dict[str, Any]) -> None:
    outcome = serve(spec, clock="scripted", load_ms=5, prefill_ms=3, token_ms=[1, 0.5], warmup_factor=2)
    assert outcome.events[2]["time_ns"] - outcome.events[1]["time_ns"] == 5 * MS
    warmup, *measured = outcome.iterations
    assert delays(warmup) == [6 * MS, 2 * MS, MS, MS]
    for event in measured:
        assert delays(event) == [3 * MS, MS, MS // 2, MS // 2]
        assert event["end_ns"] == event["token_ns"][-1]


@pytest.mark.parametrize("clock", ["measured", "scripted"])
@pytest.mark.parametrize("busy", [False, True])
def test_no_token_comes_before_its_delay(serve: Serve, spec: dict[str, Any], clock: str, busy: bool) -> None:
    outcome = serve(spec, clock=clock, busy=busy, prefill_ms=2, token_ms=1)
    for event in outcome.iterations:
        for number, token_ns in enumerate(event["token_ns"]):
            assert token_ns - event["start_ns"] >= (2 + number) * MS


def test_factors_scale_the_delays_of_a_launch_and_of_rounds(serve: Serve, spec: dict[str, Any]) -> None:
    options = {"clock": "scripted", "prefill_ms": 1, "load_ms": 1, "per_launch_factor": [9, 3]}
    outcome = serve(spec, **options, per_iteration_factor=[1, 2])
    assert outcome.events[2]["time_ns"] - outcome.events[1]["time_ns"] == 3 * MS
    assert [delays(event)[0] for event in outcome.iterations] == [3 * MS, 3 * MS, 6 * MS]
    spec["launch"]["block"] = 3
    assert delays(serve(spec, **options).iterations[1])[0] == 9 * MS


def test_jitter_is_repeatable_and_differs_between_launches(serve: Serve, spec: dict[str, Any]) -> None:
    options = {"clock": "scripted", "prefill_ms": 1, "jitter": {"relative": 0.1, "seed": 3}}
    first = [delays(event)[0] for event in serve(spec, **options).iterations]
    assert first == [delays(event)[0] for event in serve(spec, **options).iterations]
    assert len(set(first)) == 3
    assert all(0.9 * MS <= delay < 1.1 * MS for delay in first)
    spec["launch"]["block"] = 3
    assert first != [delays(event)[0] for event in serve(spec, **options).iterations]


def test_tokens_begin_again_after_their_end(serve: Serve, spec: dict[str, Any]) -> None:
    assert serve(spec, tokens=[8, 9]).iterations[0]["token_ids"] == [8, 9, 8, 9]


def test_margins_are_reported_only_where_asked_for(serve: Serve, spec: dict[str, Any]) -> None:
    assert "margins" not in serve(spec).iterations[0]
    assert serve(spec, margins=True, margin=[0.5, 0.25]).iterations[0]["margins"] == [0.5, 0.25, 0.25, 0.25]


@pytest.mark.parametrize(("how", "status"), [({"signal": "SIGKILL"}, -signal.SIGKILL), ({"exit_code": 7}, 7)])
def test_a_crash_leaves_what_was_written(
    serve: Serve, spec: dict[str, Any], tmp_path: Path, how: dict[str, Any], status: int
) -> None:
    outcome = serve(spec, crash_at={"iteration": 2, "token": 1, **how}, partial_line='{"event":"iter')
    assert outcome.status == status
    assert outcome.names == ["hello", "load_start", "load_end", "iteration", "iteration"]
    assert (tmp_path / "events.jsonl").read_text().endswith('{"event":"iter')


def test_a_failure_can_be_bound_to_a_block_and_a_workload(serve: Serve, spec: dict[str, Any]) -> None:
    assert serve(spec, error_at={"stage": "load", "block": 2, "workload": "chat"}).status == 1
    assert serve(spec, error_at={"stage": "load", "block": 1}).status == 0
    assert serve(spec, error_at={"stage": "load", "workload": "story"}).status == 0


def test_a_child_outlives_the_engine(serve: Serve, spec: dict[str, Any]) -> None:
    seconds = 60 + os.getpid() / 1e6  # told apart from other tests' children
    outcome = serve(spec, linger={"seconds": seconds, "new_session": True})
    assert outcome.status == 0
    children = [
        process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", str(seconds)]
    ]
    assert len(children) == 1
    children[0].kill()


def test_stdout_is_written_where_asked_for(serve: Serve, spec: dict[str, Any]) -> None:
    assert serve(spec).stdout == ""
    assert serve(spec, stdout="dirty\n").stdout == "dirty\n"


def test_memory_is_really_taken(serve: Serve, spec: dict[str, Any]) -> None:
    assert serve(spec, allocate_bytes=10_000_000).status == 0


@pytest.mark.parametrize(
    "options",
    [
        {"load_ms": -1},
        {"load_ms": "1"},
        {"token_ms": []},
        {"clock": "sundial"},
        {"busy": 1},
        {"stdout": 1},
        {"jitter": {"relative": 2}},
        {"jitter": {"shape": "normal"}},
        {"capabilities": {"speed": 1}},
        {"loaded": {"speed": 1}},
        {"crash_at": {"iteration": 0}},
        {"crash_at": {"signal": "SIGNOTHING"}},
        {"crash_at": {"signal": "SIGKILL", "exit_code": 1}},
        {"error_at": {"kind": "bad luck"}},
        {"hang_at": {"stage": "dinner"}},
        {"tokens": [1.5]},
    ],
)
def test_options_that_make_no_sense_are_refused(serve: Serve, spec: dict[str, Any], options: dict[str, Any]) -> None:
    outcome = serve(spec, **options)
    assert (outcome.status, outcome.names) == (3, ["hello", "error"])
    assert f"option {next(iter(options))}" in outcome.events[1]["message"]
