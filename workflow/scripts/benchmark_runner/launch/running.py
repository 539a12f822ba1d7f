"""A server that already runs: whether it answers, what it says of itself, and what of this host is its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, value_at
from benchmark_runner.load.asking import Asking, fetched
from benchmark_runner.load.client import Client
from benchmark_runner.load.connection import key_problem, target_of, without_key
from benchmark_runner.load.texts import GREETING
from benchmark_runner.processes.procfs import descendants, scan
from benchmark_runner.protocol.lines import INT_LIMIT
from benchmark_runner.units import NS_PER_S

ANSWER_SECONDS: Final = 60
"""Chosen: a server that is busy with others may take so long for one token."""
WORDS_SECONDS: Final = 10
"""Chosen: what it says of itself takes it no computing."""
ONE_TOKEN: Final = {
    "prompt_ids": [1],
    "max_new_tokens": 1,
    "ignore_eos": False,
    "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
}
LISTENS: Final = "0A"
"""State of a socket in /proc/net/tcp."""
LOCAL: Final = ("127.0.0.1", "localhost", "::1")
OF_MODEL: Final = ("owned_by", "root", "max_model_len")
"""What /v1/models tells of a model that does not change with time."""
WORD_CHARACTERS: Final = 200
"""Most of a word of the server that is kept (chosen)."""
FORWARDERS: Final = frozenset({"docker-proxy", "rootlessport", "slirp4netns", "pasta", "ssh", "haproxy", "nginx"})
"""Names of programs that pass on what they are asked, whose memory is not the server's."""
UNTOLD: Final = "the server already ran, elsewhere or as a process that cannot be found"
HELD_BEFORE: Final = "the server already ran: what it holds of the GPU's memory it held before the launch"
BESIDE_MEMORY: Final = "the server already ran: the launch knows of its memory and computing time alone"

_REMEDIES: Final = {
    "HTTP 401": "Name the variable that holds a valid key in openai_server.api_key_env",
    "HTTP 403": "Use a key that may use this model (openai_server.api_key_env)",
    "HTTP 404": "Correct openai_server.base_url, path or model, as the server's own words tell",
}


def is_running(engine: Mapping[str, Any]) -> bool:
    """Whether an engine of the plan is a server that already runs."""
    return "running" in (engine.get("server") or {})


class _Greeting(NamedTuple):
    """A prompt for a server that takes text."""

    text: str = GREETING

    def ids_of(self, _text: str) -> list[int]:
        """Ids that stand for it."""
        return [0]

    def of_prompt(self, _ids: Any) -> str:
        """The same for all prompts."""
        return self.text


def _told(engine: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**engine["server"], **engine["server"]["running"]}


def _key(server: Mapping[str, Any]) -> str | None:
    return os.environ.get(server["api_key_env"] or "")


def unreachable(engine: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a server of the plan that already runs cannot be measured, and what would change that; None where it can.

    It is asked for one token, by the way on which it will be measured.
    """
    server = _told(engine)
    name, url = server["api_key_env"], f"{server['base_url']}{server['path']}"
    if name and (problem := key_problem(name)) is not None:
        return problem, f"export {name}=… and run the same command again"
    try:
        target = target_of(server["base_url"])
    except BenchmarkError as error:
        return str(error), "Correct openai_server.base_url"
    with closing(Client(target)) as client:
        texts: Any = None if server["ids"]["in"] else _Greeting()
        answer = (
            Asking(server, target, client, _key(server), texts)
            .one_token(ONE_TOKEN, round(ANSWER_SECONDS * NS_PER_S))
            .answer
        )
    if answer.chunk_ns or answer.finish is not None:
        return None
    said = without_key(answer.error or f"nothing within {ANSWER_SECONDS} s", _key(server))
    remedy = next((remedy for code, remedy in _REMEDIES.items() if said.startswith(code)), None)
    keyless = f", and no key was sent: {said}" if said.startswith("HTTP 401") and name is None else f": {said}"
    if remedy is None:
        remedy = "Start the server, or correct openai_server.base_url; curl shows its answer"
    return f"{url} does not answer{keyless}", remedy


def _get(server: Mapping[str, Any], path: str) -> tuple[Any, Mapping[str, str]]:
    """Content of a page of the server as it came, None where it has none, and its headers."""
    page, content = fetched(server["base_url"], path, _key(server), WORDS_SECONDS), None
    if page.status == 200:
        with suppress(ValueError, RecursionError):  # a part of it is no JSON either
            content = json.loads(page.body.decode("utf-8", "replace"))
    return content, page.headers


def _word(told: Any, key: str | None) -> str | int | None:
    """What is kept of what a server tells: a short text without its key, or a whole number; None of anything else."""
    if isinstance(told, str):
        return without_key(told, key)[:WORD_CHARACTERS]
    return told if type(told) is int and abs(told) < INT_LIMIT else None


def says(engine: Mapping[str, Any]) -> dict[str, Any]:
    """What a server that already runs says of itself, in place of hashes of its program and weights.

    models: names that /v1/models lists; model: what it lists of the one that is asked, without its times; version: by
    /version or by llama.cpp's /props; server: its header. Each is None where it tells none.
    """
    server = _told(engine)
    key = _key(server)
    listed, headers = _get(server, "/v1/models")
    entries = listed.get("data") if isinstance(listed, dict) else None
    models = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    own = next((entry for entry in models if entry.get("id") == server["model"]), None)
    version, props = _get(server, "/version")[0], _get(server, "/props")[0]
    told = [(version, "version"), (props, "build_info")]
    versions = [page[name] for page, name in told if isinstance(page, dict) and page.get(name)]
    return {
        "models": sorted(str(_word(entry.get("id"), key)) for entry in models) or None,
        "model": None if own is None else {name: _word(own[name], key) for name in OF_MODEL if name in own},
        "version": next((str(word) for one in versions if (word := _word(one, key)) is not None), None),
        "server": _word(headers.get("server"), key),
    }


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
    parts = urlsplit(_told(engine)["base_url"])
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
