"""Measurements on one machine never overlap: the second waits, says so, and goes on however the first one ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.machine_lock import VARIABLE, is_apart, is_outermost, lock_path, machine_alone
from launch_case import FAKE_ENGINE, SCRIPTS, WAIT_SECONDS, LaunchCase, killed_at_last, processes_of, wait_for

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
    assert re.search(r"process \d+ on ", waiting)
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


def test_a_lock_that_is_removed_while_one_measures_lets_no_other_measure_beside_it(tmp_path):
    first, second = two_campaigns(tmp_path, options={"load_ms": 2000})
    with killed_at_last(first.start()) as one:
        wait_for((first.out_dir / "events.jsonl").is_file, "the first engine")
        first.lock.unlink()
        result = second.run()
        assert one.wait(WAIT_SECONDS) == 0
    before, after = first.record(), second.record()
    assert (before["status"], after["status"]) == ("ok", "ok")
    assert after["engine_window"]["start_ns"] > before["engine_window"]["end_ns"]
    assert re.search(r"waits until the machine is free.*process \d+ on ", result.stdout)


def test_a_launch_that_finds_another_lock_in_place_of_its_own_was_not_measured_and_is_owed(tmp_path):
    case = LaunchCase(tmp_path, options={"load_ms": 1000})
    with killed_at_last(case.start()) as one:
        wait_for((case.out_dir / "events.jsonl").is_file, "the engine")
        # As where another one measures that does not see this one's processes.
        case.lock.unlink()
        case.lock.write_text("process 17 on elsewhere\n")
        _, words = one.communicate(timeout=WAIT_SECONDS)
    assert one.returncode == 75
    (line,) = words.splitlines()
    assert line.startswith(f"stopped: {case.lock}, the machine's lock, was replaced while this launch measured")
    assert json.loads((case.out_dir / "interrupted.json").read_text())["status"] == "interrupted"
    assert not (case.out_dir / "record.json").exists()
    assert processes_of(case.folder) == {}
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"


def test_a_waiting_launch_takes_the_lock_that_lies_there_when_its_turn_has_come(tmp_path):
    with one_hangs_and_one_waits(tmp_path) as (second, one, two):
        second.lock.unlink()
        one.send_signal(signal.SIGKILL)
        assert two.wait(WAIT_SECONDS) == 0
    assert second.record()["status"] == "ok"
    assert second.lock.read_text().startswith("process ")


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
    lock = tmp_path / "own" / "measuring"
    with machine_alone(lock, "process 1", NOBODY_WAITS, pytest.fail) as last_end:
        assert last_end is None
    ended = lock.stat().st_mtime
    with machine_alone(lock, "process 2", NOBODY_WAITS, pytest.fail) as last_end:
        assert last_end == ended
        assert abs(time.time() - ended) < WAIT_SECONDS


def test_all_campaigns_of_a_user_find_one_lock_unless_the_user_names_another():
    jobs = [{"TMPDIR": "/scratch/job1", "XDG_RUNTIME_DIR": "/run/user/7"}, {"TMPDIR": "/scratch/job2"}, {}]
    assert len({lock_path(environment, 7) for environment in jobs}) == 1
    assert lock_path({}, 7) != lock_path({}, 8)
    assert lock_path({VARIABLE: "/data/lock"}, 7) == Path("/data/lock")


def linked(folder, elsewhere):
    folder.symlink_to(elsewhere)


def open_to_others(folder, _elsewhere):
    folder.mkdir()
    folder.chmod(0o770)


def a_file(folder, _elsewhere):
    folder.write_text("mine\n")


@pytest.mark.parametrize("make", [linked, open_to_others, a_file])
def test_a_folder_that_others_may_write_to_is_refused_and_nothing_is_put_there(tmp_path, make):
    folder, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    elsewhere.mkdir()
    make(folder, elsewhere)
    alone = machine_alone(folder / "measuring", "process 1", NOBODY_WAITS, pytest.fail)
    with pytest.raises(BenchmarkError, match=VARIABLE), alone:
        pass
    assert list(elsewhere.iterdir()) == []
    assert folder.is_file() or list(folder.iterdir()) == []


def test_a_launch_whose_lock_is_something_else_ends_with_one_line(tmp_path):
    case = LaunchCase(tmp_path)
    case.lock.parent.mkdir(parents=True, mode=0o700)
    os.mkfifo(case.lock)
    result = case.run()
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and str(case.lock) in line


def test_a_launch_that_another_campaign_measured_meanwhile_keeps_that_record_and_its_files(tmp_path):
    case = LaunchCase(tmp_path)
    assert case.run().returncode == 0
    before = {path.name: path.stat().st_mtime_ns for path in case.out_dir.iterdir()}
    again = case.run()
    assert again.returncode == 0
    assert "record.json is there: another campaign has measured this launch" in again.stdout
    assert {path.name: path.stat().st_mtime_ns for path in case.out_dir.iterdir()} == before


def test_a_record_of_an_engine_that_was_unavailable_stands_until_its_launch_has_another(tmp_path):
    program = tmp_path / "engine"
    case = LaunchCase(tmp_path, binary=program)
    assert case.run().returncode == 0
    assert case.record()["status"] == "unavailable"
    program.symlink_to(FAKE_ENGINE)
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"


def test_a_launch_that_waits_for_the_machine_has_cleared_nothing(tmp_path):
    with one_hangs_and_one_waits(tmp_path) as (second, _one, two):
        earlier = second.out_dir / "engine.log"
        assert not earlier.exists()
        earlier.parent.mkdir(parents=True, exist_ok=True)
        earlier.write_text("of an earlier attempt")
        two.send_signal(signal.SIGTERM)
        two.wait(WAIT_SECONDS)
        assert earlier.read_text() == "of an earlier attempt"


def test_a_lock_lies_apart_where_no_folder_above_it_is_mounted():
    lock = Path("/run/shared/measuring")
    assert is_apart(lock, lambda folder: folder == Path("/"))
    assert not is_apart(lock, lambda folder: folder == Path("/run"))


def test_a_kernel_that_tells_of_no_namespaces_leaves_a_container_possible(tmp_path):
    assert not is_outermost(tmp_path)


def test_a_process_with_processes_of_its_own_is_in_no_machines_first_namespaces():
    own = ["/usr/bin/unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "true"]
    if subprocess.run(own, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make namespaces")
    words = "from benchmark_runner.launch.machine_lock import is_outermost; print(is_outermost())"
    call = [*own[:-1], sys.executable, "-c", words]
    done = subprocess.run(call, env={"PYTHONPATH": str(SCRIPTS)}, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "False\n"
