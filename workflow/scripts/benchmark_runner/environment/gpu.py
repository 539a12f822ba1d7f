"""Facts of the GPUs from NVIDIA's management library (NVML)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pynvml

from benchmark_runner.monitor.gpu import as_text, cuda_version

NO_DRIVER_REMEDY: Final = "install the NVIDIA driver and check that nvidia-smi lists the GPU"


def gpu_facts(nvml: Any = pynvml) -> tuple[dict[str, Any] | None, str | None]:
    """(facts, None), or (None, reason) where there is no GPU or no driver; nvml is the module, replaced in tests."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return None, f"no GPU: NVML says {error}; {NO_DRIVER_REMEDY}"
    try:
        count = nvml.nvmlDeviceGetCount()
        if count == 0:
            return None, f"the driver is there and lists no GPU; {NO_DRIVER_REMEDY}"
        return {
            "driver_version": as_text(nvml.nvmlSystemGetDriverVersion()),
            "cuda_driver_version": cuda_version(nvml.nvmlSystemGetCudaDriverVersion()),
            "nvml_version": as_text(nvml.nvmlSystemGetNVMLVersion()),
            "devices": [_device(nvml, index) for index in range(count)],
        }, None
    except nvml.NVMLError as error:
        return None, f"the driver does not answer: NVML says {error}; {NO_DRIVER_REMEDY}"
    finally:
        nvml.nvmlShutdown()


def _device(nvml: Any, index: int) -> dict[str, Any]:
    """One GPU; what this GPU does not tell is null and stands under absent with NVML's reason."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    absent: dict[str, str] = {}

    def ask(field: str, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except nvml.NVMLError as error:
            absent[field] = f"NVML: {error}"
            return None

    return {
        "index": index,
        "name": as_text(nvml.nvmlDeviceGetName(handle)),
        "memory_bytes": nvml.nvmlDeviceGetMemoryInfo(handle).total,
        "compute_capability": ask(
            "compute_capability", lambda: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(handle)))
        ),
        "power_limit_watts": ask("power_limit_watts", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000),
        "clock_sm_max_mhz": ask("clock_sm_max_mhz", lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "clock_memory_max_mhz": ask(
            "clock_memory_max_mhz", lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)
        ),
        "persistence_mode": ask("persistence_mode", lambda: bool(nvml.nvmlDeviceGetPersistenceMode(handle))),
        "ecc": ask("ecc", lambda: bool(nvml.nvmlDeviceGetEccMode(handle)[0])),
        "mig": ask("mig", lambda: bool(nvml.nvmlDeviceGetMigMode(handle)[0])),
        "vbios": ask("vbios", lambda: as_text(nvml.nvmlDeviceGetVbiosVersion(handle))),
        "pcie_generation": ask("pcie_generation", lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle)),
        "pcie_width": ask("pcie_width", lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle)),
        "absent": absent,
    }
