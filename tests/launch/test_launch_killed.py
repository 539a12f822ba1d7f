"""A launch that is stopped from outside: nothing is left running, and no record says that it was measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_runner.schemas import require_valid
from launch_case import SCRIPTS, WAIT_SECONDS, LaunchCase, killed_at_last, process_named, processes_of, wait_for

# The engine hangs in its second request, beside a child that has left its session.
HANGING = {"hang_at": {"stage": "generate", "iteration": 1}, "linger": {"seconds": 600, "new_session": True}}


def engine_of(case: LaunchCase) -> int | None:
    return process_named(case.folder, "fake-engine --spec")


def hangs(case: LaunchCase) -> bool:
    events = case.out_dir / "events.jsonl"
    return events.is_file() and '"iteration"' in events.read_text()


@pytest.fixture
def case(tmp_path: Path) -> LaunchCase:
    return LaunchCase(tmp_path, options=HANGING, system={"launch_timeout_seconds": 600})


@pytest.fixture
def launch(case: LaunchCase) -> Iterator[subprocess.Popen[str]]:
    """A launch whose engine hangs in the midst of its work."""
    with killed_at_last(case.start()) as process:
        wait_for(lambda: hangs(case), "the engine's first request")
        wait_for(lambda: len(processes_of(case.folder)) == 4, "launch, monitor, engine and its child")
        yield process
        for pid in processes_of(case.folder):
            os.kill(pid, signal.SIGKILL)


def assert_interrupted(case: LaunchCase, words: str) -> None:
    record = json.loads((case.out_dir / "interrupted.json").read_text())
    require_valid("record", record, "interrupted.json")
    assert record["status"] == "interrupted"
    assert words in record["reason"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_interrupts_and_leaves_nothing(case, launch, number, status):
    launch.send_signal(number)
    assert launch.wait(WAIT_SECONDS) == status
    assert processes_of(case.folder) == {}
    assert not (case.out_dir / "record.json").exists()
    assert_interrupted(case, f"ended by {number.name}")
    assert not (case.out_dir / "scratch").exists()


def test_signals_that_go_on_do_not_break_the_cleaning(case, launch):
    for _ in range(20):
        launch.send_signal(signal.SIGINT)
        launch.send_signal(signal.SIGTERM)
    assert launch.wait(WAIT_SECONDS) in (130, 143)
    assert processes_of(case.folder) == {}
    assert_interrupted(case, "ended by SIG")


def test_kill_9_of_the_engine_is_a_failed_launch(case, launch):
    os.kill(engine_of(case), signal.SIGKILL)
    assert launch.wait(WAIT_SECONDS) == 0
    assert processes_of(case.folder) == {}
    record = case.record()
    assert record["status"] == "failed"
    assert "SIGKILL" in record["reason"]
    assert len(record["iterations"]) == 1


def test_kill_9_of_the_monitor_interrupts(case, launch):
    os.kill(process_named(case.folder, "benchmark_runner.monitor"), signal.SIGKILL)
    assert launch.wait(WAIT_SECONDS) == 75
    assert processes_of(case.folder) == {}
    assert not (case.out_dir / "record.json").exists()
    assert_interrupted(case, "the monitor died (exit status -9)")


def test_kill_9_of_the_launch_command_leaves_nothing(case, launch):
    launch.kill()
    launch.wait(WAIT_SECONDS)
    wait_for(lambda: not processes_of(case.folder), "the monitor's cleaning")
    assert not (case.out_dir / "record.json").exists()


def test_kill_9_of_launch_command_and_monitor_leaves_no_engine(case, launch):
    os.kill(process_named(case.folder, "benchmark_runner.monitor"), signal.SIGSTOP)
    engine = engine_of(case)
    launch.kill()
    launch.wait(WAIT_SECONDS)
    wait_for(lambda: not Path(f"/proc/{engine}/cmdline").exists(), "the kernel's signal on the parent's death")
    os.kill(process_named(case.folder, "benchmark_runner.monitor"), signal.SIGCONT)
    wait_for(lambda: not processes_of(case.folder), "the monitor's cleaning")


def test_death_of_the_parent_interrupts(case):
    parent = textwrap.dedent(
        """
        import subprocess, sys, time
        subprocess.Popen(sys.argv[1:])
        time.sleep(600)
        """
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(case.folder)}
    with killed_at_last(subprocess.Popen([sys.executable, "-c", parent, *case.command()], env=environment)) as process:
        wait_for(lambda: hangs(case), "the engine's first request")
        process.kill()
    wait_for(lambda: not processes_of(case.folder), "the end of launch, engine and monitor")
    assert not (case.out_dir / "record.json").exists()
    assert_interrupted(case, "the process that ran this launch has died")


def test_a_signal_during_the_cool_down_interrupts(tmp_path):
    case = LaunchCase(tmp_path, system={"cool_down_seconds": 600})
    case.lock.parent.mkdir(parents=True)
    case.lock.write_text("a launch that has just ended")
    with killed_at_last(case.start()) as process:
        wait_for((case.out_dir / "spec.json").is_file, "the cool-down")
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 143
    assert_interrupted(case, "ended by SIGTERM")
    assert processes_of(case.folder) == {}


def test_the_same_command_finishes_what_was_interrupted(tmp_path):
    case = LaunchCase(tmp_path, options={"load_ms": 2000})
    with killed_at_last(case.start()) as process:
        wait_for(lambda: engine_of(case), "the engine")
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 143
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"
    assert not (case.out_dir / "interrupted.json").exists()
