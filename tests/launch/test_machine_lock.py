"""Measurements on one machine never overlap: the second waits, says so, and goes on however the first one ended."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.machine_lock import lock_path, machine_alone
from launch_case import WAIT_SECONDS, LaunchCase, killed_at_last, processes_of, wait_for

NOBODY_WAITS = None
"""In place of a Watch, which would take over this process's signals."""


def two_campaigns(tmp_path, **first) -> tuple[LaunchCase, LaunchCase]:
    """A launch in each of two folders, on one machine."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    one, two = LaunchCase(folders[0], **first), LaunchCase(folders[1])
    two.lock = one.lock
    return one, two


def log_of(case: LaunchCase) -> str:
    log = case.folder / "launch.log"
    return log.read_text() if log.is_file() else ""


def test_launches_of_two_campaigns_take_turns(tmp_path):
    first, second = two_campaigns(tmp_path, options={"load_ms": 1000})
    with killed_at_last(first.start()) as one:
        wait_for((first.out_dir / "events.jsonl").is_file, "the first engine")
        result = second.run()
        assert one.wait(WAIT_SECONDS) == 0
    before, after = first.record(), second.record()
    assert (before["status"], after["status"]) == ("ok", "ok")
    assert after["engine_window"]["start_ns"] > before["engine_window"]["end_ns"]
    waiting, ended = result.stdout.splitlines()
    assert waiting.startswith("fake · quick · block 1: waits until the machine is free")
    assert f"process {one.pid} in " in waiting
    assert "block 1: ok" in ended
    assert waiting in log_of(second)
    assert before["timing"]["machine_wait_ms"] < after["timing"]["machine_wait_ms"]
    parts = {name: value for name, value in after["timing"].items() if name not in ("total_ms", "machine_wait_ms")}
    assert sum(parts.values()) + after["timing"]["machine_wait_ms"] <= after["timing"]["total_ms"]


@contextmanager
def one_hangs_and_one_waits(folder):
    """Two launches, and the processes of the first, whose engine hangs, and of the second, which waits for it."""
    hang = {"hang_at": {"stage": "generate", "iteration": 1}}
    first, second = two_campaigns(folder, options=hang, system={"launch_timeout_seconds": 600})
    with killed_at_last(first.start()) as one:
        wait_for((first.out_dir / "events.jsonl").is_file, "the first engine")
        with killed_at_last(second.start()) as two:
            wait_for(lambda: "waits until" in log_of(second), "the second to wait")
            yield second, one, two


def test_a_killed_launch_lets_the_next_one_go_on(tmp_path):
    with one_hangs_and_one_waits(tmp_path) as (second, one, two):
        one.send_signal(signal.SIGKILL)
        assert two.wait(WAIT_SECONDS) == 0
    assert second.record()["status"] == "ok"


def test_a_launch_that_waits_can_be_interrupted(tmp_path):
    with one_hangs_and_one_waits(tmp_path) as (second, one, two):
        two.send_signal(signal.SIGINT)
        assert two.wait(WAIT_SECONDS) == 130
        assert json.loads((second.out_dir / "interrupted.json").read_text())["status"] == "interrupted"
        assert processes_of(second.folder) == {}
        assert one.poll() is None
        one.send_signal(signal.SIGTERM)
        one.wait(WAIT_SECONDS)


def test_the_cool_down_counts_from_the_launch_of_another_campaign(tmp_path):
    first, second = two_campaigns(tmp_path)
    second.plan["config"]["system"]["cool_down_seconds"] = 2
    (second.folder / "plan.json").write_text(json.dumps(second.plan))
    assert first.run().returncode == 0
    assert second.run().returncode == 0
    pause_ns = second.record()["engine_window"]["start_ns"] - first.record()["engine_window"]["end_ns"]
    assert pause_ns > 1.9e9


def test_the_first_holder_of_all_learns_of_no_earlier_one_and_the_next_when_it_ended(tmp_path):
    lock = lock_path({"TMPDIR": str(tmp_path)}, os.getuid())
    with machine_alone(lock, "one", NOBODY_WAITS, pytest.fail) as last_end:
        assert last_end is None
    ended = lock.stat().st_mtime
    with machine_alone(lock, "two", NOBODY_WAITS, pytest.fail) as last_end:
        assert last_end == ended
        assert abs(time.time() - ended) < WAIT_SECONDS


def test_a_folder_that_is_not_ours_is_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lock = lock_path({"TMPDIR": str(tmp_path)}, os.getuid())
    lock.parent.symlink_to(elsewhere)
    with pytest.raises(BenchmarkError, match="set TMPDIR"), machine_alone(lock, "one", NOBODY_WAITS, pytest.fail):
        pass
