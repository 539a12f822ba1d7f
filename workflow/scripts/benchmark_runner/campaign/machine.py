"""What the configuration asks of this machine and the machine lacks: said once, or refused by system.strict."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_runner.configuration.files import Problem
from benchmark_runner.display import BYTES_PER_GB, bytes_text
from benchmark_runner.environment.machine import MachineFacts
from benchmark_runner.launch.device import find_gpu
from benchmark_runner.launch.machine_lock import VARIABLE, is_apart, is_outermost, lock_path
from benchmark_runner.processes.cgroup import Quota, read_quota

BESIDE_ENGINES = ("strict", "calibration_seconds")
"""Keys of `system` that decide whether a campaign begins and what is measured beside its engines, not what they do."""


def settings_of_launches(system: Mapping[str, Any]) -> dict[str, Any]:
    """What of the section `system` decides what an engine does: not how long the runner waits."""
    return {k: v for k, v in system.items() if k not in BESIDE_ENGINES and not k.endswith("_timeout_seconds")}


class MachineHere(NamedTuple):
    """Cores that this process may use, and why there is no GPU of the wanted number; None where there is one."""

    cores: Sequence[int]
    gpu_absent_reason: str | None
    quota: Quota = Quota()


class Lack(NamedTuple):
    """Something that is not here."""

    key: str
    """Key of `system` that asks for it."""
    missing: str
    instead: str
    """What happens without it."""
    remedy: str


def this_machine(system: Mapping[str, Any]) -> MachineHere:
    """The machine as a launch would find it; the GPU is looked for only where one may be used."""
    reason = None
    if system["device"] != "cpu":
        _, reason = find_gpu(system)
    return MachineHere(sorted(os.sched_getaffinity(0)), reason, read_quota())


def _numbers(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))


def lacks(system: Mapping[str, Any], machine: MachineHere) -> Iterator[Lack]:
    """Cores, threads and the GPU that the configuration asks for and the machine has not."""
    wanted = system["cpu_affinity"] if system["cpu_affinity"] is not None else machine.cores
    usable = [core for core in wanted if core in machine.cores]
    if absent := [core for core in wanted if core not in machine.cores]:
        here = _numbers(machine.cores)
        yield Lack(
            "cpu_affinity",
            f"core{'s' if len(absent) > 1 else ''} {_numbers(absent)} cannot be used here, only {here}",
            f"engines use {_numbers(usable)}" if usable else f"engines use some of {here}",
            f"name cores among {here}",
        )
    count = len(usable or machine.cores)
    if system["threads"] is not None and system["threads"] > count:
        yield Lack(
            "threads",
            f"{system['threads']} threads are more than the {count} cores that engines may use",
            f"the threads share {count} cores",
            f"set it to {count} or less",
        )
    yield from _beyond_quota(system, machine.quota)
    if machine.gpu_absent_reason is not None and system["device"] != "cpu":
        insists = system["device"] == "cuda"
        yield Lack(
            "device" if insists else "gpu_device",
            f"GPU {system['gpu_device']} is not here ({machine.gpu_absent_reason})",
            "launches will fail or be unavailable" if insists else "engines compute on the CPU",
            "run on a machine that has it, or set system.device: cpu",
        )


def _beyond_quota(system: Mapping[str, Any], quota: Quota) -> Iterator[Lack]:
    """What the configuration asks for beyond the limits of the control groups."""
    threads, memory_gb = system["threads"], system.get("max_memory_gb")
    if threads is not None and quota.cpus is not None and threads > quota.cpus:
        more = "thread is" if threads == 1 else "threads are"
        lower = f"set it to {quota.most_threads(threads)} or null, or raise the quota"
        yield Lack(
            "threads",
            f"{threads} {more} more than the CPU quota of {quota.cpus:g} CPUs",
            "the control group holds the engine back again and again",
            "raise the quota to a CPU or more" if quota.cpus < 1 else lower,
        )
    if memory_gb is not None and quota.memory_bytes is not None and memory_gb * BYTES_PER_GB > quota.memory_bytes:
        allowed = bytes_text(quota.memory_bytes)
        yield Lack(
            "max_memory_gb",
            f"{memory_gb:g} GB are more than the {allowed} of the control group",
            f"launches are ended at {allowed}",
            "lower it, or raise the control group's limit",
        )


def refused(system: Mapping[str, Any], machine: MachineHere) -> list[Problem]:
    """Each lack as a problem of the configuration."""
    return [
        (["system", lack.key], f"{lack.missing}, and system.strict is true; {lack.remedy}")
        for lack in lacks(system, machine)
    ]


def notice(system: Mapping[str, Any], machine: MachineHere) -> str | None:
    """One line that says what is used instead of what is not here; None where nothing lacks."""
    found = [f"system.{lack.key}: {lack.missing}: {lack.instead}" for lack in lacks(system, machine)]
    return f"note: {'; '.join(found)} (system.strict: true would refuse)" if found else None


def container_notice(container: str | None, lock: Path) -> str | None:
    """One line where this runs in a container whose lock campaigns outside of it do not see; None elsewhere."""
    if container is None or not is_apart(lock):
        return None
    return (
        f"note: the lock by which one launch at a time measures, {lock}, lies inside of this container ({container}), "
        f"so campaigns outside may disturb these launches; name a file in a folder of the host's by {VARIABLE}"
    )


def container_here() -> str | None:
    """container_notice of this process."""
    found = None if is_outermost() else MachineFacts(Path("/")).container(os.environ)
    return container_notice(found, lock_path(os.environ, os.getuid()))
