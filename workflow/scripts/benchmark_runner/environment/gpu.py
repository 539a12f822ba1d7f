"""Facts of the GPUs from NVIDIA's management library (NVML)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pynvml

from benchmark_runner.monitor.gpu import as_text, call, cuda_version, told

NO_DRIVER_REMEDY: Final = "install the NVIDIA driver and check that nvidia-smi lists the GPU"


def gpu_facts(nvml: Any = pynvml) -> tuple[dict[str, Any] | None, str | None]:
    """(facts, None), or (None, reason) where there is no GPU or no driver; nvml is the module, replaced in tests.

    What the driver or a GPU does not tell is null and stands under its absent with NVML's reason.
    """
    _, reason = call(nvml, "nvmlInit")
    if reason:
        return None, f"no GPU: NVML says {reason}; {NO_DRIVER_REMEDY}"
    try:
        count, reason = call(nvml, "nvmlDeviceGetCount")
        if reason:
            return None, f"the driver does not answer: NVML says {reason}; {NO_DRIVER_REMEDY}"
        if count == 0:
            return None, f"the driver is there and lists no GPU; {NO_DRIVER_REMEDY}"
        facts = told(
            nvml,
            {
                "driver_version": lambda: as_text(nvml.nvmlSystemGetDriverVersion()),
                "cuda_driver_version": lambda: cuda_version(nvml.nvmlSystemGetCudaDriverVersion()),
                "nvml_version": lambda: as_text(nvml.nvmlSystemGetNVMLVersion()),
            },
        )
        return facts | {"devices": [_device(nvml, index) for index in range(count)]}, None
    finally:
        call(nvml, "nvmlShutdown")


def gpu_name(device: Mapping[str, Any]) -> str:
    """Name of an entry of `devices` for people."""
    return str(device["name"] or f"GPU {device['index']} (its name is not told)")


def _device(nvml: Any, index: int) -> dict[str, Any]:
    """One GPU; one that cannot be opened (it is lost) tells nothing but its number."""

    def handle() -> Any:
        return nvml.nvmlDeviceGetHandleByIndex(index)

    return {"index": index} | told(
        nvml,
        {
            "name": lambda: as_text(nvml.nvmlDeviceGetName(handle())),
            "memory_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle()).total,
            "compute_capability": lambda: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(handle()))),
            "power_limit_watts": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle()) / 1000,
            "clock_sm_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle(), nvml.NVML_CLOCK_SM),
            "clock_memory_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle(), nvml.NVML_CLOCK_MEM),
            "persistence_mode": lambda: bool(nvml.nvmlDeviceGetPersistenceMode(handle())),
            "ecc": lambda: bool(nvml.nvmlDeviceGetEccMode(handle())[0]),
            "mig": lambda: bool(nvml.nvmlDeviceGetMigMode(handle())[0]),
            "vbios": lambda: as_text(nvml.nvmlDeviceGetVbiosVersion(handle())),
            "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle()),
            "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle()),
        },
    )
