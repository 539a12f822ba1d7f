"""Whether the monitor still watches, as the launch command sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_runner.launch import sidecar
from benchmark_runner.launch.sidecar import Silence
from benchmark_runner.monitor.probe import Limits
from benchmark_runner.processes.cgroup import MemoryGroup, Quota
from benchmark_runner.processes.watch import InterruptedLaunchError, Watch
from launch_case import killed_at_last, wait_for


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    now = [100.0]
    monkeypatch.setattr(sidecar.time, "monotonic", lambda: now[0])
    return now


def test_silence_is_time_without_growth_beyond_the_interval(tmp_path, clock):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("start")
    silence = Silence(metrics, os.getpid(), 0.5)
    for second in (101, 102, 103):
        clock[0] = second
        metrics.write_text("start" + second * "x")
        assert silence.look() == (-0.5, 0.0)
    for second in (104, 105, 106):
        clock[0] = second
        silent, stopped = silence.look()
    assert (silent, stopped) == (2.5, 0.0)
    metrics.unlink()  # known by descriptor
    clock[0] = 107
    assert silence.look() == (3.5, 0.0)


def test_what_held_up_the_launch_command_is_not_held_against_the_monitor(tmp_path, clock):
    (tmp_path / "m").touch()
    silence = Silence(tmp_path / "m", os.getpid(), 0.0)
    clock[0] = 101
    silence.look()
    clock[0] = 161
    assert silence.look() == (0.0, 0.0)


def test_a_stopped_monitor_is_seen_whatever_its_interval(tmp_path):
    (tmp_path / "m").touch()
    with killed_at_last(subprocess.Popen(["sleep", "600"])) as process:
        silence = Silence(tmp_path / "m", process.pid, 60.0)
        assert silence.look()[1] == 0.0
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: silence.look()[1] > 0.0, "the stop")
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: silence.look()[1] == 0.0, "the end of the stop")


def test_a_monitor_that_ends_badly_when_told_to_stop_interrupts_the_launch():
    with Watch() as watch:
        command = [sys.executable, "-c", "input(); raise SystemExit(7)"]
        limits = Limits(None, None)
        monitor = sidecar.Sidecar(command, watch, 2, metrics=Path(os.devnull), interval_ms=20, limits=limits)
        with pytest.raises(InterruptedLaunchError, match="exit status 7"):
            monitor.stop()
        monitor._commands.close()
        monitor._reports.close()


@pytest.mark.parametrize(
    ("memory_gb", "group_bytes", "reserved_bytes", "limit_bytes"),
    [
        (None, None, None, None),
        (1, None, None, 10**9),
        (1, 4096, None, 4096),
        (1, 0, None, 0),
        (1, 0, 10**9, 0),
        (2, None, 10**9, 10**9),
        (None, 4096, None, None),
        (None, None, 0, 0),
    ],
)
def test_the_smallest_limit_ends_an_engine_be_it_none_at_all(
    monkeypatch, memory_gb, group_bytes, reserved_bytes, limit_bytes
):
    groups = () if group_bytes is None else (MemoryGroup(group_bytes, Path(), Path()),)
    monkeypatch.setattr(sidecar, "read_quota", lambda: Quota(memory=groups))
    system = {"max_memory_gb": memory_gb, "thermal_limit_celsius": None}
    assert sidecar.highest_values(system, reserved_bytes).engine_rss_bytes == limit_bytes
