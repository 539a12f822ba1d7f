"""Which cores the engine gets, which the monitor, and how many threads compute."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_runner.processes.cgroup import Quota, read_quota
from benchmark_runner.processes.core_kinds import read_kinds

# Package and core number of a logical core: hardware threads of one physical core share it.
Topology = Mapping[int, tuple[int, int]]


class Cores(NamedTuple):
    """The division of the machine's cores for one launch."""

    requested: list[int] | None
    engine: list[int]
    monitor: list[int]
    threads: int
    notes: list[str]

    def describe(self) -> dict[str, Any]:
        """The record's field `affinity`."""
        return {
            "requested": self.requested,
            "engine_cores": self.engine,
            "monitor_cores": self.monitor,
            "notes": self.notes,
        }


def _number(path: Path, fallback: int) -> int:
    return int(path.read_text()) if path.is_file() else fallback


def read_topology(system_root: Path = Path("/sys/devices/system/cpu")) -> dict[int, tuple[int, int]]:
    """Topology of the cores that this process may use; where the kernel shows none, each core is a physical one."""
    topology = {}
    for core in sorted(os.sched_getaffinity(0)):
        folder = system_root / f"cpu{core}" / "topology"
        topology[core] = (_number(folder / "physical_package_id", 0), _number(folder / "core_id", core))
    return topology


def _one_per_physical(cores: Sequence[int], topology: Topology) -> list[int]:
    """The first hardware thread of each physical core, then the other hardware threads."""
    first: dict[tuple[int, int], int] = {}
    for core in cores:
        first.setdefault(topology[core], core)
    return [*first.values(), *(core for core in cores if core not in first.values())]


def _beside(engine: Sequence[int], topology: Topology) -> list[int]:
    """Cores for the monitor: whole physical cores that the engine leaves, else left hardware threads, else none."""
    used = {topology[core] for core in engine}
    free = [core for core in topology if core not in engine]
    return [core for core in free if topology[core] not in used] or free


def _by_kind(cores: Sequence[int], kinds: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The cores by kind, the fastest first; those of which no kind is known as a last one."""
    found = {kind: [core for core in cores if core in members] for kind, members in kinds.items()}
    known = {core for members in found.values() for core in members}
    found["of an unknown kind"] = [core for core in cores if core not in known]
    return {kind: members for kind, members in found.items() if members}


def divide_cores(
    topology: Topology,
    *,
    threads: int | None,
    affinity: Sequence[int] | None,
    quota: Quota | None = None,
    kinds: Mapping[str, Sequence[int]] | None = None,
) -> Cores:
    """Cores of engine and monitor.

    Without threads: as many as there are physical cores of the fastest kind (of the affinity, if given), less one for
    the monitor where it would have none; at most the quota of processor time, at least 1. Without affinity: the first
    cores of the fastest kind, one a physical core before hardware threads, and other kinds only where threads ask for
    more. quota and kinds are those of this process where they are not given.
    """
    quota = read_quota() if quota is None else quota
    notes = []
    allowed = list(topology)
    wanted = sorted(set(affinity)) if affinity is not None else None
    if wanted is not None:
        allowed = [core for core in wanted if core in topology]
        if absent := [core for core in wanted if core not in topology]:
            shown = ", ".join(map(str, absent))
            notes.append(f"system.cpu_affinity names cores that this process may not use or that do not exist: {shown}")
        if not allowed:
            notes.append("none of the cores of system.cpu_affinity can be used; the engine gets the first ones instead")
            wanted, allowed = None, list(topology)
    by_kind = _by_kind(allowed, read_kinds() if kinds is None else kinds)
    chosen = allowed if wanted is not None else next(iter(by_kind.values()))
    physical = len({topology[core] for core in chosen})
    leaves_none = not _beside(chosen, topology)
    by_default = quota.most_threads(physical - 1 if leaves_none else physical)
    count = threads if threads is not None else by_default
    in_order = [core for members in by_kind.values() for core in _one_per_physical(members, topology)]
    engine = sorted(in_order[:count]) if wanted is None else allowed
    notes += _doubts(engine, count, quota, _by_kind(engine, by_kind))
    monitor = _beside(engine, topology)
    if not monitor:
        monitor = [engine[-1]]
        notes.append(f"no core is left for the monitor; it shares core {engine[-1]} with the engine")
    elif {topology[core] for core in monitor} <= {topology[core] for core in engine}:
        notes.append("the monitor runs on hardware threads of the engine's physical cores; no physical core is left")
    return Cores(list(affinity) if affinity is not None else None, engine, monitor, count, notes)


def _doubts(engine: Sequence[int], count: int, quota: Quota, by_kind: Mapping[str, Sequence[int]]) -> list[str]:
    """What is not as a measurement would like it in the engine's cores and its number of threads."""
    notes = []
    if count > len(engine):
        notes.append(f"{count} threads share {len(engine)} cores")
    if quota.cpus is not None and count > quota.cpus:
        threads = f"{count} threads" if count > 1 else "the thread"
        notes.append(f"the control group's CPU quota of {quota.cpus:g} CPUs holds {threads} back again and again")
    if len(by_kind) > 1:
        shown = "; ".join(f"{kind}: {', '.join(map(str, cores))}" for kind, cores in by_kind.items())
        notes.append(f"the engine's cores are of unlike kinds, so that the slowest hold up the others ({shown})")
    return notes


def cores_of(system: Mapping[str, Any]) -> Cores:
    """Cores of engine and monitor on this machine as the section `system` asks for them."""
    return divide_cores(read_topology(), threads=system["threads"], affinity=system["cpu_affinity"])
