"""The GPU through NVML (package nvidia-ml-py); without a driver everything is absent, with the reason."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Mapping
from functools import partial
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
UNKNOWN: Final = "the driver's library does not know this question or answers it wrongly"
HIDDEN: Final = (
    "CUDA_VISIBLE_DEVICES gives this process no GPU of the number asked for (what follows a wrong entry is hidden, "
    "two equal ones hide all, and numbers of unlike GPUs hold under CUDA_DEVICE_ORDER=PCI_BUS_ID alone)"
)
POWER_VALUES: Final = frozenset({"gpu_power_watts", "gpu_energy_joules"})


def unanswered(nvml: Any) -> tuple[type[Exception], ...]:
    """What a question to NVML raises where it has no answer.

    Besides NVML's own errors: a function that an old driver's library or this module lacks, and words that are no text.
    """
    mismatch = getattr(nvml, "NVMLLibraryMismatchError", None)
    return (nvml.NVMLError, AttributeError, ValueError, *((mismatch,) if isinstance(mismatch, type) else ()))


def ask(nvml: Any, question: Callable[[], Any]) -> tuple[Any, str]:
    """(NVML's answer, ""), or (None, its reason)."""
    try:
        return question(), ""
    except unanswered(nvml) as error:
        return None, (str(error) or type(error).__name__) if isinstance(error, nvml.NVMLError) else UNKNOWN


def call(nvml: Any, function: str, *arguments: Any) -> tuple[Any, str]:
    """(What the function of NVML answers, ""), or (None, its reason)."""
    return ask(nvml, lambda: getattr(nvml, function)(*arguments))


def told(nvml: Any, questions: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Each answer by its name, null where NVML gives none, and then the reason by the same name under `absent`."""
    answers = {name: ask(nvml, question) for name, question in questions.items()}
    absent = {name: f"NVML: {reason}" for name, (_, reason) in answers.items() if reason}
    return {**{name: answer for name, (answer, _) in answers.items()}, "absent": absent}


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

    def processes(self) -> list[GpuProcess] | None:
        """Processes with a compute or graphics context; None where the driver tells of none and not of all."""
        found: dict[int, GpuProcess] = {}
        refused = False
        for kind in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"):
            entries, reason = call(self.nvml, kind, self.handle)
            if reason == UNKNOWN:  # drivers before 510 know the older question alone
                entries, reason = call(self.nvml, f"{kind}_v2", self.handle)
            refused = refused or bool(reason)
            for entry in entries or ():
                process = read_process(entry.pid)
                called = process.name if process else "of another container or user"
                found[entry.pid] = GpuProcess(entry.pid, called, entry.usedGpuMemory)
        return None if refused and not found else list(found.values())

    def celsius(self) -> float | None:
        """Its temperature now; None where the driver does not tell."""
        nvml = self.nvml
        celsius, _ = ask(nvml, lambda: float(nvml.nvmlDeviceGetTemperature(self.handle, nvml.NVML_TEMPERATURE_GPU)))
        return celsius  # type: ignore[no-any-return]

    def uuid(self) -> str | None:
        """Which one of its model it is; None where the driver does not tell."""
        return ask(self.nvml, lambda: as_text(self.nvml.nvmlDeviceGetUUID(self.handle)))[0]  # type: ignore[no-any-return]

    def speed(self) -> tuple[Any, ...]:
        """What CUDA may rank GPUs by, each None where the driver does not tell: generation, cores, highest clock."""
        return (
            call(self.nvml, "nvmlDeviceGetCudaComputeCapability", self.handle)[0],
            call(self.nvml, "nvmlDeviceGetNumGpuCores", self.handle)[0],
            ask(self.nvml, lambda: self.nvml.nvmlDeviceGetMaxClockInfo(self.handle, self.nvml.NVML_CLOCK_SM))[0],
        )

    def describe(self) -> dict[str, Any]:
        """The record's field `gpu`: what is not told is null and stands under absent with NVML's reason."""
        nvml, handle = self.nvml, self.handle
        return told(
            nvml,
            {
                "name": lambda: as_text(nvml.nvmlDeviceGetName(handle)),
                "uuid": lambda: as_text(nvml.nvmlDeviceGetUUID(handle)),
                "compute_capability": lambda: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(handle))),
                "driver_version": lambda: as_text(nvml.nvmlSystemGetDriverVersion()),
                "cuda_driver_version": lambda: cuda_version(nvml.nvmlSystemGetCudaDriverVersion()),
            },
        )


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

    _, reason = call(pynvml, "nvmlInit")
    return (None, f"NVML: {reason}") if reason else (pynvml, None)


def gpus(nvml: Any) -> list[Gpu]:
    """All GPUs that NVML opens."""
    count, _ = call(nvml, "nvmlDeviceGetCount")
    handles = [call(nvml, "nvmlDeviceGetHandleByIndex", index)[0] for index in range(count or 0)]
    return [Gpu(nvml, handle) for handle in handles if handle is not None]


def _parts(gpu: Gpu) -> list[Gpu]:
    """The GPUs that one is divided into (MIG)."""
    most, _ = call(gpu.nvml, "nvmlDeviceGetMaxMigDeviceCount", gpu.handle)
    handles = [call(gpu.nvml, "nvmlDeviceGetMigDeviceHandleByIndex", gpu.handle, part)[0] for part in range(most or 0)]
    return [Gpu(gpu.nvml, handle) for handle in handles if handle is not None]


def open_gpu(selector: str, nvml: Any | None = None, reason: str | None = None) -> tuple[Gpu | None, str | None]:
    """GPU by index (PCI order), by UUID or by its unique beginning, as CUDA takes them; or why it cannot be opened."""
    if not selector:
        return None, HIDDEN
    if nvml is None and reason is None:
        nvml, reason = load_nvml()
    if nvml is None:
        return None, reason
    if selector.isdecimal():
        # NVML takes 32 bits of the number, so a longer one would be another GPU.
        handle, why = call(nvml, "nvmlDeviceGetHandleByIndex", int(selector[:5]))
        return (Gpu(nvml, handle), None) if not why else (None, f"GPU {selector}: {why}")
    handle, why = call(nvml, "nvmlDeviceGetHandleByUUID", selector)
    if not why:
        return Gpu(nvml, handle), None
    found = gpus(nvml)
    alike = [gpu for gpu in (*found, *itertools.chain(*map(_parts, found))) if (gpu.uuid() or "").startswith(selector)]
    if len(alike) == 1:
        return alike[0], None
    return None, f"GPU {selector}: {'several UUIDs begin so' if alike else why}"


QUERIES: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "gpu_utilization_percent": lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
    "gpu_memory_used_bytes": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
    "gpu_temperature_celsius": lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
    "gpu_power_watts": lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "gpu_clock_sm_mhz": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
    "gpu_clock_memory_mhz": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
    "gpu_throttle_reasons": lambda nvml, gpu: throttle_reasons(nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)),
    "gpu_energy_joules": lambda nvml, gpu: nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000,
}
GPU_VALUES: Final = tuple(QUERIES)


class GpuProbe:
    """Utilisation, memory, temperature, power, clocks, throttle reasons and energy of one GPU."""

    def __init__(self, gpu: Gpu, switched_off: frozenset[str] = frozenset(), off_reason: str = "") -> None:
        self._unanswered = unanswered(gpu.nvml)
        queries = {name: partial(query, gpu.nvml, gpu.handle) for name, query in QUERIES.items()}
        self.absent: dict[str, str] = {
            **dict.fromkeys(switched_off & queries.keys(), off_reason),
            **told(gpu.nvml, {name: query for name, query in queries.items() if name not in switched_off})["absent"],
        }
        self._queries = {name: query for name, query in queries.items() if name not in self.absent}

    def read(self, sample: Sample) -> None:
        """Adds the gpu_ values; one that fails now is left out of this sample."""
        for name, query in self._queries.items():
            try:
                sample[name] = query()
            except self._unanswered:
                continue
