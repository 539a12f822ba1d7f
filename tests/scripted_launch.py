"""One scripted launch: how an engine behaves, and the record that the launch stage would have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from scripted_load import ScriptedLoad, load_cases, under_load

BOOT_ID = "00000000-0000-4000-8000-000000000001"
MODEL_IDENTITY = "scripted-model-1"
START = datetime(2026, 1, 5, 8, 0, 0, tzinfo=UTC)
NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class ScriptedEngine:
    """How one engine behaves; with the spreads at 0 every launch and iteration takes exactly the scripted times."""

    name: str
    ttft_ms: float = 20.0
    itl_ms: float = 10.0
    tail_ms: float = 0.0
    """From the last token to the end of the request."""
    load_ms: float = 500.0
    peak_rss_bytes: int = 1_000_000_000
    launch_spread: float = 0.0
    """Standard deviation of the logarithm of a factor that all iterations of a launch share."""
    iteration_spread: float = 0.0
    """Standard deviation of the logarithm of each iteration's own factor."""
    control_of: str | None = None
    version: str = "1.0"
    device: str = "cpu"
    threads: int = 1
    dtype: str = "f32"
    loaded: Mapping[str, Any] = field(default_factory=dict)
    """What it tells of itself besides, in place of the defaults of load_end."""
    busy_threads: int | None = None
    """Threads that the monitor saw computing; None: those that it set up."""
    fidelity: str = "pass"
    statuses: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Status of the launches (workload, block) that did not end well."""
    unavailable: str | None = None
    """Reason why the engine could not be built: all its launches are then unavailable."""
    slow_iterations: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """Factor on the iteration (block, index)."""
    gpu_utilization_percent: float | None = None
    measured_joules: float | None = None
    """Energy of the measured iterations of a launch, of the GPU where there is one."""
    level_watts: float | None = None
    """Under load: power in the window of each level, of the GPU where there is one."""
    slots: int = 4
    """Under load: requests that it answers at once, each as fast as alone; the others wait."""
    failing: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Under load: status of the requests (case, number) that do not end well."""
    send_lag_p99_ns: int = 60_000
    """Under load: how late the client was."""
    own_ttft_ms: float | None = None
    """Under load: mean time to the first token by the server's own clock; None where it has none."""


@dataclass(frozen=True)
class ScriptedWorkload:
    """One workload: its cases are (prompt tokens, tokens to generate)."""

    name: str = "latency_test"
    cases: tuple[tuple[int, int], ...] = ((8, 11),)
    iterations: int = 4
    """Measured iterations a launch."""
    warmups: int = 1
    load: ScriptedLoad | None = None
    """Levels of load in place of iterations."""


TIMING = {
    "cool_down_ms": 1000.0,
    "thermal_wait_ms": 0.0,
    "preflight_ms": 5.0,
    "monitor_start_ms": 50.0,
    "engine_ms": 5000.0,
    "cleanup_ms": 5.0,
    "record_ms": 5.0,
    "total_ms": 6065.0,
}


def _measured(
    engine: ScriptedEngine,
    workload: ScriptedWorkload,
    block: int,
    started_ns: int,
    factor: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """What a record holds of an engine that ran."""
    spec, load = _spec(engine, workload), {}
    if workload.load is not None:
        made = under_load(engine, workload, block, started_ns + 5 * 10**9, factor, spec)
        load = dict(zip(("requests", "stages"), made, strict=True))
    ended_ns = started_ns + 20 * 10**9
    return {
        "ended_ns": max(ended_ns, load["stages"][-1]["end_ns"] + 10**9) if load else ended_ns,
        "spec": spec,
        "hello": _hello(engine, protocol=2 if load else 1),
        "load": _load(engine, started_ns),
        "iterations": [] if load else _iterations(engine, workload, block, started_ns, factor, rng),
        **load,
        "engine_exit": {"code": 0, "signal": None},
        "monitor": _monitor(engine, **load),
    }


def make_record(
    engine: ScriptedEngine,
    workload: ScriptedWorkload,
    slot: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    slowdown: float = 1.0,
) -> dict[str, Any]:
    """One launch's record as the launch stage writes it."""
    status = engine.statuses.get((workload.name, slot["block"]), "ok")
    if engine.unavailable is not None:
        status = "unavailable"
    started = START + timedelta(seconds=30 * slot["position"])
    started_ns = 10**12 + 30 * 10**9 * slot["position"]
    factor = slowdown * float(np.exp(rng.normal(0.0, engine.launch_spread)))
    ran = status == "ok"
    absent = dict.fromkeys(("spec", "hello", "load", "engine_exit", "monitor"))
    unmeasured = {"ended_ns": started_ns + 20 * 10**9, "iterations": [], **absent}
    return {
        "schema_version": 1,
        "measure_version": 1,
        "identity": slot["identity"],
        "engine": engine.name,
        "control_of": engine.control_of,
        "workload": workload.name,
        "block": slot["block"],
        "position": slot["position"],
        "attempt": 1,
        "status": status,
        "reason": None if ran else (engine.unavailable or f"scripted to end as {status}"),
        "remedy": None if ran else "Change the script",
        "started_at": started.isoformat().replace("+00:00", "Z"),
        "ended_at": (started + timedelta(seconds=20)).isoformat().replace("+00:00", "Z"),
        "started_ns": started_ns,
        "host": {"hostname": "scripted-host", "boot_id": BOOT_ID},
        **(_measured(engine, workload, slot["block"], started_ns, factor, rng) if ran else unmeasured),
        "error": None,
        "machine_before": _machine(),
        "machine_after": _machine(),
        "affinity": {"requested": None, "engine_cores": [0], "monitor_cores": [1], "notes": []},
        "threads": engine.threads,
        "device": engine.device,
        "build": None,
        "model": {"name": "scripted", "identity": MODEL_IDENTITY, "weights_sha256": "0" * 64},
        "prompts_sha256": "1" * 64,
        "warnings": [],
        "timing": dict(TIMING),
    }


def _spec(engine: ScriptedEngine, workload: ScriptedWorkload) -> dict[str, Any]:
    """Of a launch under load without its stages and prompts."""
    alone = {
        "warmup_iterations": workload.warmups,
        "iterations": workload.iterations,
        "load": {"mode": "closed", "concurrency": 1},
    }
    return {
        "protocol": 2 if workload.load else 1,
        "model_dir": "models/scripted",
        "weights": "model.safetensors",
        "dtype": engine.dtype,
        "device": engine.device,
        "threads": engine.threads,
        "max_seq_len": 4096,
        "cases": [
            {
                "prompt_ids": list(range(prompt_tokens)),
                "max_new_tokens": tokens,
                "ignore_eos": True,
                "eos_ids": [2],
                "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
            }
            for _, (prompt_tokens, tokens), _ in load_cases(workload)
        ],
        **({} if workload.load else alone),
        "options": {},
    }


def _hello(engine: ScriptedEngine, protocol: int) -> dict[str, Any]:
    return {
        "event": "hello",
        "engine": engine.name,
        "version": engine.version,
        "protocol": protocol,
        "build": {},
        "capabilities": {
            "devices": ["cpu"],
            "dtypes": ["f32"],
            "sampling": ["greedy"],
            "seed": True,
            "load_modes": ["closed"],
            "max_concurrency": 1,
            "ignore_eos": True,
        },
    }


def _load(engine: ScriptedEngine, started_ns: int) -> dict[str, Any]:
    start_ns = started_ns + 10**9
    return {
        "start_ns": start_ns,
        "end_ns": start_ns + round(engine.load_ms * NS_PER_MS),
        "weights_dtype": engine.dtype,
        "compute_dtype": engine.dtype,
        "kv_cache_dtype": engine.dtype,
        "device": engine.device,
        "threads": engine.threads,
        "batch_size": 1,
        "simd": None,
        "compiled_graph": False,
        **engine.loaded,
    }


def _iterations(
    engine: ScriptedEngine,
    workload: ScriptedWorkload,
    block: int,
    started_ns: int,
    launch_factor: float,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    now = started_ns + 5 * 10**9
    rounds = [(True, index) for index in range(workload.warmups)]
    rounds += [(False, index) for index in range(workload.iterations)]
    iterations: list[dict[str, Any]] = []
    for warmup, index in rounds:
        for case, (_, tokens) in enumerate(workload.cases):
            factor = launch_factor * float(np.exp(rng.normal(0.0, engine.iteration_spread)))
            if not warmup:
                factor *= engine.slow_iterations.get((block, index), 1.0)
            first = now + round(engine.ttft_ms * factor * NS_PER_MS)
            step = round(engine.itl_ms * factor * NS_PER_MS)
            token_ns = [first + number * step for number in range(tokens)]
            end_ns = token_ns[-1] + round(engine.tail_ms * factor * NS_PER_MS)
            iterations.append(
                {
                    "index": index,
                    "warmup": warmup,
                    "case": case,
                    "start_ns": now,
                    "token_ids": [(number * 7 + 3) % 1000 for number in range(tokens)],
                    "token_ns": token_ns,
                    "end_ns": end_ns,
                    "finish": "length",
                }
            )
            now = end_ns + NS_PER_MS
    return iterations


def _level(engine: ScriptedEngine, stage: Mapping[str, Any], requests: Sequence[Any]) -> dict[str, Any]:
    """Energy in the window of a stage."""
    start_ns, end_ns = stage["window_start_ns"], stage["window_end_ns"]
    joules = None if engine.level_watts is None else engine.level_watts * (end_ns - start_ns) / 1e9
    has_gpu = engine.gpu_utilization_percent is not None
    return {
        "case": stage["case"],
        "duration_ms": (end_ns - start_ns) / NS_PER_MS,
        "package_energy_joules": None if has_gpu else joules,
        "gpu_energy_joules": joules if has_gpu else None,
        "tokens": sum(start_ns < time_ns <= end_ns for one in requests for time_ns in one["chunk_ns"]),
    }


def _monitor(engine: ScriptedEngine, *, requests: Sequence[Any] = (), stages: Sequence[Any] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {}
    levels = [_level(engine, stage, requests) for stage in stages]
    if stages:
        start_ns, end_ns = stages[0]["window_start_ns"], stages[-1]["window_end_ns"]
        made["tokens"] = sum(start_ns < time_ns <= end_ns for one in requests for time_ns in one["chunk_ns"])
    gpu = None
    absent = {
        "package_energy_joules": "no RAPL counter is readable",
        "counters": "perf events are not permitted",
        "cpu_temperature_celsius_max": "no thermal sensor",
    }
    if engine.gpu_utilization_percent is None:
        absent["gpu"] = "no GPU"
    else:
        gpu = {
            "utilization_percent_mean": engine.gpu_utilization_percent,
            "utilization_percent_max": 100.0,
            "memory_peak_bytes": 2_000_000_000,
            "power_watts_mean": 200.0,
            "energy_joules": 1000.0,
            "temperature_celsius_max": 60.0,
            "clock_sm_mhz_mean": 1500.0,
            "throttle_reasons": [],
        }
    return {
        "samples": 50,
        "interval_ms": 100,
        "duration_ms": 5000.0,
        "engine_peak_rss_bytes": engine.peak_rss_bytes,
        "engine_mean_rss_bytes": engine.peak_rss_bytes // 2,
        "engine_cpu_percent_mean": 100.0 * engine.threads,
        "engine_threads_max": engine.threads + 1,
        "engine_busy_threads": engine.busy_threads or engine.threads,
        "machine_cpu_percent_mean": 55.0,
        "foreign_cpu_percent_mean": 1.0,
        "memory_available_min_bytes": 8_000_000_000,
        "cpu_frequency_mhz_mean": 3000.0,
        "cpu_frequency_mhz_min": 2900.0,
        "cpu_temperature_celsius_max": None,
        "package_energy_joules": None,
        "counters": None,
        "gpu": gpu,
        "measured": {
            "duration_ms": 4000.0,
            "package_energy_joules": None if gpu else engine.measured_joules,
            "gpu_energy_joules": engine.measured_joules if gpu else None,
            **made,
        },
        **({"levels": levels} if levels else {}),
        "absent": absent,
    }


def _machine() -> dict[str, Any]:
    return {
        "load_average_1m": 0.2,
        "memory_available_bytes": 8_000_000_000,
        "swap_used_bytes": 0,
        "cpu_temperature_celsius": None,
        "foreign_gpu_processes": [],
        "busy_processes": [],
    }
