"""Synthetic campaigns: schema-valid records whose times follow a script, so that every result is known by arithmetic.

`make_raw_data` gives the content of plan.json and of each raw_data/<engine>.json; `write_results` writes a whole
results folder and runs the analysis stages over it, as the workflow would.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_runner import collect, iterations
from benchmark_runner.performance.__main__ import main as performance_main
from benchmark_runner.statistics.__main__ import main as statistics_main
from benchmark_runner.summary.__main__ import main as summary_main

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
    device: str = "cpu"
    threads: int = 1
    dtype: str = "f32"
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


@dataclass(frozen=True)
class ScriptedWorkload:
    """One workload: its cases are (prompt tokens, tokens to generate)."""

    name: str = "latency_test"
    cases: tuple[tuple[int, int], ...] = ((8, 11),)
    iterations: int = 4
    """Measured iterations a launch."""
    warmups: int = 1


def identity_of(engine: str, workload: str) -> str:
    return hashlib.sha256(f"{engine} {workload}".encode()).hexdigest()[:12]


def make_plan(
    engines: Sequence[ScriptedEngine],
    workloads: Sequence[ScriptedWorkload],
    *,
    launches: int,
    seed: int = 1,
    quick: bool = False,
    analysis: Mapping[str, Any] | None = None,
    output_dir: str = "results/scripted",
) -> dict[str, Any]:
    """Content of plan.json: randomised complete blocks over the scripted engines and workloads."""
    control = next((engine.name for engine in engines if engine.control_of), None)
    settings = {
        "confidence_level": 0.95,
        "remove_outliers": True,
        "outlier_threshold": 2.0,
        "significance_test": "mann_whitney_u",
        "generate_plots": True,
        "export_raw_data": True,
    }
    return {
        "schema_version": 1,
        "config": {"analysis": settings | dict(analysis or {}), "system": {"cool_down_seconds": 1}},
        "campaign": {
            "name": "scripted",
            "quick": quick,
            "baseline": engines[0].name,
            "control": control,
            "launches": launches,
            "seed": seed,
            "headline": {"latency_workload": None, "throughput_workload": None},
        },
        "model": {
            "name": "scripted",
            "path": "models/scripted",
            "identity": MODEL_IDENTITY,
            "source": {"kind": "folder"},
        },
        "engines": [_planned_engine(engine) for engine in engines],
        "workloads": [_planned_workload(workload, launches) for workload in workloads],
        "order": _order(engines, workloads, launches=launches, seed=seed, output_dir=output_dir),
        "fidelity": {"max_new_tokens": 64, "prompts": ["Hello"]},
        "power": {},
        "expected": {"minutes": 1.0},
    }


def _planned_engine(engine: ScriptedEngine) -> dict[str, Any]:
    return {
        "name": engine.name,
        "control_of": engine.control_of,
        "binary_path": f"target/release/{engine.name}",
        "adapter": None,
        "build_record": None,
        "dtype": engine.dtype,
        "options": {},
    }


def _planned_workload(workload: ScriptedWorkload, launches: int) -> dict[str, Any]:
    return {
        "name": workload.name,
        "description": f"scripted {workload.name}",
        "iterations_total": workload.iterations * launches,
        "iterations_per_launch": workload.iterations,
        "warmup_iterations": workload.warmups,
        "cases": [
            {
                "name": f"case_{number}",
                "prompt": {"kind": "tokens", "count": prompt_tokens},
                "max_new_tokens": tokens,
                "temperature": 0,
                "top_p": 1,
                "ignore_eos": True,
                "seed": 0,
            }
            for number, (prompt_tokens, tokens) in enumerate(workload.cases, start=1)
        ],
    }


def _order(
    engines: Sequence[ScriptedEngine],
    workloads: Sequence[ScriptedWorkload],
    *,
    launches: int,
    seed: int,
    output_dir: str,
) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    cells = [(engine.name, workload.name) for engine in engines for workload in workloads]
    order: list[dict[str, Any]] = []
    for block in range(1, launches + 1):
        for number in rng.permutation(len(cells)):
            engine, workload = cells[number]
            identity = identity_of(engine, workload)
            folder = f"{output_dir}/launches/{engine}/{workload}.{identity}/{block}"
            order.append(
                {
                    "position": len(order) + 1,
                    "block": block,
                    "engine": engine,
                    "workload": workload,
                    "identity": identity,
                    "folder": folder,
                }
            )
    return order


def make_raw_data(
    engines: Sequence[ScriptedEngine],
    workloads: Sequence[ScriptedWorkload] = (ScriptedWorkload(),),
    *,
    launches: int = 5,
    seed: int = 1,
    drift: float = 0.0,
    quick: bool = False,
    analysis: Mapping[str, Any] | None = None,
    output_dir: str = "results/scripted",
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Raw data of each engine (by name) and the plan. drift is the slow-down from the first launch to the last."""
    plan = make_plan(
        engines, workloads, launches=launches, seed=seed, quick=quick, analysis=analysis, output_dir=output_dir
    )
    rng = np.random.default_rng(seed + 1)
    by_name = {engine.name: engine for engine in engines}
    workload_by_name = {workload.name: workload for workload in workloads}
    raw: dict[str, dict[str, Any]] = {
        engine.name: {
            "schema_version": 1,
            "engine": engine.name,
            "control_of": engine.control_of,
            "baseline": engine.name == plan["campaign"]["baseline"],
            "campaign": plan["campaign"],
            "workloads": plan["workloads"],
            "unlike": [],
            "launches": [],
        }
        for engine in engines
    }
    for slot in plan["order"]:
        factor = 1.0 + drift * (slot["position"] - 1) / max(1, len(plan["order"]) - 1)
        record = make_record(by_name[slot["engine"]], workload_by_name[slot["workload"]], slot, rng, slowdown=factor)
        raw[slot["engine"]]["launches"].append(record)
    return raw, plan


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
        "ended_ns": started_ns + 20 * 10**9,
        "host": {"hostname": "scripted-host", "boot_id": BOOT_ID},
        "spec": _spec(engine, workload) if ran else None,
        "hello": _hello(engine) if ran else None,
        "load": _load(engine, started_ns) if ran else None,
        "iterations": _iterations(engine, workload, slot["block"], started_ns, factor, rng) if ran else [],
        "error": None,
        "engine_exit": {"code": 0, "signal": None} if ran else None,
        "monitor": _monitor(engine) if ran else None,
        "machine_before": _machine(),
        "machine_after": _machine(),
        "affinity": {"requested": None, "engine_cores": [0], "monitor_cores": [1], "notes": []},
        "threads": engine.threads,
        "device": engine.device,
        "build": None,
        "model": {"name": "scripted", "identity": MODEL_IDENTITY, "weights_sha256": "0" * 64},
        "prompts_sha256": "1" * 64,
        "warnings": [],
        "timing": {
            "cool_down_ms": 1000.0,
            "thermal_wait_ms": 0.0,
            "preflight_ms": 5.0,
            "monitor_start_ms": 50.0,
            "engine_ms": 5000.0,
            "cleanup_ms": 5.0,
            "record_ms": 5.0,
            "total_ms": 6065.0,
        },
    }


def _spec(engine: ScriptedEngine, workload: ScriptedWorkload) -> dict[str, Any]:
    return {
        "protocol": 1,
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
            for prompt_tokens, tokens in workload.cases
        ],
        "warmup_iterations": workload.warmups,
        "iterations": workload.iterations,
        "load": {"mode": "closed", "concurrency": 1},
        "options": {},
    }


def _hello(engine: ScriptedEngine) -> dict[str, Any]:
    return {
        "event": "hello",
        "engine": engine.name,
        "version": "1.0",
        "protocol": 1,
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


def _monitor(engine: ScriptedEngine) -> dict[str, Any]:
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
        },
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


def make_fidelity(engine: ScriptedEngine, reference: str) -> dict[str, Any]:
    """Content of fidelity/<engine>.json with the scripted result."""
    return {
        "schema_version": 1,
        "engine": engine.name,
        "reference": reference,
        "dtype": engine.dtype,
        "device": engine.device,
        "result": engine.fidelity,
        "reason": None if engine.fidelity == "pass" else f"scripted {engine.fidelity}",
        "tokens_checked": 64,
        "prompts": [],
        "smallest_margin": 0.5,
    }


def write_inputs(
    folder: Path, engines: Sequence[ScriptedEngine], raw: Mapping[str, dict[str, Any]], plan: Mapping[str, Any]
) -> None:
    """Write plan.json, each launch's record.json and the fidelity files: what the analysis stages start from."""
    (folder / "fidelity").mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    for engine in engines:
        content = make_fidelity(engine, plan["campaign"]["baseline"])
        (folder / "fidelity" / f"{engine.name}.json").write_text(json.dumps(content))
        for record in raw[engine.name]["launches"]:
            record_path = record_path_of(folder, record)
            record_path.parent.mkdir(parents=True, exist_ok=True)
            record_path.write_text(json.dumps(record))


def record_path_of(folder: Path, record: Mapping[str, Any]) -> Path:
    cell = f"{record['workload']}.{record['identity']}"
    return folder / "launches" / record["engine"] / cell / str(record["block"]) / "record.json"


def write_results(
    folder: Path,
    engines: Sequence[ScriptedEngine],
    workloads: Sequence[ScriptedWorkload] = (ScriptedWorkload(),),
    **options: Any,
) -> dict[str, Any]:
    """Write a results folder up to summary.json by the stages' own commands; returns the plan.

    Options are those of make_raw_data. Files lie where the workflow puts them.
    """
    raw, plan = make_raw_data(engines, workloads, output_dir=str(folder), **options)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    return plan


def run_analysis(folder: Path, engines: Sequence[ScriptedEngine], plan: Mapping[str, Any]) -> None:
    """Run collect, iterations, statistics, performance and summary over what write_inputs wrote."""
    plan_file = str(folder / "plan.json")
    raw_files = [str(folder / "raw_data" / f"{engine.name}.json") for engine in engines]
    fidelity_files = [str(folder / "fidelity" / f"{engine.name}.json") for engine in engines]
    for engine, raw_file, fidelity_file in zip(engines, raw_files, fidelity_files, strict=True):
        slots = [slot for slot in plan["order"] if slot["engine"] == engine.name]
        records = [str(path) for path in (record_path_of(folder, slot) for slot in slots) if path.is_file()]
        inputs = ["--plan", plan_file, "--engine", engine.name, "--fidelity", fidelity_file]
        assert collect.main([*inputs, "--out", raw_file, "--records", *records]) == 0
    analysis = folder / "analysis"
    iterations_file = str(analysis / "iterations.parquet")
    statistics_file = str(analysis / "statistical_summary.json")
    performance_file = str(analysis / "performance_analysis.json")
    threshold = str(plan["config"]["analysis"]["outlier_threshold"])
    assert iterations.main(["--raw", *raw_files, "--outlier-threshold", threshold, "--out", iterations_file]) == 0
    common = ["--plan", plan_file]
    measured = ["--raw", *raw_files, "--iterations", iterations_file]
    judged = [*common, "--statistics", statistics_file]
    assert statistics_main([*common, *measured, "--fidelity", *fidelity_files, "--out", statistics_file]) == 0
    assert performance_main([*judged, *measured, "--out", performance_file]) == 0
    outputs = ["--out", str(folder / "summary.json"), "--table", str(folder / "comparison_table.md")]
    assert summary_main([*judged, "--performance", performance_file, *outputs]) == 0
