from __future__ import annotations

import os
import subprocess
import sys

from benchmark_runner.processes.orphans import MARKER_VARIABLE, end_all, of_launch
from benchmark_runner.processes.procfs import read_process
from launch_case import SCRIPTS, WAIT_SECONDS, wait_for


def gone(pid: int) -> bool:
    process = read_process(pid)
    return process is None or process.state == "Z"


def test_marked_processes_are_ended_and_others_left():
    marked = subprocess.Popen(["sleep", "600"], env=os.environ | {MARKER_VARIABLE: "mine"}, start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], env=os.environ | {MARKER_VARIABLE: "theirs"})
    wait_for(lambda: marked.pid in of_launch(None, "mine")(), "the marked process")
    assert end_all(of_launch(None, "mine")) == {}
    assert gone(marked.pid)
    marked.wait(WAIT_SECONDS)
    assert other.poll() is None
    other.kill()
    other.wait(WAIT_SECONDS)


def test_the_session_is_ended_without_any_marker():
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 600 & sleep 600"], env={"PATH": "/bin:/usr/bin"}, start_new_session=True
    )
    find = of_launch(shell.pid, "nobody")
    wait_for(lambda: len(find()) >= 3, "the shell's children")
    assert end_all(find) == {}
    shell.wait(WAIT_SECONDS)


def test_the_caller_is_never_found():
    code = (
        "import os; from benchmark_runner.processes.orphans import of_launch;"
        "assert os.getpid() not in of_launch(os.getsid(0), 'mine')()"
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), MARKER_VARIABLE: "mine"}
    subprocess.run([sys.executable, "-c", code], env=environment, start_new_session=True, check=True)
