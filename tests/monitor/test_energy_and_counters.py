from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from benchmark_runner.monitor import counters as counters_module
from benchmark_runner.monitor.counters import CounterProbe, open_counter, read_counter
from benchmark_runner.monitor.machine import PackageEnergyProbe, counted_joules

TYPE_SOFTWARE, TASK_CLOCK = 1, 1


def package(root: Path, name: str, energy_uj: int) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text("10000000\n")
    return folder


def test_a_counter_that_began_again_has_gone_on():
    assert counted_joules(5.0, 9_000_000, 500_000, 10_000_000) == 6.5


def test_packages_are_added_and_their_parts_are_not(tmp_path):
    first = package(tmp_path, "intel-rapl:0", 1_000_000)
    second = package(tmp_path, "intel-rapl:1", 2_000_000)
    package(tmp_path, "intel-rapl:0:0", 5)
    probe = PackageEnergyProbe(str(tmp_path))
    (first / "energy_uj").write_text("3000000\n")
    (second / "energy_uj").write_text("2500000\n")
    sample: dict = {}
    probe.read(sample)
    assert (probe.absent, sample) == ({}, {"package_energy_joules": 2.5})


def test_a_package_that_does_not_tell_now_leaves_its_energy_out_and_loses_none(tmp_path):
    folder = package(tmp_path, "intel-rapl:0", 1_000_000)
    package(tmp_path, "intel-rapl:1", 0)
    probe, found = PackageEnergyProbe(str(tmp_path)), []
    for content in ("", "4000000\n"):
        (folder / "energy_uj").write_text(content)
        sample: dict = {}
        probe.read(sample)
        found.append(sample)
    assert found == [{}, {"package_energy_joules": 3.0}]


def test_a_counter_of_no_number_is_absent_with_its_file(tmp_path):
    (package(tmp_path, "intel-rapl:0", 1) / "max_energy_range_uj").write_text("\n")
    assert "intel-rapl:0" in PackageEnergyProbe(str(tmp_path)).absent["package_energy_joules"]


def test_without_packages_energy_is_absent(tmp_path):
    probe = PackageEnergyProbe(str(tmp_path))
    sample: dict = {}
    probe.read(sample)
    assert sample == {} and "intel-rapl" in probe.absent["package_energy_joules"]


def test_a_counter_that_may_not_be_read_is_absent_with_the_remedy(tmp_path):
    package(tmp_path, "intel-rapl:0", 1)
    folder = package(tmp_path, "intel-rapl:1", 1)
    (folder / "energy_uj").unlink()
    (folder / "energy_uj").mkdir()  # cannot be read, as a file of root's cannot by others
    probe = PackageEnergyProbe(str(tmp_path))
    sample: dict = {}
    probe.read(sample)
    assert sample == {} and "chmod a+r" in probe.absent["package_energy_joules"]


def spin() -> None:
    for _ in range(2_000_000):
        pass


def test_a_counter_counts_and_scales(lacking):
    try:
        descriptor = open_counter(TYPE_SOFTWARE, TASK_CLOCK, 0)
    except OSError as error:
        lacking(f"perf_event_open: {error}; allow it in the container or by kernel.perf_event_paranoid=2")
    spin()
    first = read_counter(descriptor)
    spin()
    second = read_counter(descriptor)
    os.close(descriptor)
    assert first is not None and second is not None and 0 < first < second


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EPERM, errno.EMFILE])
def test_counters_that_the_kernel_refuses_are_absent_with_its_reason(monkeypatch, number):
    def refuse(*_: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(counters_module, "open_counter", refuse)
    probe = CounterProbe()
    sample: dict = {}
    assert probe.attach(os.getpid()) is None
    probe.read(sample)
    assert sample == {}
    assert set(probe.absent) == {"instructions", "cycles"}
    assert errno.errorcode[number] in probe.absent["cycles"]
