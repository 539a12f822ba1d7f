"""A launch whose processes are stopped, and engines that take more than they were given: told, and never unguarded."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.disturbances import DISTURBANCES
from launch_case import WAIT_SECONDS, LaunchCase, killed_at_last, process_named, processes_of, wait_for

ENGINE, MONITOR, LAUNCH = "fake-engine --spec", "benchmark_runner.monitor", "benchmark_runner.launch"


def pids(case: LaunchCase, *words: str) -> list[int]:
    return [wait_for(lambda word=word: process_named(case.folder, word), word) for word in words]


def send(targets: list[int], number: signal.Signals) -> None:
    for pid in targets:
        os.kill(pid, number)


def launched(case: LaunchCase, meanwhile: Callable[[], None]) -> int:
    """Exit status of a launch in whose work something happened."""
    events = case.out_dir / "events.jsonl"
    with killed_at_last(case.start()) as process:
        wait_for(lambda: events.is_file() and '"iteration"' in events.read_text(), "an iteration")
        meanwhile()
        return process.wait(WAIT_SECONDS)


def kinds(case: LaunchCase) -> list[str]:
    record = case.record()
    require_valid("record", record, "record.json")
    assert record["status"] == "ok"
    return [entry["kind"] for entry in record["warnings"]]


@pytest.mark.parametrize(
    ("stopped", "kind"),
    [
        ([ENGINE], "stopped"),
        ([LAUNCH], "stopped"),
        ([MONITOR], "sampling_gap"),
        ([LAUNCH, MONITOR, ENGINE], "sampling_gap"),
    ],
    ids=["engine", "launch", "monitor", "all"],
)
def test_a_stop_is_told_and_disturbs(tmp_path, stopped, kind):
    case = LaunchCase(tmp_path, options={"token_ms": 150})

    def stop() -> None:
        targets = pids(case, *stopped)
        send(targets, signal.SIGSTOP)
        time.sleep(1.5)
        send(targets, signal.SIGCONT)

    assert launched(case, stop) == 0
    assert kind in kinds(case) and kind in DISTURBANCES


def test_a_stop_of_everything_is_no_timeout_of_the_engine(tmp_path):
    case = LaunchCase(tmp_path, options={"token_ms": 60}, system={"launch_timeout_seconds": 12})

    def stop() -> None:
        targets = pids(case, LAUNCH, MONITOR, ENGINE)
        # Both processes of the command, or the one below would go on.
        targets += [pid for pid, words in processes_of(case.folder).items() if LAUNCH in words and pid not in targets]
        send(targets, signal.SIGSTOP)
        time.sleep(13)
        send(targets, signal.SIGCONT)

    assert launched(case, stop) == 0
    assert "sampling_gap" in kinds(case)


def test_a_monitor_that_stays_stopped_interrupts_with_that_reason(tmp_path):
    case = LaunchCase(tmp_path, options={"hang_at": {"stage": "generate", "iteration": 1}})
    status = launched(case, lambda: send(pids(case, MONITOR), signal.SIGSTOP))
    assert status == 75
    assert "the monitor was stopped" in json.loads((case.out_dir / "interrupted.json").read_text())["reason"]


GROWING = """#!{python}
import json, os, sys, time
events = open(sys.argv[4], "w", buffering=1)
events.write('{{"event": "iteration"}}\\n')
while not os.path.exists({go!r}):
    time.sleep(0.01)
held = b"x" * 400_000_000
time.sleep(600)
"""


@pytest.mark.parametrize("stopped", [MONITOR, LAUNCH])
def test_the_memory_limit_holds_while_one_of_its_two_watchers_is_stopped(tmp_path, stopped):
    program, go = tmp_path / "program", tmp_path / "go"
    program.write_text(GROWING.format(python=sys.executable, go=str(go)))
    program.chmod(0o755)
    case = LaunchCase(tmp_path, binary=program, system={"max_memory_gb": 0.2, "launch_timeout_seconds": 600})

    def grow() -> None:
        (engine,) = pids(case, "program --spec")
        targets = pids(case, stopped)
        send(targets, signal.SIGSTOP)
        go.touch()
        gone = Path(f"/proc/{engine}/cmdline")
        wait_for(lambda: not gone.exists() or gone.read_bytes() == b"", "the engine's end")
        send(targets, signal.SIGCONT)

    assert launched(case, grow) == 0
    assert case.record()["status"] == "memory_limit"


ADOPTED = """#!{python}
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        held = b"x" * 400_000_000
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""


def test_memory_of_a_process_that_left_the_session_counts(tmp_path):
    program = tmp_path / "program"
    program.write_text(ADOPTED.format(python=sys.executable))
    program.chmod(0o755)
    case = LaunchCase(tmp_path, binary=program, system={"max_memory_gb": 0.2})
    assert case.run().returncode == 0
    record = case.record()
    assert record["status"] == "memory_limit"
    assert record["monitor"]["engine_peak_rss_bytes"] > 200_000_000


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be divided")
def test_an_engine_that_takes_all_cores_is_told(tmp_path):
    program = tmp_path / "program"
    program.write_text(
        f"#!/bin/sh\ntaskset -pc 0-{(os.cpu_count() or 1) - 1} $$ > /dev/null\n"
        f'exec {Path(__file__).parents[1] / "fake_engine" / "fake-engine"} "$@"\n'
    )
    program.chmod(0o755)
    case = LaunchCase(tmp_path, binary=program, options={"load_ms": 300}, system={"threads": 1})
    assert case.run().returncode == 0
    assert "cores_widened" in kinds(case)
