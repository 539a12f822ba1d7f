"""Whether a machine in the price catalogue is the kind of machine that was measured."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.business.prices import Entry

# Names under which NVIDIA's driver reports the parts of the catalogue (general knowledge of nvidia-smi's names).
DRIVER_NAMES: Final[dict[str, str]] = {
    "T4": r"(NVIDIA |Tesla )T4",
    "A10": r"NVIDIA A10",
    "A10G": r"NVIDIA A10G",
    "L4": r"NVIDIA L4",
    "L40S": r"NVIDIA L40S",
    "A100-SXM": r"(NVIDIA )?A100-SXM4-(40|80)GB",
    "A100-PCIe": r"(NVIDIA )?A100(-PCIE-40GB| 80GB PCIe)",
    "H100-SXM": r"NVIDIA H100 80GB HBM3",
    "H100-PCIe": r"NVIDIA H100 PCIe",
    "H100-NVL": r"NVIDIA H100 NVL",
    "H200": r"NVIDIA H200",
    "B200": r"NVIDIA B200",
    "GH200": r"NVIDIA GH200 .*",
    "RTX-4090": r"NVIDIA GeForce RTX 4090",
}
# The driver reports GiB-based and reserved-memory figures, the catalogue round GB: 80 GB reads as 85.5, 16 as 16.1.
MEMORY_TOLERANCE: Final = 0.12
BYTES_PER_GB: Final = 1e9


@dataclass(frozen=True)
class Hardware:
    """What the engines ran on, as environment.json tells it; None where it could not be read."""

    cpu_model: str | None
    logical_cores: int | None
    architecture: str | None
    cloud_instance: str | None
    gpus: tuple[dict[str, Any], ...]
    quota_cpus: float | None = None
    """What a control group allowed of the processor's time; None for all of it."""

    @classmethod
    def from_environment(cls, environment: dict[str, Any]) -> Hardware:
        """Hardware of an environment.json document."""
        cpu = environment["cpu"]
        gpu = environment["gpu"] or {"devices": []}
        return cls(
            cpu_model=cpu["model"],
            logical_cores=cpu["logical_cores"],
            architecture=environment["operating_system"]["architecture"],
            cloud_instance=environment["virtualisation"]["cloud_instance"],
            gpus=tuple(gpu["devices"]),
            quota_cpus=cpu.get("control_group_quota_cpus"),
        )


def mismatch(entry: Entry, hardware: Hardware, device: str) -> str | None:
    """Why the entry's price does not apply to a measurement on device (cpu or cuda:N); None where it does.

    An owned machine is the measured one by its owner's word. A price is never scaled from one size to another.
    """
    if entry.purchase == "owned":
        return None
    if device == "cpu":
        return _cpu_mismatch(entry, hardware)
    number = re.fullmatch(r"cuda:?(\d*)", device)
    if number is None:
        return f"the launches ran on {device}, which is no one machine of the catalogue"
    return _gpu_mismatch(entry, hardware, int(number[1] or 0))


def _cpu_mismatch(entry: Entry, hardware: Hardware) -> str | None:
    if entry.gpu is not None:
        return f"{entry.instance} is paid for its GPU, the measurement used the CPU"
    if hardware.quota_cpus is not None and hardware.quota_cpus < (hardware.logical_cores or math.inf):
        return f"measured within a CPU quota of {hardware.quota_cpus:g} CPUs, and a price is never divided"
    offered = f"{entry.provider}/{entry.instance}"
    if hardware.cloud_instance is not None:
        return (
            None if hardware.cloud_instance == offered else f"measured on {hardware.cloud_instance}, not on {offered}"
        )
    wanted = entry.cpu.get("model")
    if wanted is None:
        return f"the catalogue does not say which processor {entry.instance} has"
    if hardware.cpu_model is None or wanted not in hardware.cpu_model:
        return f"measured on {hardware.cpu_model or 'an unknown processor'}, not on {wanted}"
    cores = entry.cpu["vcpu"]
    same_size = hardware.logical_cores == cores
    return None if same_size else f"measured with {hardware.logical_cores} logical cores, {entry.instance} has {cores}"


def _gpu_mismatch(entry: Entry, hardware: Hardware, index: int) -> str | None:
    if entry.gpu is None:
        return f"{entry.instance} has no GPU, the measurement used one"
    device = next((gpu for gpu in hardware.gpus if gpu["index"] == index), None)
    if device is None or None in (device["name"], device["memory_bytes"]):
        return f"environment.json names no GPU {index} with its memory"
    if re.fullmatch(DRIVER_NAMES[entry.gpu["model"]], device["name"]) is None:
        return f"measured on {device['name']}, not on {entry.gpu['model']}"
    memory_gb = device["memory_bytes"] / BYTES_PER_GB
    if abs(memory_gb / entry.gpu["vram_gb"] - 1) > MEMORY_TOLERANCE:
        return f"measured with {memory_gb:.0f} GB of GPU memory, {entry.instance} has {entry.gpu['vram_gb']:g}"
    if entry.gpu["count"] != 1:
        return f"{entry.instance} has {entry.gpu['count']:g} GPUs, one was measured, and a price is never divided"
    return None
