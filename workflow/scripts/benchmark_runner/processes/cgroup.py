"""What the control groups of this process allow: processor time and memory, the smallest on the way up to the root.

As a command it prints the cores that may be kept busy at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

MOUNT: Final = "sys/fs/cgroup"
# Version 1 writes "no limit" as the largest number of pages; no machine has so much memory.
UNLIMITED_BYTES: Final = 2**60
DIGITS: Final = r"[0-9]{1,20}"
"""Of a number of the kernel's, which has 64 bits."""
WHOLE: Final = re.compile(DIGITS)
PER_SECOND: Final = {"throttled_usec": 1e6, "throttled_time": 1e9}


class MemoryGroup(NamedTuple):
    """A control group that limits memory, and where it tells how much is in use."""

    limit_bytes: int
    usage: Path
    statistics: Path

    def available_bytes(self) -> int:
        """What the group may still use; pages of files that the kernel would give up at once count as free."""
        used_bytes = _number(self.usage) or 0
        # Version 1 counts those of the groups below too under the prefix total_.
        counted: dict[str, str] = dict(re.findall(rf"^(\w+) ({DIGITS})$", _text(self.statistics) or "", re.M))
        cached_bytes = int(counted.get("total_inactive_file", counted.get("inactive_file", "0")))
        return max(0, self.limit_bytes - used_bytes + cached_bytes)


class Quota(NamedTuple):
    """The limits that bind this process; None where no control group sets one."""

    cpus: float | None = None
    """Seconds of processor time a second, all cores together."""
    memory: tuple[MemoryGroup, ...] = ()
    throttles: tuple[Path, ...] = ()
    """Files that count how long groups with a quota of processor time were held back."""

    @property
    def memory_bytes(self) -> int | None:
        """The smallest limit of memory."""
        return min((group.limit_bytes for group in self.memory), default=None)

    @property
    def available_bytes(self) -> int | None:
        """Memory that is left of the limits; None without one."""
        return min((group.available_bytes() for group in self.memory), default=None)

    def most_threads(self, cores: int) -> int:
        """Threads that cores of that number may run at once: at most the quota rounded down, at least 1."""
        return max(1, cores if self.cpus is None else min(cores, int(self.cpus)))

    def throttled_seconds(self) -> float:
        """How long groups with a quota were held back until now."""
        text = "\n".join(_text(file) or "" for file in self.throttles)
        counted = re.findall(rf"^(throttled_usec|throttled_time) ({DIGITS})$", text, re.M)
        return sum(int(count) / PER_SECOND[name] for name, count in counted)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    return _whole(_text(path) or "")


def _whole(text: str) -> int | None:
    return int(text) if WHOLE.fullmatch(text) else None


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's groups of the controller, the innermost first, up to what is mounted.

    A container may see the path that its group has outside; as much of it counts as is there.
    """
    lines = (_text(root / "proc/self/cgroup") or "0::/").splitlines()
    for controllers, path in (line.split(":", 2)[1:] for line in lines if line.count(":") >= 2):
        mounts = (
            [root / MOUNT / name for name in dict.fromkeys((controllers, controller))]
            if controller in controllers.split(",")
            else [root / MOUNT / "unified", root / MOUNT]
            if not controllers
            else []
        )
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for mount in filter(Path.is_dir, mounts):
            known = (mount.joinpath(*parts[start:]) for start in range(len(parts) + 1))
            inner = next(folder for folder in known if folder.is_dir())
            yield from (folder for folder in (inner, *inner.parents) if folder == mount or mount in folder.parents)
            break


def _cpus(folder: Path) -> float | None:
    """Quota of one group, of version 2 or 1."""
    quota, _, period = (_text(folder / "cpu.max") or "").partition(" ")
    if not quota:
        quota, period = (_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
    used_us, period_us = _whole(quota), _whole(period)
    return used_us / period_us if used_us is not None and period_us else None


def _memory(folder: Path) -> MemoryGroup | None:
    """Limit of one group: of version 2 the hard one or the one above which it is held back, or of version 1."""
    named = {"memory.max": "memory.current", "memory.high": "memory.current"}
    named["memory.limit_in_bytes"] = "memory.usage_in_bytes"
    found = [
        MemoryGroup(limit_bytes, folder / usage, folder / "memory.stat")
        for name, usage in named.items()
        if (limit_bytes := _number(folder / name)) is not None and limit_bytes < UNLIMITED_BYTES
    ]
    return min(found, default=None)


def read_quota(root: Path = Path("/")) -> Quota:
    """Limits of this process, whose machine's files lie below root ("/" but in tests)."""
    quotas = {folder: cpus for folder in _folders(root, "cpu") if (cpus := _cpus(folder)) is not None}
    memory = [group for folder in _folders(root, "memory") if (group := _memory(folder)) is not None]
    return Quota(min(quotas.values(), default=None), tuple(memory), tuple(folder / "cpu.stat" for folder in quotas))


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may keep busy at once: those of its affinity, within the quota."""
    return read_quota(root).most_threads(len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    print(usable_cores())
