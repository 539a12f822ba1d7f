"""The GPU through NVML (package nvidia-ml-py); without a driver everything is absent, with the reason."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from benchmark_runner.monitor.probe import Sample
from benchmark_runner.processes.procfs import read_process

LIBRARY: Final = "libnvidia-ml.so.1"
NO_DRIVER: Final = f"no NVIDIA driver here ({LIBRARY} cannot be loaded)"
# Bits of nvmlClocksEventReasons (nvml.h). Idle and clocks set by the user are no disturbance and are left out.
THROTTLE_REASONS: Final = {
    0x04: "sw_power_cap",
    0x08: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
}
POWER_VALUES: Final = frozenset({"gpu_power_watts", "gpu_energy_joules"})


class GpuProcess(NamedTuple):
    """A process that holds memory on the GPU; None where the driver does not tell how much."""

    pid: int
    name: str
    memory_bytes: int | None


class Gpu:
    """One GPU, opened; nvml is the module pynvml or what behaves like it."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self.nvml = nvml
        self.handle = handle

    def processes(self) -> list[GpuProcess]:
        """Processes with a compute or graphics context; empty where the driver does not tell."""
        found: dict[int, GpuProcess] = {}
        for query in (self.nvml.nvmlDeviceGetComputeRunningProcesses, self.nvml.nvmlDeviceGetGraphicsRunningProcesses):
            try:
                entries = query(self.handle)
            except self.nvml.NVMLError:
                continue
            for entry in entries:
                process = read_process(entry.pid)
                name = process.name if process else "of another container or user"
                found[entry.pid] = GpuProcess(entry.pid, name, entry.usedGpuMemory)
        return list(found.values())

    def celsius(self) -> float | None:
        """Its temperature now; None where the driver does not tell."""
        try:
            return float(self.nvml.nvmlDeviceGetTemperature(self.handle, self.nvml.NVML_TEMPERATURE_GPU))
        except self.nvml.NVMLError:
            return None

    def describe(self) -> dict[str, Any]:
        """The record's field `gpu`: what is not told is null and stands under absent with NVML's reason."""
        nvml, handle = self.nvml, self.handle
        questions: dict[str, Callable[[], Any]] = {
            "name": lambda: as_text(nvml.nvmlDeviceGetName(handle)),
            "uuid": lambda: as_text(nvml.nvmlDeviceGetUUID(handle)),
            "compute_capability": lambda: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(handle))),
            "driver_version": lambda: as_text(nvml.nvmlSystemGetDriverVersion()),
            "cuda_driver_version": lambda: cuda_version(nvml.nvmlSystemGetCudaDriverVersion()),
        }
        told: dict[str, Any] = {}
        absent: dict[str, str] = {}
        for field, question in questions.items():
            try:
                told[field] = question()
            except nvml.NVMLError as error:
                told[field] = None
                absent[field] = f"NVML: {error}"
        return {**told, "absent": absent}


def as_text(value: str | bytes) -> str:
    """NVML's words; older bindings give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def cuda_version(number: int) -> str:
    """NVML's 13020 is CUDA 13.2."""
    return f"{number // 1000}.{number % 1000 // 10}"


def throttle_reasons(bits: int) -> list[str]:
    """Names of what holds the clocks down."""
    return [name for bit, name in THROTTLE_REASONS.items() if bits & bit]


def load_nvml() -> tuple[Any | None, str | None]:
    """The initialised module pynvml, or the reason why there is none. The library is tried before the slow import."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return None, NO_DRIVER
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return None, f"NVML: {error}"
    return pynvml, None


def open_gpu(selector: str, nvml: Any | None = None, reason: str | None = None) -> tuple[Gpu | None, str | None]:
    """GPU by index (PCI order) or UUID, or the reason why it cannot be opened."""
    if nvml is None and reason is None:
        nvml, reason = load_nvml()
    if nvml is None:
        return None, reason
    try:
        if selector.isdigit():
            return Gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(int(selector))), None
        return Gpu(nvml, nvml.nvmlDeviceGetHandleByUUID(selector)), None
    except nvml.NVMLError as error:
        return None, f"GPU {selector}: {error}"


def _queries(gpu: Gpu) -> dict[str, Callable[[], Any]]:
    nvml, handle = gpu.nvml, gpu.handle
    return {
        "gpu_utilization_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
        "gpu_memory_used_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,
        "gpu_temperature_celsius": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "gpu_power_watts": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
        "gpu_clock_sm_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "gpu_clock_memory_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "gpu_throttle_reasons": lambda: throttle_reasons(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)),
        "gpu_energy_joules": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,
    }


class GpuProbe:
    """Utilisation, memory, temperature, power, clocks, throttle reasons and energy of one GPU."""

    def __init__(self, gpu: Gpu, switched_off: frozenset[str] = frozenset(), off_reason: str = "") -> None:
        self.absent: dict[str, str] = {}
        self._error = gpu.nvml.NVMLError
        self._queries: dict[str, Callable[[], Any]] = {}
        for name, query in _queries(gpu).items():
            if name in switched_off:
                self.absent[name] = off_reason
                continue
            try:
                query()
            except self._error as error:
                self.absent[name] = f"NVML: {error}"
            else:
                self._queries[name] = query

    def read(self, sample: Sample) -> None:
        """Adds the gpu_ values; one that fails now is left out of this sample."""
        for name, query in self._queries.items():
            try:
                sample[name] = query()
            except self._error:
                continue


GPU_VALUES: Final = (
    "gpu_utilization_percent",
    "gpu_memory_used_bytes",
    "gpu_temperature_celsius",
    "gpu_power_watts",
    "gpu_clock_sm_mhz",
    "gpu_clock_memory_mhz",
    "gpu_throttle_reasons",
    "gpu_energy_joules",
)
