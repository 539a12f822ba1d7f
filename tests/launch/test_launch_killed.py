"""A launch that is stopped from outside: nothing is left running, and no record says that it was measured."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_runner.launch.machine_lock import VARIABLE
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
        wait_for(lambda: len(processes_of(case.folder)) == 5, "guard, launch, monitor, engine and its child")
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


def test_kill_9_of_launch_command_and_monitor_leaves_nothing(case, launch):
    monitor = process_named(case.folder, "benchmark_runner.monitor")
    os.kill(monitor, signal.SIGSTOP)
    launch.kill()
    os.kill(monitor, signal.SIGKILL)
    launch.wait(WAIT_SECONDS)
    wait_for(lambda: not processes_of(case.folder), "the cleaning by the process below the command")
    assert not (case.out_dir / "record.json").exists()


# It leaves session and parent, empties its environment and gives up every file of the launch but its log.
DAEMON = """#!{python}
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir({chdir!r})
        os.execve("/bin/sleep", ["sleep", "{seconds}"], {{}})
    os._exit(0)
os.wait()
open(sys.argv[4], "w").write("begun")
time.sleep(600)
"""


def daemon_case(folder: Path, seconds: int, chdir: str) -> LaunchCase:
    program = folder / "program"
    program.write_text(DAEMON.format(python=sys.executable, chdir=chdir, seconds=seconds))
    program.chmod(0o755)
    return LaunchCase(folder, binary=program, system={"launch_timeout_seconds": 600})


def sleeping(seconds: int) -> list[int]:
    """Pids of the daemons of one test."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("victims", [["launch"], ["launch", "monitor"], ["launch", "program --spec"]])
def test_a_daemon_without_any_mark_is_ended_whoever_is_killed(tmp_path, victims):
    seconds = 7000 + os.getpid() % 1000
    case = daemon_case(tmp_path, seconds, "/")
    with killed_at_last(case.start()) as process:
        wait_for(lambda: sleeping(seconds) and (case.out_dir / "events.jsonl").is_file(), "the daemon")
        pids = [process_named(case.folder, word) for word in victims]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.wait(WAIT_SECONDS)
        wait_for(lambda: not sleeping(seconds) and not processes_of(case.folder), "the end of the daemon")


@pytest.mark.parametrize("chdir", ["/", "."])
def test_the_next_attempt_ends_what_one_left_whose_every_guard_was_killed(tmp_path, chdir):
    seconds = 8000 + os.getpid() % 1000
    case = daemon_case(tmp_path, seconds, chdir)
    bystander = subprocess.Popen(["sleep", "600"], cwd=tmp_path)
    with killed_at_last(case.start()) as process, killed_at_last(bystander):
        wait_for(lambda: sleeping(seconds) and (case.out_dir / "events.jsonl").is_file(), "the daemon")
        everyone = [pid for pid in processes_of(case.folder) if pid not in (bystander.pid, *sleeping(seconds))]
        assert len(everyone) == 4
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        for pid in everyone:
            os.kill(pid, signal.SIGKILL)
        process.wait(WAIT_SECONDS)
        (daemon,) = sleeping(seconds)
        (tmp_path / "program").write_text("#!/bin/sh\nexit 1\n")
        assert case.run().returncode == 0
        assert case.record()["status"] == "failed"
        assert daemon not in sleeping(seconds)
        assert bystander.poll() is None


def test_a_launch_that_is_running_is_not_begun_again(case, launch):
    again = case.run()
    assert again.returncode == 1
    assert "is being measured by process" in again.stderr
    assert launch.poll() is None and engine_of(case) is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_caller_ignores_changes_nothing(tmp_path, number):
    case = LaunchCase(tmp_path, options={"load_ms": 1500})
    with killed_at_last(case.start(preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))) as process:
        engine = wait_for(lambda: engine_of(case), "the engine")
        for pid, command in processes_of(case.folder).items():
            if "benchmark_runner" in command:  # not the engine, nor a shell that finds it its interpreter
                os.kill(pid, number)
        ignored = next(line for line in Path(f"/proc/{engine}/status").read_text().splitlines() if "SigIgn" in line)
        assert not int(ignored.split()[1], 16) & 1 << number - 1
        assert process.wait(WAIT_SECONDS) == 0
    assert (case.record()["status"], case.record()["reason"]) == ("ok", None)


def test_death_of_the_parent_interrupts(case):
    parent = textwrap.dedent(
        """
        import subprocess, sys, time
        subprocess.Popen(sys.argv[1:])
        time.sleep(600)
        """
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), VARIABLE: str(case.lock)}
    with killed_at_last(subprocess.Popen([sys.executable, "-c", parent, *case.command()], env=environment)) as process:
        wait_for(lambda: hangs(case), "the engine's first request")
        process.kill()
    wait_for(lambda: not processes_of(case.folder), "the end of launch, engine and monitor")
    assert not (case.out_dir / "record.json").exists()
    assert_interrupted(case, "the process that ran this launch has died")


def test_a_signal_during_the_cool_down_interrupts(tmp_path):
    case = LaunchCase(tmp_path, system={"cool_down_seconds": 600})
    case.lock.parent.mkdir(parents=True, mode=0o700)
    case.lock.write_text("process 1 on host in /elsewhere\n")
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
