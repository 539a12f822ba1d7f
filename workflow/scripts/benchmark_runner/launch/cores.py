"""Which cores the engine gets, which the monitor, and how many threads compute."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


def divide_cores(topology: Topology, *, threads: int | None, affinity: Sequence[int] | None) -> Cores:
    """Cores of engine and monitor.

    Without threads: as many as there are physical cores (of the affinity, if given), less one for the monitor where
    it would have none; at least 1. Without affinity: the first cores, one a physical core before hardware threads.
    """
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
    physical = len({topology[core] for core in allowed})
    leaves_none = not _beside(allowed, topology)
    count = threads if threads is not None else max(1, physical - 1 if leaves_none else physical)
    engine = sorted(_one_per_physical(allowed, topology)[:count]) if wanted is None else allowed
    if count > len(engine):
        notes.append(f"{count} threads share {len(engine)} cores")
    monitor = _beside(engine, topology)
    if not monitor:
        monitor = [engine[-1]]
        notes.append(f"no core is left for the monitor; it shares core {engine[-1]} with the engine")
    elif {topology[core] for core in monitor} <= {topology[core] for core in engine}:
        notes.append("the monitor runs on hardware threads of the engine's physical cores; no physical core is left")
    return Cores(list(affinity) if affinity is not None else None, engine, monitor, count, notes)
