"""Of which kinds this machine's cores are: performance and efficiency cores compute at unlike speeds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# Kinds by which Linux lists the cores of Intel's hybrid processors, the fastest first.
HYBRID: Final = {"cpu_core": "performance", "cpu_atom": "efficiency", "cpu_lowpower": "low power"}
# Chosen: cores of one kind differ by a few percent where a processor boosts its best ones; kinds by a quarter or more.
ALIKE: Final = 0.9


def _core_list(text: str) -> set[int]:
    """Cores of a list as the kernel writes it: 0-3,8."""
    ends = [part.partition("-") for part in text.strip().split(",") if part.strip()]
    return {core for first, _, last in ends for core in range(int(first), int(last or first) + 1)}


def read_kinds(devices: Path = Path("/sys/devices")) -> dict[str, list[int]]:
    """Cores that this process may use by their kind, the fastest first; empty where all are alike.

    Told by the kernel's lists of performance and efficiency cores, else by its capacities (Arm), else by the highest
    clocks, where one is a tenth or more below another.
    """
    allowed = sorted(os.sched_getaffinity(0))
    lists = {kind: devices / name / "cpus" for name, kind in HYBRID.items()}
    hybrid = {kind: _core_list(path.read_text()) for kind, path in lists.items() if path.is_file()}
    kinds = {kind: [core for core in allowed if core in cores] for kind, cores in hybrid.items()}
    if len(found := {kind: members for kind, members in kinds.items() if members}) > 1:
        return found
    for file, words in (("cpu_capacity", "capacity {}"), ("cpufreq/cpuinfo_max_freq", "up to {} kHz")):
        paths = {core: devices / "system/cpu" / f"cpu{core}" / file for core in allowed}
        speeds = {core: int(path.read_text()) if path.is_file() else 0 for core, path in paths.items()}
        by_kind: dict[int, list[int]] = {}
        for core, speed in sorted(speeds.items(), key=lambda entry: (-entry[1], entry[0])):
            kind = next((known for known in by_kind if speed >= ALIKE * known), speed)
            by_kind.setdefault(kind, []).append(core)
        if len(by_kind) > 1 and 0 not in by_kind:
            return {words.format(kind): sorted(cores) for kind, cores in by_kind.items()}
    return {}
