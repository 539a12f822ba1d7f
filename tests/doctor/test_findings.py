"""What the doctor says of machines that have things, have them with limits, or lack them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.doctor import load, processor, sensors
from benchmark_runner.doctor.__main__ import table
from benchmark_runner.doctor.finding import Finding, Lack
from benchmark_runner.launch.cores import divide_cores
from benchmark_runner.monitor.gpu import GPU_VALUES, HIDDEN
from benchmark_runner.processes.cgroup import Quota

STATE = {
    "load_average_1m": 0.1,
    "memory_available_bytes": 8_000_000_000,
    "swap_used_bytes": 0,
    "cpu_temperature_celsius": None,
    "foreign_gpu_processes": [],
    "busy_processes": [],
}
MACHINE = {"control_group_limit_bytes": None, "swap_total_bytes": 0}
DEVICE = {
    "index": 1,
    "name": "NVIDIA L4",
    "memory_bytes": 24_000_000_000,
    "compute_capability": "8.9",
    "power_limit_watts": 72.0,
    "persistence_mode": True,
    "absent": {},
}
FACTS = {"driver_version": "580.95", "cuda_driver_version": "13.2", "absent": {}, "devices": [{}, DEVICE]}
ALIKE = {"quota": Quota(), "kinds": {}}
READINGS = dict.fromkeys(GPU_VALUES, 1) | {"gpu_throttle_reasons": []}


def test_a_value_that_is_null_needs_a_reason():
    with pytest.raises(ValueError, match="do not fit"):
        Finding("x", "X", "found", values={"a": None})
    with pytest.raises(ValueError, match="do not fit"):
        Finding("x", "X", "found", values={"a": 0}, absent={"a": "reason"})
    with pytest.raises(ValueError, match="no reason"):
        Finding("x", "X", None)


def test_a_machine_without_a_gpu_names_reason_cost_and_remedy_for_every_reading():
    finding = sensors.no_gpu("no NVIDIA driver here")
    assert finding.state == "missing"
    assert set(GPU_VALUES) <= set(finding.absent)
    assert set(finding.absent.values()) == {"no NVIDIA driver here"}
    assert "install the NVIDIA driver" in finding.lacks[0].remedy


def test_a_gpu_number_that_is_not_there_is_a_matter_of_configuration():
    assert "system.gpu_device" in sensors.no_gpu("GPU 7: Invalid Argument").lacks[0].remedy


def test_a_gpu_that_tells_everything_is_there():
    finding = sensors.gpu(FACTS, DEVICE, READINGS, {}, 1_000_000)
    assert finding.state == "there"
    assert finding.found == "NVIDIA L4, 24.0 GB, driver 580.95 (number 1 of 2 GPUs)"
    assert finding.absent == {}


def test_what_a_gpu_refuses_and_how_it_is_set_up_limit_it():
    readings = {name: value for name, value in READINGS.items() if name != "gpu_energy_joules"}
    readings["gpu_throttle_reasons"] = ["sw_power_cap"]
    device = DEVICE | {"persistence_mode": False}
    unread = {"gpu_energy_joules": "NVML: Not Supported"}
    finding = sensors.gpu(FACTS, device, readings, unread, 30_000_000_000)
    assert finding.state == "limited"
    reasons = " ".join(lack.reason for lack in finding.lacks)
    for part in ("energy_joules: NVML: Not Supported", "persistence mode is off", "sw_power_cap", "30.0 GB"):
        assert part in reasons
    assert finding.absent == unread


def test_a_gpu_that_tells_neither_its_memory_nor_its_driver_is_limited():
    device = DEVICE | {"memory_bytes": None, "absent": {"memory_bytes": "NVML: shared with the processor"}}
    facts = FACTS | {"driver_version": None, "absent": {"driver_version": "NVML: too old"}}
    finding = sensors.gpu(facts, device, READINGS, {}, 30_000_000_000)
    assert (finding.state, finding.found) == ("limited", "NVIDIA L4, —, driver — (number 1 of 2 GPUs)")
    assert finding.lacks[0].reason == "memory_bytes, driver_version: NVML: shared with the processor; NVML: too old"


def test_a_gpu_that_cuda_hides_is_a_matter_of_its_variable():
    assert "CUDA_VISIBLE_DEVICES" in sensors.no_gpu(HIDDEN).lacks[0].remedy


def test_a_reading_that_fails_just_now_is_absent_with_a_reason():
    readings = {name: value for name, value in READINGS.items() if name != "gpu_power_watts"}
    assert "just now" in sensors.gpu(FACTS, DEVICE, readings, {}, None).absent["gpu_power_watts"]


def test_one_counter_of_two_is_limited_and_none_is_missing():
    forbidden = "EACCES: the kernel forbids it; `sudo sysctl kernel.perf_event_paranoid=2` allows it"
    limited = sensors.counters({"cycles": forbidden})
    assert (limited.state, limited.found) == ("limited", "instructions")
    assert "the command that the reason names" in limited.lacks[0].remedy
    missing = sensors.counters({"cycles": "none here", "instructions": "none here"})
    assert missing.state == "missing"
    assert missing.lacks[0].reason == "none here"
    assert sensors.counters({}).state == "there"


def test_sensors_that_answer_are_shown_with_their_value():
    assert sensors.temperature({"cpu_temperature_celsius": 51.5}, {}).found == "51.5 °C now"
    assert sensors.frequency({"cpu_frequency_mhz_per_core": [1800, 3100]}, {}).found == "1800 to 3100 MHz now"
    assert sensors.package_energy({}).state == "there"


def test_a_sensor_that_is_there_and_silent_is_absent_with_a_reason():
    assert "just now" in sensors.temperature({}, {}).lacks[0].reason


@pytest.mark.parametrize(("governor", "state"), [("performance", "there"), ("powersave", "limited"), (None, "missing")])
def test_only_a_steady_governor_has_no_limits(governor, state):
    assert processor.governor({"governor": governor}).state == state


@pytest.mark.parametrize(("turbo", "state"), [("off", "there"), ("on", "limited"), (None, "missing")])
def test_turbo_is_a_limit_where_it_is_on(turbo, state):
    assert processor.turbo({"turbo": turbo}).state == state


@pytest.mark.parametrize(("smt", "state"), [("off", "there"), ("notsupported", "there"), ("on", "limited")])
def test_hardware_threads_are_a_limit_where_they_are_on(smt, state):
    assert processor.hardware_threads({"smt": smt, "physical_cores": 4, "logical_cores": 8}).state == state


def test_the_division_of_cores_is_that_of_a_launch():
    topology = {0: (0, 0), 1: (0, 1)}
    shared = processor.division(divide_cores(topology, threads=2, affinity=None, **ALIKE))
    assert shared.state == "limited"
    assert "shares core 1 with the engine" in shared.lacks[0].reason
    assert processor.division(divide_cores(topology, threads=1, affinity=None, **ALIKE)).found == (
        "engine core 0, monitor core 1, 1 thread"
    )


def test_quota_and_kinds_of_cores_are_told():
    kinds = {"performance": [0], "efficiency": [1, 2]}
    topology = {core: (0, core) for core in range(3)}
    half, split = Quota(0.5), {"quota": Quota(0.5), "kinds": kinds}
    finding = processor.division(divide_cores(topology, threads=None, affinity=None, **split), half, kinds)
    assert finding.lacks[0].remedy.endswith("a quota below one CPU holds any thread back: raise it")
    assert finding.found.endswith("1 thread, CPU quota 0.5; performance: core 0; efficiency: cores 1, 2")
    assert (finding.values["cpu_quota"], finding.values["core_kinds"]) == (0.5, kinds)
    assert "CPU quota of 0.5" in finding.lacks[0].reason


def test_an_idle_machine_has_no_other_load():
    finding = load.other_load(STATE, cores=4, stolen_percent=0.0, has_gpu=False)
    assert finding.state == "there"
    assert finding.absent == {"foreign_gpu_processes": "there is no GPU"}


def test_each_kind_of_other_load_is_named():
    state = STATE | {
        "load_average_1m": 9.5,
        "busy_processes": [{"name": "make", "cpu_percent": 88.0}],
        "foreign_gpu_processes": [{"pid": 7, "name": "game", "memory_bytes": 1}],
    }
    finding = load.other_load(state, cores=4, stolen_percent=40.0, has_gpu=True)
    reasons = "; ".join(lack.reason for lack in finding.lacks)
    for part in ("game (pid 7)", "load average 9.5 on 4 cores just now", "make (88 % of a core)", "40 % of a core"):
        assert part in reasons
    assert "before the launch" not in reasons


def test_memory_is_held_against_the_weights():
    assert load.memory(STATE, MACHINE, 1_000_000_000, "").state == "there"
    small = load.memory(STATE, MACHINE, 7_000_000_000, "")
    assert small.state == "limited"
    assert "15.4 GB" in small.lacks[0].reason
    boxed = load.memory(STATE, MACHINE | {"control_group_limit_bytes": 2_000_000_000}, 1_000_000_000, "")
    assert "the container may use 2.00 GB" in boxed.lacks[0].reason


def test_weights_that_are_not_there_yet_are_absent_with_the_reason():
    finding = load.memory(STATE, MACHINE, None, "the model is not made yet")
    assert finding.values["weights_bytes"] is None
    assert finding.absent["weights_bytes"] == "the model is not made yet"


def test_only_swap_in_use_is_a_limit():
    assert load.swap(STATE, MACHINE).found == "none, as a measurement likes it"
    assert load.swap(STATE, MACHINE | {"swap_total_bytes": 4_000_000_000}).state == "there"
    used = load.swap(STATE | {"swap_used_bytes": 1_000_000}, MACHINE | {"swap_total_bytes": 4_000_000_000})
    assert used.state == "limited"


def test_disk_space_needs_more_before_engines_are_built():
    folders = {"results": Path("results"), "engines": Path()}
    free_bytes = {"results": 5_000_000_000, "engines": 50_000_000_000}
    first = load.disk(free_bytes, folders, engines_built=False)
    assert [lack.reason.split(" are free")[0] for lack in first.lacks] == ["5.00 GB"]
    assert load.disk(free_bytes, folders, engines_built=True).state == "there"


def test_the_table_fits_its_width_and_tells_why_cost_and_remedy():
    findings = [
        Finding("a", "A thing", "there it is"),
        Finding("b", "Another", None, lacks=[Lack("the reason " * 12, "the cost " * 12, "the remedy " * 12)]),
    ]
    text = table(findings, 60)
    assert max(map(len, text.splitlines())) <= 60
    assert "there    A thing  there it is" in text
    assert "missing  Another  —" in text
    for word in ("why     the reason", "costs   the cost", "remedy  the remedy"):
        assert f"         {word}" in text
    assert text.endswith("2 checks: 1 there, 0 limited, 1 missing")
