"""How a launch starts an engine that is a server (adapter.yaml, section server), and what its client is told of it."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.load import slots_of
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.cores import Cores
from benchmark_runner.processes.adapter import Limits
from benchmark_runner.processes.client import Server

LOOPBACK: Final = "127.0.0.1"
"""Never a name: localhost may be ::1, where the server does not listen."""

READY_BEYOND_SECONDS: Final = 30.0
"""The client waits for so much longer than the launch, which ends a server that does not come up (chosen)."""

MOST_CONCURRENCY: Final = 1 << 16
"""A bound for the capability: the client itself has none."""

PLACES: Final = ("weights", "model_dir", "port", "threads", "concurrency", "context", "context_total", "dtype")
"""What adapter.yaml may leave to the launch, in braces."""
_PLACE: Final = re.compile(r"\{(\w+)\}")


PREFIX_CACHE: Final = "prefix_cache"
"""Option of a server by which a launch under load leaves its cache of prefixes on."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def slots(spec: Mapping[str, Any]) -> int:
    """Requests that a server is to compute at once: the most that a level of the spec has places for."""
    return max((slots_of(case["load"]) for case in spec["cases"] if "load" in case), default=1)


def _texts(section: Mapping[str, Any]) -> list[str]:
    return [*section["arguments"], *section.get("environment", {}).values(), section["model"]]


def require_known_places(section: Mapping[str, Any], where: str) -> None:
    """Raise BenchmarkError where a text of a section server holds a place that no launch fills in."""
    for text in _texts(section):
        for name in _PLACE.findall(text):
            if name not in PLACES:
                known = ", ".join(f"{{{known}}}" for known in PLACES)
                raise BenchmarkError(f"{where}: server: {{{name}}} in {text!r} is not filled in; known are {known}")


def _capabilities(section: Mapping[str, Any], build_device: str | None) -> dict[str, Any]:
    can = section["capabilities"]
    return {
        "devices": sorted({"cpu", build_device or "cpu"}),
        "dtypes": list(section["dtypes"]),
        "sampling": can["sampling"],
        "seed": can["seed"],
        "load_modes": ["closed", "open"],
        "max_concurrency": MOST_CONCURRENCY,
        "ignore_eos": can["past_eos"] != "stops",
        "prompt_ids": section["ids"]["in"],
        "token_ids": section["ids"]["stream"] is not None or section["ids"]["whole"] is not None,
    }


def _with_prefix_cache(section: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section with its cache of prefixes on where the spec asks for that, which counts under load alone: iterations
    and the check of fidelity ask for the same prompts again."""
    if spec["options"].get(PREFIX_CACHE) is not True or PREFIX_CACHE not in section or "stages" not in spec:
        return section
    kept = section[PREFIX_CACHE]
    arguments = [*section["arguments"], *kept["arguments"]]
    return {**section, "arguments": arguments, "body": {**section["body"], **kept["body"]}}


def _running(section: Mapping[str, Any], spec: Mapping[str, Any], limits: Limits) -> Server:
    """A server that already runs, of which nothing is known but what the configuration says."""
    told = {
        **{key: section[key] for key in ("path", "model", "body", "ids", "engine", "ignoring_eos") if key in section},
        **section["running"],
        "ready_timeout_seconds": limits.load.seconds + READY_BEYOND_SECONDS,
        "version": "unknown",
        "build": {"packages": {}},
        # Whether its cache is on is not for this launch to say, only whether that was to be.
        "options": [PREFIX_CACHE],
        # Where it computes is not known here.
        "capabilities": _capabilities(section, spec["device"].partition(":")[0]),
        "past_eos": section["capabilities"]["past_eos"],
        "load": {
            **dict.fromkeys(("weights_dtype", "compute_dtype", "kv_cache_dtype"), spec["dtype"]),
            "device": spec["device"],
            "threads": spec["threads"],
        },
    }
    return Server(None, {}, told, (), False)


def server_of(
    engine: Mapping[str, Any],
    spec: Mapping[str, Any],
    build: Mapping[str, Any] | None,
    *,
    cores: Cores,
    limits: Limits,
) -> Server | None:
    """The server of an engine of the plan, on a port that is free now; None for an engine that speaks the protocol.

    Its client gets the monitor's cores.
    """
    section = engine.get("server")
    if section is None:
        return None
    if "running" in section:
        return _running(section, spec, limits)
    section = _with_prefix_cache(section, spec)
    concurrency, context, dtype = slots(spec), spec["max_seq_len"], spec["dtype"]
    port = free_port()
    # A dtype that it has not is refused by the client, which a server that ends at once would forestall.
    words = section["dtypes"]
    own_dtype = words.get(dtype, next(iter(words.values())))
    weights = Path(spec["model_dir"]) / spec["weights"]
    found = weights, spec["model_dir"], port, spec["threads"], concurrency, context, concurrency * context, own_dtype
    values = dict(zip(PLACES, map(str, found), strict=True))

    def filled(text: str) -> str:
        return _PLACE.sub(lambda place: values[place[1]], text)

    told = {
        "base_url": f"http://{LOOPBACK}:{port}",
        "path": section["path"],
        "model": filled(section["model"]),
        "body": section["body"],
        "ids": section["ids"],
        **{key: section[key] for key in ("clocks", "ignoring_eos") if key in section},
        "ready_timeout_seconds": limits.load.seconds + READY_BEYOND_SECONDS,
        "engine": section["engine"],
        "version": ((build or {}).get("packages") or {}).get(section.get("package"), "unknown"),
        "build": {"packages": (build or {}).get("packages") or {}},
        "capabilities": _capabilities(section, engine["build_device"]),
        "past_eos": section["capabilities"]["past_eos"],
        "options": [PREFIX_CACHE] if PREFIX_CACHE in section else [],
        "load": {
            "weights_dtype": dtype,
            "compute_dtype": section.get("compute_dtype", dtype),
            "kv_cache_dtype": dtype,
            "device": spec["device"],
            "threads": spec["threads"],
            "batch_size": concurrency,
            **{name: section[name] for name in ("compiled_graph",) if name in section},
        },
        "api_key_env": None,
    }
    own = not set(cores.monitor) & set(cores.engine)
    environment = {name: filled(value) for name, value in section.get("environment", {}).items()}
    return Server([filled(argument) for argument in section["arguments"]], environment, told, cores.monitor, own)
