"""Limits of control groups, of both versions, at every level above this process."""

from __future__ import annotations

import pytest

from benchmark_runner.processes.cgroup import Quota, read_quota, usable_cores

GIB = 2**30


def machine(root, groups, **files):
    """A made-up machine: the text of /proc/self/cgroup and files below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_without_limits_nothing_binds(tmp_path):
    quota = read_quota(machine(tmp_path, "0::/a\n", **{"a/cpu.max": "max 100000", "a/memory.max": "max"}))
    assert quota == Quota()
    assert (quota.available_bytes, quota.most_threads(12), quota.throttled_seconds()) == (None, 12, 0)
    assert read_quota(tmp_path / "nothing") == Quota()


@pytest.mark.parametrize(
    ("outer", "inner", "cpus"), [("150000 100000", "max 100000", 1.5), ("max 1", "25000 50000", 0.5)]
)
def test_the_smallest_quota_on_the_way_up_counts(tmp_path, outer, inner, cpus):
    files = {"pod/cpu.max": outer, "pod/box/cpu.max": inner, "other/cpu.max": "1 100000", "cpu.max": "9000 1000"}
    assert read_quota(machine(tmp_path, "0::/pod/box\n", **files)).cpus == cpus


def test_the_cores_for_a_workflow_are_those_of_the_affinity_within_the_quota(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    assert usable_cores(tmp_path / "nothing") == 16
    assert usable_cores(machine(tmp_path / "pod", "0::/\n", **{"cpu.max": "350000 100000"})) == 3
    assert usable_cores(machine(tmp_path / "half", "0::/\n", **{"cpu.max": "50000 100000"})) == 1


def test_version_1_has_a_hierarchy_for_each_controller(tmp_path):
    groups = "5:memory:/jobs/7\n3:cpu,cpuacct:/jobs/7\n2:cpuset:/jobs\n1:name=systemd:/x:y\n0::/\n"
    files = {
        "cpu,cpuacct/jobs/7/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/jobs/7/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/jobs/cpu.cfs_quota_us": "325000",
        "cpu,cpuacct/jobs/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/jobs/cpu.stat": "nr_throttled 3\nthrottled_time 2500000000",
        "memory/jobs/7/memory.limit_in_bytes": str(2 * GIB),
        "memory/jobs/7/memory.usage_in_bytes": str(GIB),
        "memory/jobs/7/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}",
        "memory/jobs/memory.limit_in_bytes": "9223372036854771712",
    }
    quota = read_quota(machine(tmp_path, groups, **files))
    assert (quota.cpus, quota.memory_bytes, quota.available_bytes) == (3.25, 2 * GIB, 1.5 * GIB)
    assert quota.throttled_seconds() == 2.5


def test_a_controller_may_be_mounted_under_its_own_name(tmp_path):
    files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
    assert read_quota(machine(tmp_path, "1:cpu,cpuacct:/\n", **files)).cpus == 2.0


def test_a_container_sees_its_own_group_where_the_path_is_the_hosts(tmp_path):
    files = {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000", "cpu/worker/cpu.cfs_quota_us": "-1"}
    assert read_quota(machine(tmp_path, "1:cpu:/docker/0a1b/worker\n", **files)).cpus == 0.5


def test_what_may_still_be_used_is_that_of_the_fullest_group(tmp_path):
    files = {
        "a/memory.max": str(8 * GIB),
        "a/memory.current": str(7 * GIB),
        "a/memory.stat": "anon 5\ninactive_file 1024",
        "a/b/memory.max": str(4 * GIB),
        "a/b/memory.high": str(3 * GIB),
        "a/b/memory.current": str(GIB),
        "a/b/memory.stat": "inactive_file 0",
    }
    quota = read_quota(machine(tmp_path, "0::/a/b\n", **files))
    assert (quota.memory_bytes, quota.available_bytes) == (3 * GIB, GIB + 1024)


@pytest.mark.parametrize(
    ("cpus", "cores", "threads"), [(0.2, 8, 1), (1.5, 8, 1), (2.0, 8, 2), (3.9, 8, 3), (64.0, 8, 8)]
)
def test_threads_are_at_most_the_quota_rounded_down(cpus, cores, threads):
    assert Quota(cpus).most_threads(cores) == threads


LONG = "9" * 5000


@pytest.mark.parametrize("text", ["", "x y", "100", "100000 0", "max", f"{LONG} 100000", f"100000 {LONG}", "1e3 1"])
def test_what_the_kernel_would_not_write_limits_nothing(tmp_path, text):
    assert read_quota(machine(tmp_path, "0::/\nbroken\n", **{"cpu.max": text})).cpus is None


def test_numbers_longer_than_any_of_the_kernel_are_none(tmp_path):
    files = {"memory.max": LONG, "memory.high": "4096", "memory.stat": f"inactive_file {LONG}", "memory.current": LONG}
    files |= {"cpu.max": "50000 100000", "cpu.stat": f"throttled_usec {LONG}"}
    quota = read_quota(machine(tmp_path, "0::/\n", **files))
    assert (quota.memory_bytes, quota.available_bytes, quota.throttled_seconds()) == (4096, 4096, 0)
