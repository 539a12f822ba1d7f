"""A server that already runs: what it said before, and what of this host is its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, value_at
from benchmark_runner.processes.procfs import descendants, scan

LISTENS: Final = "0A"
"""State of a socket in /proc/net/tcp."""
LOCAL: Final = ("127.0.0.1", "localhost", "::1")
FORWARDERS: Final = frozenset({"docker-proxy", "rootlessport", "slirp4netns", "pasta", "ssh", "haproxy", "nginx"})
"""Names of programs that pass on what they are asked, whose memory is not the server's."""
UNTOLD: Final = "the server already ran, elsewhere or as a process that cannot be found"
HELD_BEFORE: Final = "the server already ran: what it holds of the GPU's memory it held before the launch"
BESIDE_MEMORY: Final = "the server already ran: the launch knows of its memory and computing time alone"


def is_running(engine: Mapping[str, Any]) -> bool:
    """Whether an engine of the plan is a server that already runs."""
    return "running" in (engine.get("server") or {})


def told_of(engine: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the plan says of such a server: where it is, and how it is asked."""
    return {**engine["server"], **engine["server"]["running"]}


def changed(folder: Path, now: Mapping[str, Any]) -> str | None:
    """In words what the server said otherwise in the last pass of this engine and workload; folder: this pass's."""
    records = [path for path in folder.parent.glob("*/record.json") if path.parent != folder]
    for path in sorted(records, key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(BenchmarkError):  # a broken record is told elsewhere
            before = value_at(read_json(path), "server.says")
            if isinstance(before, dict):
                other = [
                    f"{key} {before.get(key)!r} then, {now[key]!r} now" for key in now if before.get(key) != now[key]
                ]
                return f"{'; '.join(other)} (block {path.parent.name})" if other else None
    return None


class OwnProcess(NamedTuple):
    """The server's process on this host, all below it, and how it was found."""

    pid: int
    start_ticks: int
    how: str

    def usage(self) -> tuple[float, int] | None:
        """Computing time so far (s) and the sum of the processes' highest resident sizes (bytes); None where it is not
        the same any more."""
        table = scan()
        if (own := table.get(self.pid)) is None or own.start_ticks != self.start_ticks:
            return None
        tree = [self.pid, *descendants(table, [self.pid])]
        seconds = sum(table[pid].cpu_seconds + table[pid].waited_cpu_seconds for pid in tree)
        return seconds, sum(map(_highest_bytes, tree))


def _highest_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").split("\n"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _listening(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on a port, as links to them read.

    psutil names one holder of a socket alone, and workers that a server forks share it with their parent.
    """
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"


def own_process(engine: Mapping[str, Any]) -> OwnProcess | None:
    """The process that listens on the server's port of the loopback interface; None where the server is elsewhere, its
    process is another user's, or only passes requests on."""
    parts = urlsplit(told_of(engine)["base_url"])
    if parts.hostname not in LOCAL:
        return None
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    sockets = set(_listening(port))
    table = scan()
    holders = {pid for pid in table if sockets & set(_open_files(pid))}
    first = min(holders - descendants(table, holders), default=None)
    if first is None or table[first].name in FORWARDERS:
        return None
    where = f"port {port} of {parts.hostname} in /proc/net/tcp"
    return OwnProcess(first, table[first].start_ticks, f"{table[first].name} (process {first}), by {where}")


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield os.readlink(entry)  # noqa: PTH115 - a socket's name is no path


_OF_ENGINE: Final = ("mean_rss_bytes", "threads_max", "busy_threads")


def _without_energy(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if name.endswith("_joules") else value for name, value in part.items()}


def of_pass(summary: dict[str, Any], spent: tuple[float, int] | None) -> dict[str, Any]:
    """The monitor's summary of a pass without what it saw of the load client in the engine's place.

    spent: computing time in the pass (s) and highest resident size (bytes) of the server's process, None where that is
    not known; then energy, which may be another machine's, is not known either.
    """
    lost = ["counters", *(f"engine_{name}" for name in _OF_ENGINE)]
    reason = BESIDE_MEMORY
    summary = {**summary, "absent": dict(summary["absent"])}
    if spent is None:
        lost += ["engine_peak_rss_bytes", "package_energy_joules", "gpu"]
        reason = UNTOLD
        summary["measured"] = summary["measured"] and _without_energy(summary["measured"])
        summary |= {name: list(map(_without_energy, summary[name])) for name in ("levels",) if name in summary}
    elif summary["gpu"] is not None:
        summary["gpu"] = {**summary["gpu"], "memory_peak_bytes": None}
        summary["absent"]["gpu.memory_peak_bytes"] = HELD_BEFORE
    seconds, peak_bytes = spent or (0.0, None)
    percent = None if spent is None else round(100 * seconds * 1e3 / summary["duration_ms"], 2)
    summary |= {"engine_peak_rss_bytes": peak_bytes, "engine_cpu_percent_mean": percent}
    summary |= {**dict.fromkeys(lost), "cores_beyond_given": [], "priorities_raised": []}
    lost += ["engine_cpu_percent_mean"] if spent is None else []
    summary["absent"] |= {**dict.fromkeys(lost, reason), "load_ms": "the server already ran, so nobody saw it load"}
    if spent is not None:
        summary["absent"].pop("engine_peak_rss_bytes", None)
    return summary
