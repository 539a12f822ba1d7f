"""Stages of load by arithmetic: an engine of so many slots, each of which answers one request after the other."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scripted_launch import ScriptedEngine, ScriptedWorkload

NS_PER_MS = 1_000_000
NS_PER_S = 10**9

LOAD_CALIBRATION: dict[str, Any] = {
    "schema_version": 1,
    "measured_at": "2026-11-20T10:00:00+00:00",
    "machine": {"hostname": "here", "cpu": None, "available_cores": [0]},
    "cores": [0],
    "streams": 4,
    "ttft_bias_ms": {"p50": 0.1, "p99": 0.25},
    "gap_error_ms": {"p50": 0.01, "p99": 0.05},
    "send_lag_ms": {"p50": 0.02, "p99": 0.08},
    "shared_share": 0.0,
    "client_cpu_percent": 12.0,
    "stamp": "kernel",
    "events": 1000,
    "seconds": 3.0,
}
"""Of a client of its own, as load_calibration.json has it."""


@dataclass(frozen=True)
class ScriptedLoad:
    """The levels of each case of a workload: requests in flight (closed), or requests a second (open) if any."""

    concurrency: tuple[int, ...] = (1, 2, 4)
    requests_per_second: tuple[float, ...] = ()
    arrivals: str = "constant"
    requests: int = 12
    """Measured requests of a level in a launch."""
    warmups: int | None = None
    """None: as many as are in flight, in an open loop 4."""
    seed: int = 0

    def levels(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and section `load` of each level, as plan.json has them."""
        shared = {"requests": self.requests, "duration_seconds": None, "timeout_seconds": 120}
        if self.requests_per_second:
            warmups = 4 if self.warmups is None else self.warmups
            open_loop = {"mode": "open", "arrivals": self.arrivals, "burstiness": 1.0, "seed": self.seed}
            return [
                (f"r{rate:g}", {**open_loop, "requests_per_second": rate, "warmup_requests": warmups, **shared})
                for rate in self.requests_per_second
            ]
        return [
            (f"c{n}", {"mode": "closed", "concurrency": n, "warmup_requests": self.warmups or n, **shared})
            for n in self.concurrency
        ]


def load_cases(workload: ScriptedWorkload) -> list[tuple[str, tuple[int, int], dict[str, Any] | None]]:
    """Name, (prompt tokens, tokens) and load of each test case of a workload; without load as many as it has cases."""
    found: list[tuple[str, tuple[int, int], dict[str, Any] | None]] = []
    for number, case in enumerate(workload.cases, start=1):
        if workload.load is None:
            found.append((f"case_{number}", case, None))
            continue
        prefix = f"case_{number}_" if len(workload.cases) > 1 else ""
        found += [(f"{prefix}{name}", case, load) for name, load in workload.load.levels()]
    return found


class _Slots:
    """When a request that comes at a time is answered, first come first served."""

    def __init__(self, engine: ScriptedEngine, factor: float, start_ns: int) -> None:
        self._free = [start_ns] * engine.slots
        self._first_ns = round(engine.ttft_ms * factor * NS_PER_MS)
        self._step_ns = round(engine.itl_ms * factor * NS_PER_MS)

    def serve(self, at_ns: int, tokens: int) -> list[int]:
        begin_ns = max(at_ns, heapq.heappop(self._free))
        chunk_ns = [begin_ns + self._first_ns + number * self._step_ns for number in range(tokens)]
        heapq.heappush(self._free, chunk_ns[-1])
        return chunk_ns


def _arrivals(load: Mapping[str, Any], start_ns: int, level: int) -> Iterator[int]:
    """Times at which requests come in an open loop."""
    gap_s, rng, at_s = 1 / load["requests_per_second"], np.random.default_rng((load["seed"], level)), 0.0
    while True:
        yield start_ns + round(at_s * NS_PER_S)
        at_s += rng.exponential(gap_s) if load["arrivals"] == "poisson" else gap_s


def _request(case: int, number: int, phase: str, at_ns: int, chunk_ns: list[int], prompt_tokens: int) -> dict[str, Any]:
    return {
        "case": case,
        "number": number,
        "phase": phase,
        "scheduled_ns": at_ns,
        "start_ns": at_ns,
        "written_ns": at_ns,
        "chunk_ns": chunk_ns,
        "chunk_tokens": [1] * len(chunk_ns),
        "token_ids": [(place * 7 + 3) % 1000 for place in range(len(chunk_ns))],
        "stamp": "kernel",
        "shared_chunks": 0,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": len(chunk_ns),
        "cached_tokens": 0,
        "end_ns": chunk_ns[-1],
        "finish": "length",
        "status": "ok",
        "error": None,
    }


def _end_early(request: dict[str, Any], status: str, end_ns: int) -> None:
    chunk_ns = [time for time in request["chunk_ns"] if time <= end_ns]
    request |= {"chunk_ns": chunk_ns, "chunk_tokens": [1] * len(chunk_ns), "end_ns": end_ns, "status": status}
    request |= {"token_ids": request["token_ids"][: len(chunk_ns)], "completion_tokens": None, "finish": None}
    request["error"] = None if status == "cancelled" else f"scripted to end as {status}"


def _stage(
    engine: ScriptedEngine, place: tuple[int, str, tuple[int, int], dict[str, Any]], factor: float, start_ns: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    case, name, (prompt_tokens, tokens), load = place
    slots, warmups, owed = _Slots(engine, factor, start_ns), load["warmup_requests"], load["requests"]
    closed = load["mode"] == "closed"
    arrivals, clients = (
        (iter(()), [start_ns] * load["concurrency"]) if closed else (_arrivals(load, start_ns, case), [])
    )
    requests: list[dict[str, Any]] = []
    last_ns = 0
    for number in count():
        at_ns = heapq.heappop(clients) if closed else next(arrivals)
        if number >= warmups + owed and at_ns >= last_ns:
            break
        phase = "warmup" if number < warmups else "measured" if number < warmups + owed else "filler"
        request = _request(case, number, phase, at_ns, slots.serve(at_ns, tokens), prompt_tokens)
        if (status := engine.failing.get((name, number))) is not None:
            _end_early(request, status, request["chunk_ns"][len(request["chunk_ns"]) // 2])
        requests.append(request)
        if phase == "measured":
            last_ns = max(last_ns, request["end_ns"])
        if closed:
            heapq.heappush(clients, request["end_ns"])
    for request in requests[warmups + owed :]:
        if request["end_ns"] > last_ns:
            _end_early(request, "cancelled", last_ns)
    measured = requests[warmups : warmups + owed]
    gap_ns = 0 if closed else round(NS_PER_S / load["requests_per_second"])
    window_end_ns = last_ns if closed else measured[-1]["scheduled_ns"] + gap_ns
    end_ns = max(window_end_ns, *(request["end_ns"] for request in requests))
    stage = {"case": case, "start_ns": start_ns, "end_ns": end_ns, "window_start_ns": measured[0]["scheduled_ns"]}
    if engine.own_ttft_ms is not None:
        first = {"name": "ttft_ms", "theirs": engine.own_ttft_ms, "ours": 20.0, "ours_count": 8, "theirs_count": 8}
        cached = {"name": "cached_tokens", "theirs": 0.0, "ours": None, "ours_count": None, "theirs_count": None}
        stage["own_clock"] = [first, cached]
    return requests, {
        **stage,
        "window_end_ns": window_end_ns,
        "ended": "requests",
        "client_cpu_seconds": 0.01,
        "send_lag_p50_ns": 20_000,
        "send_lag_p99_ns": engine.send_lag_p99_ns,
        "sockets_max": min(len(requests), load.get("concurrency", len(requests))),
    }


def under_load(
    engine: ScriptedEngine, workload: ScriptedWorkload, block: int, started_ns: int, factor: float, spec: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Requests and stages of a launch; gives the spec the order of its stages and the prompts that were used."""
    cases, now_ns = load_cases(workload), started_ns
    spec["stages"] = np.random.default_rng(block).permutation(len(cases)).tolist()
    requests, stages = [], []
    for case in spec["stages"]:
        made, stage = _stage(engine, (case, *cases[case]), factor, now_ns)
        prompt = spec["cases"][case]["prompt_ids"]
        spec["cases"][case] |= {
            "load": cases[case][2],
            "prompts": [
                [prompt[0], *(10 + (case + number + place) % 900 for place in prompt[1:])]
                for number in range(len(made))
            ],
        }
        requests += made
        stages.append(stage)
        now_ns = stage["end_ns"] + NS_PER_MS
    return requests, stages
