"""What a killed run of an adapter left in its folder is ended by the next run there, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_runner.processes.procfs import read_process
from launch_case import SCRIPTS, WAIT_SECONDS, killed_at_last, wait_for

RUN = """
import os, sys
from pathlib import Path
from benchmark_runner.processes.adapter import Limit, Limits, run_in_folder
from benchmark_runner.processes.watch import Watch

limit = Limit(600, "the test")
folder, binary = map(Path, sys.argv[1:])
environment = {"PATH": os.environ["PATH"]}
run_in_folder(binary, "{}", folder=folder, environment=environment, cores=sorted(os.sched_getaffinity(0)),
    limits=Limits(limit, limit, limit), watch=Watch())
"""


def start(folder: Path, script: str) -> subprocess.Popen[bytes]:
    """A run of a program that does what the script says, without any guard."""
    program = folder.with_suffix(".program")
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    command = [sys.executable, "-c", RUN, str(folder), str(program)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(SCRIPTS)})


def is_there(pid: int) -> bool:
    process = read_process(pid)
    return process is not None and process.state != "Z"


@pytest.mark.parametrize(("again", "stays"), [("one", False), ("other", True)])
def test_a_child_that_outlived_its_run_is_ended_by_the_next_one_in_that_folder_alone(tmp_path, again, stays):
    left = tmp_path / "left"
    with killed_at_last(start(tmp_path / "one", f"setsid sleep 600 & echo $! > {left}; exec sleep 600")) as first:
        wait_for(lambda: left.exists() and left.read_text().strip(), "the child")
        pid = int(left.read_text())
        first.kill()
        first.wait(WAIT_SECONDS)
    try:
        assert is_there(pid)
        with killed_at_last(start(tmp_path / again, "exit 1")) as second:
            assert second.wait(WAIT_SECONDS) == 0
        assert is_there(pid) == stays
    finally:
        if is_there(pid):
            os.kill(pid, signal.SIGKILL)
