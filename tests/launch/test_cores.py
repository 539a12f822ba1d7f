from __future__ import annotations

from benchmark_runner.launch.cores import divide_cores, read_topology

TWO_CORES = {0: (0, 0), 1: (0, 1)}
FOUR_CORES_OF_TWO_THREADS = {core: (0, core % 4) for core in range(8)}


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
