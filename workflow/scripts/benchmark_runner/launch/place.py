"""Where an engine runs and how long it may take: device, cores and limits, the same for whoever runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmark_runner.launch.cores import Cores, cores_of
from benchmark_runner.launch.device import VISIBLE, Device, choose_device, find_gpu
from benchmark_runner.monitor.gpu import Gpu
from benchmark_runner.processes.adapter import Limit, Limits


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
