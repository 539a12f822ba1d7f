"""Where an engine runs: the device, how it sees only that one, its cores, and how long it may take."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmark_runner.launch.cores import Cores, cores_of
from benchmark_runner.monitor.gpu import HIDDEN, Gpu, gpus, load_nvml, open_gpu
from benchmark_runner.processes.adapter import Limit, Limits

CPU: Final = "cpu"
# The engine sees a single GPU (CUDA_VISIBLE_DEVICES), which is then its number 0.
ONLY_GPU: Final = "cuda:0"
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
ORDER: Final = "CUDA_DEVICE_ORDER"
PCI_ORDER: Final = "PCI_BUS_ID"


class Device(NamedTuple):
    """The device of a launch."""

    name: str
    visible: str
    """Value of CUDA_VISIBLE_DEVICES for the engine, and the GPU that the monitor samples; empty hides all GPUs."""
    absent_reason: str
    """Why no GPU is sampled; empty where one is."""

    @property
    def refused(self) -> str | None:
        """Why a launch that must compute on the GPU cannot; None where it can."""
        return self.absent_reason if self.name != CPU and not self.visible else None


def _listed(inherited: str) -> list[str]:
    """Entries of CUDA_VISIBLE_DEVICES as CUDA reads them: UUIDs or the numbers that entries begin with, up to the first
    that is neither; none at all where one stands there twice."""
    entries = [entry.strip() for entry in inherited.split(",")]
    kind = next((kind for kind in ("GPU-", "MIG-") if entries[0].startswith(kind)), None)
    listed: list[str] = []
    for entry in entries:
        number = re.match(r"\+?(\d{1,4})(?!\d)", entry, re.ASCII)
        if not (entry.startswith(kind) if kind else number):
            break
        name = entry if kind or number is None else str(int(number[1]))
        if name in listed:
            return []
        listed.append(name)
    return listed


def _given(listed: Sequence[str], nvml: Any) -> Sequence[str]:
    """Those of the listed GPUs that CUDA shows by what NVML tells: it hides all after one that is not there, all where
    two are the same, and numbers unlike GPUs by speed, which NVML does not."""
    opened = [open_gpu(entry, nvml)[0] for entry in listed]
    there = list(itertools.takewhile(lambda gpu: gpu is not None, opened))
    uuids = [uuid for gpu in there if gpu and (uuid := gpu.uuid())]
    if len(set(uuids)) < len(uuids):
        return []
    by_number = bool(listed) and listed[0].isdecimal() and os.environ.get(ORDER) != PCI_ORDER
    if by_number and len({gpu.speed() for gpu in gpus(nvml)}) > 1:
        return []
    return listed[: len(there) + 1]  # the first that cannot be opened is named by whoever tries


def visible_gpu(gpu_device: int, inherited: str | None) -> str:
    """GPU number gpu_device among those that this process was given (CUDA_VISIBLE_DEVICES, as Slurm sets it).

    Empty where it was not given so many: what CUDA hides from this process is never an engine's.
    """
    if inherited is None:
        return str(gpu_device)
    given: Sequence[str] = _listed(inherited)
    nvml, _ = load_nvml() if given else (None, None)
    if nvml is not None:
        given = _given(given, nvml)
    return given[gpu_device] if gpu_device < len(given) else ""


def find_gpu(system: Mapping[str, Any]) -> tuple[Gpu | None, str | None]:
    """The GPU of this process that the section `system` names, opened; or why there is none."""
    return open_gpu(visible_gpu(system["gpu_device"], os.environ.get(VISIBLE)))


def choose_device(
    system: Mapping[str, Any],
    build_device: str | None,
    *,
    inherited: str | None,
    gpu_absent_reason: str | None,
) -> Device:
    """Device of a launch.

    `cpu` and `cuda` are obeyed. `auto` is the GPU where NVML shows one (gpu_absent_reason is None) and the engine was
    built for it (the plan's build_device); a program that the user brought gets the GPU by `cuda` alone. `cuda` is
    obeyed without NVML too, but never with a GPU that this process was not given or that the driver refuses.
    """
    wanted = system["device"]
    if wanted != "cuda" and (wanted != "auto" or gpu_absent_reason is not None or build_device != "cuda"):
        return Device(CPU, "", gpu_absent_reason or "the launch computes on the CPU")
    gpu = visible_gpu(system["gpu_device"], inherited)
    refused = HIDDEN if not gpu else gpu_absent_reason if (gpu_absent_reason or "").startswith("GPU ") else None
    return Device(ONLY_GPU, "" if refused else gpu, refused or "")


class Place(NamedTuple):
    """The parts of the machine that an engine gets."""

    device: Device
    cores: Cores
    gpu: Gpu | None
    """The GPU that system.gpu_device names, whether or not the engine gets it; None where there is none."""


def choose_place(system: Mapping[str, Any], engine: Mapping[str, Any]) -> Place:
    """Device and cores of an engine of the plan by the section `system` of the configuration."""
    gpu, absent = find_gpu(system)
    inherited = os.environ.get(VISIBLE)
    device = choose_device(system, engine.get("build_device"), inherited=inherited, gpu_absent_reason=absent)
    return Place(device, cores_of(system), gpu)


def limits_of(system: Mapping[str, Any]) -> Limits:
    """Limits by the section `system`: those of a phase are half of the whole where it names none."""
    whole = Limit(system["launch_timeout_seconds"], "system.launch_timeout_seconds")

    def phase(key: str) -> Limit:
        if (seconds := system.get(key)) is not None:
            return Limit(seconds, f"system.{key}")
        return Limit(whole.seconds / 2, f"half of {whole.origin}; system.{key} sets another")

    return Limits(whole, phase("load_timeout_seconds"), phase("iteration_timeout_seconds"))
