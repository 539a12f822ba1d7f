"""The GPU's part, on a stand-in for the module pynvml: machines with a GPU are rare among those that run the tests."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from benchmark_runner.monitor.gpu import GPU_VALUES, POWER_VALUES, UNKNOWN, Gpu, GpuProbe, open_gpu, throttle_reasons


class NvmlError(Exception):
    pass


class FakeNvml:
    """Answers as pynvml does; what is in broken raises."""

    NVMLError = NvmlError
    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.answers: dict[str, Any] = {
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=75, memory=10),
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=5_000),
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetPowerUsage": 250_500,
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x44,
            "nvmlDeviceGetTotalEnergyConsumption": 12_345,
            "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)],
            "nvmlDeviceGetGraphicsRunningProcesses": [],
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetName": b"NVIDIA H100 80GB HBM3",
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlDeviceGetCudaComputeCapability": (9, 0),
            "nvmlSystemGetDriverVersion": "580.95",
            "nvmlSystemGetCudaDriverVersion": 13020,
        }

    def __getattr__(self, name: str) -> Any:
        def answer(*_: Any) -> Any:
            if name in self.broken:
                raise NvmlError("Not Supported")
            return self.answers[name]

        return answer


def read(probe: GpuProbe) -> dict[str, Any]:
    sample: dict[str, Any] = {}
    probe.read(sample)
    return sample


def test_all_values_have_their_units():
    sample = read(GpuProbe(Gpu(FakeNvml(), "handle")))
    assert set(sample) == set(GPU_VALUES)
    assert sample["gpu_utilization_percent"] == 75
    assert sample["gpu_power_watts"] == 250.5
    assert sample["gpu_energy_joules"] == 12.345
    assert sample["gpu_throttle_reasons"] == ["sw_power_cap", "hw_thermal_slowdown"]


def test_what_the_driver_does_not_support_is_absent_and_the_rest_is_there():
    nvml = FakeNvml()
    nvml.broken = {"nvmlDeviceGetTotalEnergyConsumption"}
    probe = GpuProbe(Gpu(nvml, "handle"))
    assert probe.absent == {"gpu_energy_joules": "NVML: Not Supported"}
    assert "gpu_energy_joules" not in read(probe) and "gpu_power_watts" in read(probe)


def test_a_value_that_fails_for_a_moment_is_left_out_of_that_sample():
    nvml = FakeNvml()
    probe = GpuProbe(Gpu(nvml, "handle"))
    nvml.broken = {"nvmlDeviceGetPowerUsage"}
    assert "gpu_power_watts" not in read(probe)
    nvml.broken = set()
    assert "gpu_power_watts" in read(probe)


def test_power_can_be_switched_off():
    probe = GpuProbe(Gpu(FakeNvml(), "handle"), POWER_VALUES, "switched off")
    assert probe.absent == dict.fromkeys(POWER_VALUES, "switched off")
    assert not read(probe).keys() & POWER_VALUES


def test_processes_on_the_gpu_are_named():
    nvml = FakeNvml()
    processes = Gpu(nvml, "handle").processes()
    assert [(process.pid, process.memory_bytes) for process in processes] == [(os.getpid(), None)]
    nvml.answers["nvmlDeviceGetComputeRunningProcesses"] = []
    assert Gpu(nvml, "handle").processes() == []
    nvml.broken = {"nvmlDeviceGetComputeRunningProcesses"}
    assert Gpu(nvml, "handle").processes() is None


def test_a_gpu_is_opened_by_number_or_uuid_and_else_there_is_a_reason():
    nvml = FakeNvml()
    assert open_gpu("0", nvml)[0] is not None
    assert open_gpu("GPU-1234", nvml)[0] is not None
    nvml.broken = {"nvmlDeviceGetHandleByIndex"}
    assert open_gpu("7", nvml) == (None, "GPU 7: Not Supported")
    assert open_gpu("0", None, "no driver") == (None, "no driver")


def test_idle_clocks_are_no_disturbance():
    assert throttle_reasons(0x1 | 0x2) == []
    assert throttle_reasons(0x8 | 0x80) == ["hw_slowdown", "hw_power_brake_slowdown"]


def test_a_launch_names_its_gpu_and_the_driver():
    assert Gpu(FakeNvml(), "handle").describe() == {
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": "GPU-1",
        "compute_capability": "9.0",
        "driver_version": "580.95",
        "cuda_driver_version": "13.2",
        "absent": {},
    }


def test_what_the_driver_does_not_tell_of_the_gpu_is_null_with_its_reason():
    nvml = FakeNvml()
    nvml.broken = {"nvmlDeviceGetUUID"}
    told = Gpu(nvml, "handle").describe()
    assert told["uuid"] is None
    assert told["absent"] == {"uuid": "NVML: Not Supported"}


class LibraryMismatchError(Exception):
    """As NVMLLibraryMismatchError, which is no NVMLError."""


class OldDriver(FakeNvml):
    """Knows the processes by the older question alone, and gives a name that is no text."""

    NVMLLibraryMismatchError = LibraryMismatchError

    def nvmlDeviceGetComputeRunningProcesses(self, _):  # noqa: N802
        raise LibraryMismatchError("use another function")

    def nvmlDeviceGetComputeRunningProcesses_v2(self, _):  # noqa: N802
        return [SimpleNamespace(pid=os.getpid(), usedGpuMemory=4)]

    def nvmlDeviceGetPowerUsage(self, _):  # noqa: N802
        raise LibraryMismatchError("use another function")

    def nvmlDeviceGetName(self, _):  # noqa: N802
        return b"\xff\xfe".decode()


def test_an_old_drivers_library_costs_what_it_does_not_know_alone():
    gpu = Gpu(OldDriver(), "handle")
    assert [process.memory_bytes for process in gpu.processes()] == [4]
    probe = GpuProbe(gpu)
    assert probe.absent == {"gpu_power_watts": f"NVML: {UNKNOWN}"}
    assert read(probe).keys() == set(GPU_VALUES) - {"gpu_power_watts"}
    told = gpu.describe()
    assert (told["name"], told["absent"], told["uuid"]) == (None, {"name": f"NVML: {UNKNOWN}"}, "GPU-1")
