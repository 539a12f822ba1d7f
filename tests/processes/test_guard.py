"""What stands above a command that starts engines: its status is the command's, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from benchmark_runner.processes.procfs import read_process
from launch_case import SCRIPTS, WAIT_SECONDS, killed_at_last, wait_for

STAGE = """
import os, signal, subprocess, sys, time
from benchmark_runner.processes.guard import guarded

def stage():
    child = subprocess.Popen(["setsid", "--fork", "sleep", "600"], env={"PATH": os.environ["PATH"]})
    child.wait()
    with open(sys.argv[1], "w") as file:
        file.write(f"{os.getpid()}")
    %s
    return 7

sys.exit(guarded(stage))
"""


def start(folder: Path, ending: str) -> subprocess.Popen[bytes]:
    code = textwrap.dedent(STAGE) % ending
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "pid")], env=os.environ | {"PYTHONPATH": str(SCRIPTS)}, cwd=folder
    )


def working_in(folder: Path) -> list[str]:
    return [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and os.access(entry / "cwd", os.R_OK) and (entry / "cwd").exists()
        if str((entry / "cwd").resolve()) == str(folder)
        if (process := read_process(int(entry.name))) is not None and process.state != "Z"
    ]


@pytest.mark.parametrize(
    ("ending", "status"),
    [("", 7), ("os.kill(os.getpid(), signal.SIGKILL)", 137), ("os.kill(os.getpid(), signal.SIGTERM)", 143)],
)
def test_its_status_is_the_stage_s_and_what_left_the_session_is_ended(tmp_path, ending, status):
    with killed_at_last(start(tmp_path, ending)) as process:
        assert process.wait(WAIT_SECONDS) == status
    assert working_in(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_stage(tmp_path, number):
    ending = f"signal.signal({int(number)}, lambda *_: sys.exit(3)); open(sys.argv[1] + '.set', 'w'); time.sleep(600)"
    with killed_at_last(start(tmp_path, ending)) as process:
        wait_for((tmp_path / "pid.set").exists, "the stage's handler")
        process.send_signal(number)
        assert process.wait(WAIT_SECONDS) == 3
    assert working_in(tmp_path) == []


LEAVING = """
import atexit, sys
from benchmark_runner.processes.guard import leave
atexit.register(print, "taken down")
print("the last words")
print("a complaint", file=sys.stderr)
leave(5)
"""


@pytest.mark.parametrize(("closed", "heard"), [("", "the last words\n"), ("1>&-", "")])
def test_a_process_leaves_with_all_that_it_printed_and_is_not_taken_down(tmp_path, closed, heard):
    command = ["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, LEAVING]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    told = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (5, heard, "a complaint\n")
