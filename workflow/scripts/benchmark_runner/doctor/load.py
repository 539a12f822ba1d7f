"""What else uses the machine now, and whether its memory and disks suffice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.display import bytes_text, plural
from benchmark_runner.doctor.finding import Finding, Lack
from benchmark_runner.launch.preflight import FOREIGN_PERCENT, MEMORY_PER_WEIGHTS, warnings_before

DISK_TO_BUILD_BYTES: Final = 10_000_000_000
"""PyTorch's environment takes 5.6 GB, uv's download cache 1.1 GB, cargo's files 0.7 GB, the embedded model 0.5 GB."""

DISK_TO_MEASURE_BYTES: Final = 1_000_000_000
"""Chosen: a campaign of 30 launches takes 7 MB; tens of thousands of iterations stay below this."""

COSTS: Final = {
    "foreign_gpu_process": "it takes compute and memory from the engine, most of all from what happens to run then",
    "high_load": "engines wait for cores: figures are too slow and vary",
    "busy_process": "it takes cores and cache from whichever engine runs at the time",
    "low_memory": "engines are swapped out or killed, and their times are those of the disk",
}
NO_GPU: Final = "there is no GPU"
NOT_TOLD: Final = "the driver does not tell which processes hold the GPU"


def _lacks_of(state: Mapping[str, Any], kinds: set[str], *, cores: int, weights_bytes: int) -> list[Lack]:
    """What a launch would warn about, of those kinds."""
    found = warnings_before(state, cores=cores, weights_bytes=weights_bytes, when="just now")
    return [Lack(entry["message"], COSTS[entry["kind"]], entry["remedy"]) for entry in found if entry["kind"] in kinds]


def other_load(state: Mapping[str, Any], *, cores: int, stolen_percent: float, has_gpu: bool) -> Finding:
    """Other work on this machine, by the state that a launch would record; stolen_percent: 100 is one core."""
    kinds = {"foreign_gpu_process", "high_load", "busy_process"}
    lacks = _lacks_of(state, kinds, cores=cores, weights_bytes=0)
    if stolen_percent > FOREIGN_PERCENT:
        reason = f"the hypervisor gives {stolen_percent:.0f} % of a core to other machines"
        lacks.append(Lack(reason, COSTS["high_load"], "measure on a machine of your own"))
    values = {
        "load_average_1m": state["load_average_1m"],
        "busy_processes": state["busy_processes"],
        "foreign_gpu_processes": state["foreign_gpu_processes"] if has_gpu else None,
        "stolen_cpu_percent": round(stolen_percent, 1),
    }
    why_absent = NOT_TOLD if has_gpu else NO_GPU
    absent = {"foreign_gpu_processes": why_absent} if values["foreign_gpu_processes"] is None else {}
    busy = len(state["busy_processes"])
    processes = f"{plural(busy, 'busy program')}" if busy else "no busy program"
    found = f"{processes}, load average {state['load_average_1m']:g} on {plural(cores, 'core')}"
    return Finding("other_load", "Other load now", found, values=values, absent=absent, lacks=lacks)


def memory(
    state: Mapping[str, Any], machine: Mapping[str, Any], weights_bytes: int | None, unknown_weights: str
) -> Finding:
    """Memory against the model's weights; unknown_weights is the reason where weights_bytes is None."""
    limit_bytes, available_bytes = machine["control_group_limit_bytes"], state["memory_available_bytes"]
    values = {
        "memory_available_bytes": available_bytes,
        "control_group_limit_bytes": limit_bytes,
        "weights_bytes": weights_bytes,
    }
    absent = {} if limit_bytes is not None else {"control_group_limit_bytes": "no control group limits it"}
    found = f"{bytes_text(available_bytes)} free"
    if weights_bytes is None:
        absent["weights_bytes"] = unknown_weights
        cost = "whether engines will fit is not known yet"
        lack = Lack(unknown_weights, cost, "the first run makes the model; then ask again")
        return Finding("memory", "Memory", found, values=values, absent=absent, lacks=[lack])
    needed_bytes = MEMORY_PER_WEIGHTS * weights_bytes
    lacks = _lacks_of(state, {"low_memory"}, cores=1, weights_bytes=weights_bytes)
    if limit_bytes is not None and limit_bytes < needed_bytes:
        reason = f"the container may use {bytes_text(limit_bytes)}; engines take up to {bytes_text(needed_bytes)}"
        lacks.append(Lack(reason, COSTS["low_memory"], "raise the container's memory limit"))
    found += f"; engines take up to {bytes_text(needed_bytes)} for weights of {bytes_text(weights_bytes)}"
    return Finding("memory", "Memory", found, values=values, absent=absent, lacks=lacks)


def swap(state: Mapping[str, Any], machine: Mapping[str, Any]) -> Finding:
    """Swap space and how much of it is in use."""
    total_bytes, used_bytes = machine["swap_total_bytes"], state["swap_used_bytes"]
    values = {"swap_total_bytes": total_bytes, "swap_used_bytes": used_bytes}
    absent = {} if total_bytes is not None else {"swap_total_bytes": "/proc/meminfo does not tell it"}
    if used_bytes:
        cost = "what was swapped out comes back while an engine is measured"
        lack = Lack(f"{bytes_text(used_bytes)} are in use", cost, "end other programs, then `sudo swapoff -a`")
        found = f"{bytes_text(used_bytes)} of {bytes_text(total_bytes)} in use"
        return Finding("swap", "Swap", found, values=values, absent=absent, lacks=[lack])
    found = f"none of {bytes_text(total_bytes)} in use" if total_bytes else "none, as a measurement likes it"
    return Finding("swap", "Swap", found, values=values, absent=absent)


def disk(free_bytes: Mapping[str, int], folders: Mapping[str, Path], *, engines_built: bool) -> Finding:
    """Free space by what is kept there (results, engines, caches), against what a first or a later run needs."""
    needed_bytes = DISK_TO_MEASURE_BYTES if engines_built else DISK_TO_BUILD_BYTES
    cost = "builds and launches fail part of the way" if not engines_built else "launches fail part of the way"
    lacks = [
        Lack(
            f"{bytes_text(free)} are free for {kept} in {folders[kept]}; {bytes_text(needed_bytes)} may be needed",
            cost,
            "free space there, or name another place (output_dir, XDG_CACHE_HOME)",
        )
        for kept, free in free_bytes.items()
        if free < needed_bytes
    ]
    values = {f"free_for_{kept}_bytes": free for kept, free in free_bytes.items()} | {"needed_bytes": needed_bytes}
    found = f"{bytes_text(min(free_bytes.values()))} free for {', '.join(free_bytes)}"
    return Finding("disk", "Disk space", found, values=values, lacks=lacks)
