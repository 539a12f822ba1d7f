"""What this machine lacks: what is used instead, and the refusal under strict."""

from __future__ import annotations

from pathlib import Path

from benchmark_runner.campaign import machine as machine_here
from benchmark_runner.campaign.machine import MachineHere, container_notice, lacks, notice, refused, this_machine
from benchmark_runner.processes.cgroup import MemoryGroup, Quota

SYSTEM = {"cpu_affinity": None, "threads": None, "device": "auto", "gpu_device": 0}
HERE = MachineHere([0, 1], None)
NO_GPU = MachineHere([0, 1], "no driver")


def keys(machine, **changes):
    return [lack.key for lack in lacks({**SYSTEM, **changes}, machine)]


def test_a_machine_that_has_everything_is_not_spoken_of():
    assert notice({**SYSTEM, "cpu_affinity": [1], "threads": 1}, HERE) is None


def test_the_cpu_alone_needs_no_gpu():
    assert keys(NO_GPU, device="cpu") == []
    assert this_machine({**SYSTEM, "device": "cpu"}).gpu_absent_reason is None


def test_absent_cores_are_named_with_those_that_are_used():
    words = notice({**SYSTEM, "cpu_affinity": [0, 1, 2, 3]}, HERE)
    assert words == (
        "note: system.cpu_affinity: cores 2, 3 cannot be used here, only 0, 1: engines use 0, 1 "
        "(system.strict: true would refuse)"
    )


def test_threads_are_held_against_the_cores_that_engines_may_use():
    assert keys(HERE, threads=2) == []
    assert keys(HERE, threads=3) == ["threads"]
    assert keys(HERE, threads=2, cpu_affinity=[1]) == ["threads"]


def test_without_a_gpu_auto_takes_the_cpu_and_cuda_does_not():
    assert "engines compute on the CPU" in notice(SYSTEM, NO_GPU)
    assert "launches will fail or be unavailable" in notice({**SYSTEM, "device": "cuda"}, NO_GPU)


def test_all_that_lacks_stands_on_one_line():
    words = notice({**SYSTEM, "cpu_affinity": [7], "threads": 9}, NO_GPU)
    assert "\n" not in words
    assert words.count("system.") == 4


def test_strict_makes_each_lack_a_problem_with_its_key_and_remedy():
    problems = refused({**SYSTEM, "cpu_affinity": [7], "threads": 9}, NO_GPU)
    assert [path for path, _ in problems] == [["system", key] for key in ("cpu_affinity", "threads", "gpu_device")]
    assert problems[0][1] == ("core 7 cannot be used here, only 0, 1, and system.strict is true; name cores among 0, 1")


def test_what_is_asked_for_beyond_a_control_groups_limits_is_told(monkeypatch):
    limited = MachineHere([0, 1, 2, 3], None, Quota(2.5, (MemoryGroup(4 * 10**9, Path(), Path()),)))
    assert keys(limited, threads=2, max_memory_gb=3) == []
    assert keys(limited, threads=3, max_memory_gb=5) == ["threads", "max_memory_gb"]
    words = notice({**SYSTEM, "threads": 4, "max_memory_gb": 5}, limited)
    assert "4 threads are more than the CPU quota of 2.5 CPUs" in words
    assert "5 GB are more than the 4.00 GB of the control group: launches are ended at 4.00 GB" in words
    monkeypatch.setattr(machine_here, "read_quota", lambda: limited.quota)
    assert this_machine({**SYSTEM, "device": "cpu"}).quota is limited.quota


def test_a_quota_below_one_cpu_is_to_be_raised_since_no_number_of_threads_fits():
    below = MachineHere([0, 1], None, Quota(0.5))
    (problem,) = refused({**SYSTEM, "threads": 1}, below)
    assert problem[1].startswith("1 thread is more than the CPU quota of 0.5 CPUs")
    assert problem[1].endswith("raise the quota to a CPU or more")


def test_a_lock_that_nobody_outside_of_the_container_sees_is_told_with_the_remedy():
    inside = Path("/nowhere-mounted/measuring")
    assert container_notice(None, inside) is None
    assert container_notice("docker", Path("/proc/measuring")) is None
    told = container_notice("docker", inside)
    assert told is not None and str(inside) in told and "(docker)" in told and "BENCHMARK_RUNNER_LOCK" in told
