from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.monitor import machine
from benchmark_runner.monitor.machine import (
    CoresProbe,
    CoreTimes,
    FrequencyProbe,
    MemoryProbe,
    TemperatureProbe,
    busy_percent,
    cpu_sensors,
    parse_core_times,
    parse_memory,
)
from benchmark_runner.monitor.probe import KernelFile
from benchmark_runner.processes.cgroup import MemoryGroup, Quota

STAT = b"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 2 3 80 5 1 1 7 4 0\ncpu3 0 0 0 100 0 0 0 0 0 0\nintr 5 6\n"


def test_guest_time_is_not_counted_twice_and_waiting_is_idle():
    assert parse_core_times(STAT) == {0: CoreTimes(17, 85, 7), 3: CoreTimes(0, 100, 0)}


def test_the_share_counts_stolen_time_as_time():
    assert busy_percent(CoreTimes(0, 0, 0), CoreTimes(30, 60, 10)) == 30.0
    assert busy_percent(CoreTimes(5, 5, 5), CoreTimes(5, 5, 5)) == 0.0


def test_memory_is_bytes():
    assert parse_memory(b"MemTotal:  2 kB\nHugePages_Total:  0\n") == {"MemTotal": 2048}


def test_this_machines_cores_and_memory_can_be_read():
    sample: dict = {}
    cores = CoresProbe()
    cores.read(sample)
    MemoryProbe().read(sample)
    assert len(sample["cpu_percent_per_core"]) == len(cores.cores) >= 1
    assert sample["machine_busy_seconds"] > 0
    assert sample["memory_available_bytes"] > 0


def test_what_has_no_driver_is_absent_with_a_reason_and_never_0():
    sample: dict = {}
    probe = FrequencyProbe([123456])
    probe.read(sample)
    assert sample == {} and "cpufreq" in probe.absent["cpu_frequency_mhz_per_core"]
    temperatures = TemperatureProbe({})
    temperatures.read(sample)
    assert sample == {} and set(temperatures.absent) == {"temperatures_celsius", "cpu_temperature_celsius"}


@pytest.mark.parametrize("odd", ["<unknown>\n", ""])
def test_a_core_that_does_not_tell_its_clock_now_costs_that_value_alone(tmp_path, odd):
    files = [tmp_path / f"devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq" for core in (0, 1)]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("2400000\n")
    probe, found = FrequencyProbe([0, 1], str(tmp_path)), []
    for content in ("2400000\n", odd, "1800000\n"):
        files[1].write_text(content)
        sample: dict = {}
        probe.read(sample)
        found.append(sample.get("cpu_frequency_mhz_per_core"))
    assert found == [[2400, 2400], None, [2400, 1800]]
    files[0].write_text(odd)
    assert "cpufreq" in FrequencyProbe([0, 1], str(tmp_path)).absent["cpu_frequency_mhz_per_core"]


def test_a_sensor_that_answers_with_no_number_or_an_error_is_left_out_of_the_sample(tmp_path):
    hwmon(tmp_path, 0, "coretemp", temp1_input="65500", temp1_label="Package id 0\n", temp2_input="70000")
    (tmp_path / "class/hwmon/hwmon0/temp2_label").write_text("Package id 1\n")
    sensors = cpu_sensors(str(tmp_path)) | {"broken": KernelFile("/proc/self/mem")}  # answers EIO at its beginning
    (tmp_path / "class/hwmon/hwmon0/temp2_input").write_text("N/A\n")
    sample: dict = {}
    TemperatureProbe(sensors).read(sample)
    assert sample["temperatures_celsius"] == {"coretemp Package id 0": 65.5}


def hwmon(root: Path, number: int, name: str, **files: str) -> None:
    folder = root / "class" / "hwmon" / f"hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    for file, content in files.items():
        (folder / file).write_text(content)


def read(root: Path) -> dict:
    sample: dict = {}
    TemperatureProbe(cpu_sensors(str(root))).read(sample)
    return sample


def test_packages_are_preferred_to_cores_and_disks_are_left_out(tmp_path):
    hwmon(tmp_path, 0, "nvme", temp1_input="90000")
    core = {"temp2_input": "71000", "temp2_label": "Core 0\n"}
    hwmon(tmp_path, 1, "coretemp", temp1_input="65500", temp1_label="Package id 0\n", **core)
    assert read(tmp_path) == {
        "temperatures_celsius": {"coretemp Package id 0": 65.5},
        "cpu_temperature_celsius": 65.5,
    }


def test_two_packages_of_one_name_are_both_read(tmp_path):
    hwmon(tmp_path, 1, "k10temp", temp1_input="50000", temp1_label="Tctl\n")
    hwmon(tmp_path, 2, "k10temp", temp1_input="60000", temp1_label="Tctl\n")
    assert read(tmp_path)["cpu_temperature_celsius"] == 60.0
    assert len(read(tmp_path)["temperatures_celsius"]) == 2


def test_cores_without_a_package_and_thermal_zones_are_the_next_best(tmp_path):
    zone = tmp_path / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("x86_pkg_temp\n")
    (zone / "temp").write_text("44000\n")
    assert read(tmp_path)["temperatures_celsius"] == {"x86_pkg_temp 0": 44.0}
    hwmon(tmp_path, 1, "cpu_thermal", temp1_input="55000")
    assert read(tmp_path)["temperatures_celsius"] == {"cpu_thermal temp1": 55.0}


def test_available_memory_is_at_most_what_a_control_group_leaves(monkeypatch, tmp_path):
    (tmp_path / "usage").write_text("700\n")
    quota = Quota(None, (MemoryGroup(1000, tmp_path / "usage", tmp_path / "none"),))
    monkeypatch.setattr(machine, "read_quota", lambda: quota)
    sample = {}
    MemoryProbe().read(sample)
    assert sample["memory_available_bytes"] == 300
