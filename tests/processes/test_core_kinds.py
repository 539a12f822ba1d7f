"""Kinds of cores, from made-up files of the kernel."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.processes.core_kinds import read_kinds


@pytest.fixture
def devices(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4})

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return write


def per_core(file, *values):
    return {f"system/cpu/cpu{core}/{file}": value for core, value in enumerate(values)}


def test_the_kernels_lists_of_a_hybrid_processor_are_taken_fastest_first(devices):
    root = devices(**{"cpu_atom/cpus": "2-3,9", "cpu_core/cpus": "0-1", "cpu_lowpower/cpus": "4"})
    assert read_kinds(root) == {"performance": [0, 1], "efficiency": [2, 3], "low power": [4]}


def test_cores_that_this_process_may_not_use_make_no_kind(devices):
    assert read_kinds(devices(**{"cpu_core/cpus": "0-4", "cpu_atom/cpus": "8-11"})) == {}


def test_capacities_tell_big_from_little(devices):
    root = devices(**per_core("cpu_capacity", 400, 400, 1024, 1010, 760))
    assert read_kinds(root) == {"capacity 1024": [2, 3], "capacity 760": [4], "capacity 400": [0, 1]}


def test_highest_clocks_tell_them_where_nothing_else_does(devices):
    root = devices(**per_core("cpufreq/cpuinfo_max_freq", 5100000, 3300000, 5000000, 3300000, 5100000))
    assert read_kinds(root) == {"up to 5100000 kHz": [0, 2, 4], "up to 3300000 kHz": [1, 3]}


@pytest.mark.parametrize("values", [(5000000, 4800000, 5000000, 5000000, 5000000), (5000000, 3000000)])
def test_favoured_cores_and_half_a_table_are_no_kinds(devices, values):
    assert read_kinds(devices(**per_core("cpufreq/cpuinfo_max_freq", *values))) == {}
