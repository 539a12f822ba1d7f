"""A disk that is full is no property of the engine: such a launch leaves no record, and is told in one line.

So is a folder that cannot be changed, or is taken away."""

from __future__ import annotations

import ctypes
import re
import resource
import shutil
import sys
from pathlib import Path

import pytest

from launch_case import LaunchCase, killed_at_last, processes_of, wait_for

FULL_BYTES = 1 << 16
ENGINE = """#!PYTHON
import os, resource, sys, time
from pathlib import Path
launch = os.getppid()
for process in map(int, Path(f"/proc/{launch}/task/{launch}/children").read_text().split() if MONITOR_TOO else []):
    if process != os.getpid():
        resource.prlimit(process, resource.RLIMIT_FSIZE, (1, -1))
resource.prlimit(launch, resource.RLIMIT_FSIZE, (FULL_BYTES, -1))
time.sleep(60 if MONITOR_TOO else 0)
sys.exit("No space left on device")
"""
"""Lets the disk be full for the launch, or for its monitor too, and then fails."""


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_modes() -> None:
    """Let root, after the next exec, be bound by the modes of files as every user is."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def told(process) -> str:
    with killed_at_last(process):
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    return err


@pytest.mark.parametrize("monitor_too", [False, True], ids=["engine", "monitor"])
def test_who_fails_beside_a_full_disk_leaves_the_launch_owed(tmp_path, monitor_too):
    binary = tmp_path / "engine"
    words = {"PYTHON": sys.executable, "MONITOR_TOO": str(monitor_too), "FULL_BYTES": str(FULL_BYTES)}
    binary.write_text(re.sub("|".join(words), lambda found: words[found[0]], ENGINE))
    binary.chmod(0o755)
    case = LaunchCase(tmp_path, binary=binary)
    shown = told(case.start())
    launches = case.out_dir.parents[2]
    assert shown.startswith(f"error: {launches} cannot be written: ") and shown.count("\n") == 1
    assert "run the same command again" in shown
    assert not list(Path(launches).rglob("record.json"))
    assert processes_of(tmp_path) == {}


def test_no_engine_is_started_where_the_disk_is_full(tmp_path):
    case = LaunchCase(tmp_path)
    limit = (FULL_BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    shown = told(case.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)))
    assert f"error: {case.out_dir.parents[2]} cannot be written: " in shown and "ulimit -f" in shown
    assert shown.count("\n") == 1
    assert not (case.out_dir / "events.jsonl").is_file()
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"


def test_a_folder_that_this_user_may_not_change_is_told_in_one_line(tmp_path):
    case = LaunchCase(tmp_path)
    case.out_dir.mkdir(parents=True)
    launches = case.out_dir.parents[2]
    launches.chmod(0o555)
    shown = told(case.start(preexec_fn=obey_modes))
    launches.chmod(0o755)
    assert shown.startswith(f"error: {launches} cannot be written: Permission denied; ") and shown.count("\n") == 1
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"


@pytest.mark.parametrize("taken_away", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("moved"))])
def test_a_results_folder_that_is_taken_away_is_not_laid_to_the_engine(tmp_path, taken_away):
    case = LaunchCase(tmp_path, options={"token_ms": 100})
    launches = case.out_dir.parents[2]
    process = case.start()
    events = case.out_dir / "events.jsonl"
    wait_for(lambda: events.exists() and "load_end" in events.read_text(), "the engine's load")
    taken_away(launches.parent)
    assert told(process) == f"error: {launches} was removed or moved while the launch ran; run the same command again\n"
    assert not list(launches.rglob("record.json"))
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"
