from __future__ import annotations

from collections.abc import Iterable

from benchmark_runner.launch.preflight import (
    SUSPENDED_MS,
    Snapshot,
    busy_processes,
    suspended_ns,
    warnings_before,
    warnings_during,
    warnings_of_conduct,
    warnings_of_engine,
    warnings_of_quota,
    warnings_of_shared_memory,
    warnings_of_standstill,
)
from benchmark_runner.processes.adapter import AdapterRun
from benchmark_runner.processes.cgroup import Quota
from benchmark_runner.processes.procfs import Process
from benchmark_runner.processes.shared_memory import LeftBehind, Shared
from benchmark_runner.protocol.events import EventReport

QUIET = {
    "load_average_1m": 0.5,
    "memory_available_bytes": 8_000_000_000,
    "swap_used_bytes": 0,
    "cpu_temperature_celsius": None,
    "foreign_gpu_processes": [],
    "busy_processes": [],
}


def process(pid: int, cpu_seconds: float, start: int = 1) -> Process:
    return Process(pid, f"p{pid}", "S", 1, 1, cpu_seconds, 0.0, 1, start, 0)


def snapshot(seconds: float, *processes: Process) -> Snapshot:
    return Snapshot(round(seconds * 1e9), {entry.pid: entry for entry in processes})


def test_who_computed_between_two_looks_is_named_the_busiest_first():
    before = snapshot(10, process(1, 100.0), process(2, 5.0), process(3, 0.0), process(4, 9.0))
    after = snapshot(12, process(1, 100.1), process(2, 6.0), process(3, 2.0), process(4, 11.0))
    assert busy_processes(before, after, {4}) == [
        {"name": "p3", "cpu_percent": 100.0},
        {"name": "p2", "cpu_percent": 50.0},
    ]


def test_a_pid_that_was_given_again_does_not_inherit_time():
    before, after = snapshot(0, process(1, 100.0, start=1)), snapshot(1, process(1, 0.5, start=2))
    assert busy_processes(before, after, set()) == [{"name": "p1", "cpu_percent": 50.0}]


def kinds(warnings: Iterable[dict[str, str]]) -> list[str]:
    warnings = list(warnings)
    assert all(entry["message"] and entry["remedy"] for entry in warnings)
    return [entry["kind"] for entry in warnings]


def test_a_quiet_machine_gives_no_warning():
    assert list(warnings_before(QUIET, cores=2, weights_bytes=500_000_000)) == []


def test_each_disturbance_is_a_warning():
    state = QUIET | {
        "load_average_1m": 2.5,
        "memory_available_bytes": 1_000_000_000,
        "foreign_gpu_processes": [{"pid": 5, "name": "train", "memory_bytes": None}],
        "busy_processes": [{"name": "make", "cpu_percent": 99.0}],
    }
    found = warnings_before(state, cores=2, weights_bytes=500_000_000)
    assert kinds(found) == ["foreign_gpu_process", "high_load", "low_memory", "busy_process"]


def test_foreign_load_and_stolen_time_are_warnings_and_the_unknown_is_none():
    summary = {"foreign_cpu_percent_mean": 80.0, "stolen_cpu_percent_mean": 30.0}
    assert kinds(warnings_during(summary, [{"name": "make", "cpu_percent": 70.0}])) == ["foreign_load", "stolen_time"]
    assert list(warnings_during(dict.fromkeys(summary), [])) == []


def test_what_the_engine_did_beside_its_work_is_a_warning():
    run = AdapterRun("exit", "", None, 0, ["sleep"], ["stuck"], 7, "")
    report = EventReport({"capabilities": {"devices": ["cpu", "cuda"]}}, None, [], None, True, None)
    found = warnings_of_engine(run, report, may_use_gpu=True, device="cpu")
    assert kinds(found) == ["stdout_not_empty", "lingering_process", "unkillable_process", "gpu_not_used"]
    quiet = run._replace(lingering=[], survivors=[], printed_bytes=0)
    assert list(warnings_of_engine(quiet, report, may_use_gpu=False, device="cpu")) == []


def test_of_thousands_of_shared_files_the_largest_are_told_in_one_line():
    files = [Shared(f"/dev/shm/a\n{size}", size, f"rm 'a\n{size}'") for size in range(1000)]
    (found,) = warnings_of_shared_memory(LeftBehind([], files))
    assert "499500 bytes" in found["message"] and "995 more" in found["message"]
    assert "a\\n999 (999 bytes), " in found["message"] and "\n" not in found["message"]
    assert len(found["message"]) < 600
    assert list(warnings_of_shared_memory(LeftBehind([], []))) == []


STEADY = {"interval_ms": 100, "stopped_ms": {}, "longest_gap_ms": 340.0}


def test_a_standstill_is_a_warning_by_what_stood_still():
    assert list(warnings_of_standstill(STEADY, 0.001)) == []
    assert list(warnings_of_standstill(STEADY | {"longest_gap_ms": None}, 0.0)) == []
    held_up = STEADY | {"stopped_ms": {"the engine": 1500.0}, "longest_gap_ms": 360.0}
    found = list(warnings_of_standstill(held_up, 9000.0))
    assert kinds(found) == ["stopped", "sampling_gap", "suspended"]
    assert "the engine was stopped" in found[0]["message"] and "1.5 s" in found[0]["message"]
    assert "9.0 s" in found[2]["message"]


def test_what_the_engine_took_beyond_what_it_was_given_is_a_warning():
    quiet = {"cores_beyond_given": [], "priorities_raised": []}
    assert list(warnings_of_conduct(quiet)) == []
    found = list(warnings_of_conduct({"cores_beyond_given": [2, 5], "priorities_raised": ["SCHED_FIFO"]}))
    assert kinds(found) == ["cores_widened", "priority_raised"]
    assert "2, 5" in found[0]["message"] and "SCHED_FIFO" in found[1]["message"]


def test_a_machine_that_was_never_suspended_says_so_within_the_limit():
    assert suspended_ns() >= -1_000_000
    assert abs(suspended_ns() - suspended_ns()) < SUSPENDED_MS * 1e6


def test_pauses_by_a_quota_are_a_warning():
    assert list(warnings_of_quota(Quota(1.5), 0.0)) == []
    (entry,) = warnings_of_quota(Quota(1.5), 0.25)
    assert (entry["kind"], "quota of 1.5 CPUs held the launch back for 0.25 s" in entry["message"]) == (
        "throttled",
        True,
    )
