"""Which device an engine computes on, and how it sees only that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

CPU: Final = "cpu"
# The engine sees a single GPU (CUDA_VISIBLE_DEVICES), which is then its number 0.
ONLY_GPU: Final = "cuda:0"


class Device(NamedTuple):
    """The device of a launch."""

    name: str
    visible: str
    """Value of CUDA_VISIBLE_DEVICES for the engine, and the GPU that the monitor samples; empty hides all GPUs."""
    absent_reason: str
    """Why no GPU is sampled; empty where one is."""


def visible_gpu(gpu_device: int, inherited: str | None) -> str:
    """GPU number gpu_device among those that this process was given (CUDA_VISIBLE_DEVICES, as Slurm sets it)."""
    given = [entry.strip() for entry in (inherited or "").split(",") if entry.strip()]
    return given[gpu_device] if gpu_device < len(given) else str(gpu_device)


def choose_device(
    system: Mapping[str, Any],
    build_device: str | None,
    *,
    inherited: str | None,
    gpu_absent_reason: str | None,
) -> Device:
    """Device of a launch.

    `cpu` and `cuda` are obeyed. `auto` is the GPU where NVML shows one (gpu_absent_reason is None) and the engine was
    built for it (the plan's build_device); a program that the user brought gets the GPU by `cuda` alone.
    """
    gpu = visible_gpu(system["gpu_device"], inherited)
    wanted = system["device"]
    if wanted == "cuda" or (wanted == "auto" and gpu_absent_reason is None and build_device == "cuda"):
        return Device(ONLY_GPU, gpu, "")
    return Device(CPU, "", gpu_absent_reason or "the launch computes on the CPU")
