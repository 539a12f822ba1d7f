"""The environment that an engine starts with: named variables and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmark_runner.processes.orphans import MARKER_VARIABLE

# Where programs, libraries, drivers and caches lie; what else the user's shell holds must not change a measurement.
PASSED_ON: Final = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)
# Of a length that is drawn for each launch, which moves the stack.
PADDING_VARIABLE: Final = "BENCHMARK_RUNNER_PADDING"
# They say who measured and where, not how.
UNRECORDED: Final = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", MARKER_VARIABLE, PADDING_VARIABLE}
)
# Thread pools of OpenMP, MKL, OpenBLAS, Rayon and candle.
THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "CANDLE_NUM_THREADS",
)


def engine_environment(
    inherited: Mapping[str, str], *, visible_gpus: str, threads: int, marker: str = "", padding: str = ""
) -> dict[str, str]:
    """Variables of the engine's process; visible_gpus is its CUDA_VISIBLE_DEVICES."""
    environment = {name: inherited[name] for name in PASSED_ON if name in inherited}
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    environment["CUDA_VISIBLE_DEVICES"] = visible_gpus
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # NVML's order, by which gpu_device counts
    environment["HF_HUB_OFFLINE"] = "1"  # a launch that fetches something would measure the network
    environment[MARKER_VARIABLE] = marker
    environment[PADDING_VARIABLE] = padding
    return environment


def recorded_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of it that can change a measurement."""
    return {name: value for name, value in sorted(environment.items()) if name not in UNRECORDED}
