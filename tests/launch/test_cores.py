from __future__ import annotations

from benchmark_runner.launch import cores as launch_cores
from benchmark_runner.launch.cores import read_topology
from benchmark_runner.processes.cgroup import Quota

TWO_CORES = {0: (0, 0), 1: (0, 1)}
FOUR_CORES_OF_TWO_THREADS = {core: (0, core % 4) for core in range(8)}


def divide_cores(topology, **options):
    """The division where nothing limits this process and all cores are alike, unless the options say otherwise."""
    return launch_cores.divide_cores(topology, **{"quota": Quota(), "kinds": {}, **options})


def test_by_default_one_physical_core_is_left_to_the_monitor():
    cores = divide_cores(TWO_CORES, threads=None, affinity=None)
    assert (cores.engine, cores.monitor, cores.threads, cores.notes) == ([0], [1], 1, [])


def test_hardware_threads_are_no_cores():
    cores = divide_cores(FOUR_CORES_OF_TWO_THREADS, threads=None, affinity=None)
    assert (cores.engine, cores.monitor, cores.threads, cores.notes) == ([0, 1, 2], [3, 7], 3, [])


def test_a_single_core_is_shared_and_noted():
    cores = divide_cores({0: (0, 0)}, threads=None, affinity=None)
    assert (cores.engine, cores.monitor, cores.threads) == ([0], [0], 1)
    assert "shares core 0" in cores.notes[0]


def test_all_cores_for_the_engine_are_noted():
    cores = divide_cores(TWO_CORES, threads=2, affinity=None)
    assert (cores.engine, cores.monitor, cores.threads) == ([0, 1], [1], 2)
    assert "no core is left" in cores.notes[0]


def test_hardware_threads_of_the_engines_cores_are_the_monitors_last_resort():
    cores = divide_cores(FOUR_CORES_OF_TWO_THREADS, threads=4, affinity=None)
    assert (cores.engine, cores.monitor) == ([0, 1, 2, 3], [4, 5, 6, 7])
    assert "hardware threads" in cores.notes[0]


def test_more_threads_than_cores_are_noted():
    cores = divide_cores(TWO_CORES, threads=5, affinity=None)
    assert (cores.engine, cores.threads) == ([0, 1], 5)
    assert "5 threads share 2 cores" in cores.notes


def test_an_affinity_is_kept_and_gives_its_number_of_threads():
    cores = divide_cores(FOUR_CORES_OF_TWO_THREADS, threads=None, affinity=[2, 1])
    assert (cores.requested, cores.engine, cores.monitor, cores.threads) == ([2, 1], [1, 2], [0, 3, 4, 7], 2)


def test_an_affinity_of_all_cores_still_leaves_a_core_without_a_thread():
    cores = divide_cores(TWO_CORES, threads=None, affinity=[0, 1])
    assert (cores.engine, cores.monitor, cores.threads) == ([0, 1], [1], 1)


def test_cores_that_are_not_there_are_noted_and_the_others_used():
    cores = divide_cores(TWO_CORES, threads=None, affinity=[1, 7])
    assert (cores.requested, cores.engine, cores.monitor) == ([1, 7], [1], [0])
    assert cores.notes[0].endswith("do not exist: 7")


def test_an_affinity_without_any_core_falls_back_to_the_first_ones():
    cores = divide_cores(TWO_CORES, threads=None, affinity=[8, 9])
    assert (cores.engine, cores.monitor, cores.threads) == ([0], [1], 1)
    assert len(cores.notes) == 2


def test_without_a_topology_each_core_counts_as_a_physical_one(tmp_path):
    topology = read_topology(tmp_path)
    assert len(set(topology.values())) == len(topology) >= 1


MANY = {core: (0, core) for core in range(48)}
HYBRID = {0: (0, 0), 1: (0, 0), 2: (0, 1), 3: (0, 1), 4: (0, 4), 5: (0, 5)}
KINDS = {"performance": [0, 1, 2, 3], "efficiency": [4, 5]}


def test_threads_are_bound_by_the_quota_and_at_least_one():
    for cpus, threads in ((0.5, 1), (1.9, 1), (6.0, 6), (100.0, 47)):
        cores = divide_cores(MANY, threads=None, affinity=None, quota=Quota(cpus))
        assert (cores.threads, len(cores.engine)) == (threads, threads)
        assert bool(cores.notes) == (cpus < 1)
    assert divide_cores(MANY, threads=None, affinity=[3, 4, 5], quota=Quota(2.5)).threads == 2


def test_threads_beyond_the_quota_are_obeyed_and_noted():
    cores = divide_cores(MANY, threads=4, affinity=None, quota=Quota(2.5))
    assert cores.threads == 4
    assert cores.notes == ["the control group's CPU quota of 2.5 CPUs holds 4 threads back again and again"]


def test_the_quota_of_this_process_binds_where_none_is_given(monkeypatch):
    monkeypatch.setattr(launch_cores, "read_quota", lambda: Quota(3.0))
    assert launch_cores.divide_cores(MANY, threads=None, affinity=None).threads == 3


def test_by_default_the_engine_gets_the_fastest_kind_and_the_monitor_another():
    cores = divide_cores(HYBRID, threads=None, affinity=None, kinds=KINDS)
    assert (cores.engine, cores.threads, cores.monitor, cores.notes) == ([0, 2], 2, [4, 5], [])


def test_more_threads_take_the_fastest_kind_first_and_a_mixture_is_noted():
    within = divide_cores(HYBRID, threads=4, affinity=None, kinds=KINDS)
    assert (within.engine, [note for note in within.notes if "kinds" in note]) == ([0, 1, 2, 3], [])
    mixed = divide_cores(HYBRID, threads=5, affinity=None, kinds=KINDS)
    assert mixed.engine == [0, 1, 2, 3, 4]
    assert "unlike kinds" in mixed.notes[0] and "efficiency: 4" in mixed.notes[0]


def test_an_affinity_across_kinds_is_kept_and_noted():
    cores = divide_cores(HYBRID, threads=None, affinity=[2, 4], kinds=KINDS)
    assert cores.engine == [2, 4]
    assert cores.notes == [
        "the engine's cores are of unlike kinds, so that the slowest hold up the others (performance: 2; efficiency: 4)"
    ]
