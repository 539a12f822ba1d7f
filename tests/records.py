"""Synthetic campaigns: schema-valid records whose times follow a script, so that every result is known by arithmetic.

`make_raw_data` gives the content of plan.json and of each raw_data/<engine>.json; `write_results` writes a whole
results folder and runs the analysis stages over it, as the workflow would.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_runner.performance.__main__ import main as performance_main
from benchmark_runner.records import collect, stages, tabulate
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.__main__ import main as statistics_main
from benchmark_runner.summary.__main__ import main as summary_main
from scripted_launch import MODEL_IDENTITY, ScriptedEngine, ScriptedWorkload, make_record
from scripted_load import load_cases

SLO = {"ttft_ms": 500, "tpot_ms": 100, "itl_p99_ms": None, "e2e_ms": None, "share": 0.9}


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
    source: Mapping[str, Any] | None = None,
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
    if any(workload.load for workload in workloads):
        settings["slo"] = SLO
    return {
        "schema_version": 1,
        "config": {
            "analysis": settings | dict(analysis or {}),
            "system": {"cool_down_seconds": 1},
            "workloads": [_asked_workload(workload) for workload in workloads],
        },
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
            "source": dict(source or {"kind": "folder"}),
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


def _asked_workload(workload: ScriptedWorkload) -> dict[str, Any]:
    """A workload as the configuration has it; of a load what its levels have in common, and these."""
    load: dict[str, Any] = {}
    if workload.load is not None:
        found = [level for _, level in workload.load.levels()]
        key = "concurrency" if found[0]["mode"] == "closed" else "requests_per_second"
        load = {"load": {"mode": found[0]["mode"], "requests": found[0]["requests"], key: [one[key] for one in found]}}
    cases = [{"prompt_tokens": prompt, "max_tokens": tokens, **load} for prompt, tokens in workload.cases]
    return {"name": workload.name, "description": None, "test_cases": cases}


def _planned_workload(workload: ScriptedWorkload, launches: int) -> dict[str, Any]:
    return {
        "name": workload.name,
        "description": f"scripted {workload.name}",
        "iterations_total": launches if workload.load else workload.iterations * launches,
        "iterations_per_launch": 1 if workload.load else workload.iterations,
        "warmup_iterations": 0 if workload.load else workload.warmups,
        "cases": [
            {
                "name": name,
                "prompt": {"kind": "tokens", "count": prompt_tokens},
                "max_new_tokens": tokens,
                "temperature": 0,
                "top_p": 1,
                "ignore_eos": True,
                "seed": 0,
                **({"load": load} if load else {}),
            }
            for name, (prompt_tokens, tokens), load in load_cases(workload)
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
    source: Mapping[str, Any] | None = None,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Raw data of each engine (by name) and the plan. drift is the slow-down from the first launch to the last."""
    settings = {"launches": launches, "seed": seed, "quick": quick, "analysis": analysis, "output_dir": output_dir}
    plan = make_plan(engines, workloads, source=source, **settings)
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


def slow_down(launch: dict[str, Any], factor: float) -> None:
    """Make a launch take so many times as long from its first iteration on."""
    begin = launch["iterations"][0]["start_ns"]
    for one in launch["iterations"]:
        for name in ("start_ns", "end_ns"):
            one[name] = begin + round((one[name] - begin) * factor)
        one["token_ns"] = [begin + round((time - begin) * factor) for time in one["token_ns"]]


def make_fidelity(engine: ScriptedEngine, reference: str) -> dict[str, Any]:
    """Content of fidelity/<engine>.json with the scripted result."""
    content = {
        "schema_version": 2,
        "engine": engine.name,
        "reference": reference,
        "dtype": engine.dtype,
        "device": engine.device,
        "result": engine.fidelity,
        "reason": f"scripted {engine.fidelity}",
        "tolerance": 0.002,
        "logits_tolerance": {"mean_abs": 0.0005, "max_abs": 0.004},
        "tokens_checked": 64,
        "smallest_margin": 0.5,
        "no_teacher_forcing": None,
        "no_logits": None,
        "logits": {"max_abs": 0.00012, "mean_abs": 1e-05, "kl_mean": 1e-11, "kl_max": 2e-10},
        "sampling": {
            "result": "not asked",
            "reason": "no workload draws at a temperature",
            **dict.fromkeys(("temperature", "top_p", "classes", "statistic", "p_value")),
            "draws": 0,
            "alpha": 1e-4,
        },
        "reuse": {"result": "pass", "reason": "scripted", "fresh_ms": 10.0, "repeated_ms": 10.0},
        "prompts": [],
    }
    require_valid("fidelity", content, "the scripted fidelity check")
    return content


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
        launches = str(folder / "launches" / engine.name)
        inputs = ["--plan", plan_file, "--engine", engine.name, "--fidelity", fidelity_file]
        assert collect.main([*inputs, "--out", raw_file, "--launches", launches]) == 0
    analysis = folder / "analysis"
    iterations_file = str(analysis / "iterations.parquet")
    statistics_file = str(analysis / "statistical_summary.json")
    performance_file = str(analysis / "performance_analysis.json")
    threshold = str(plan["config"]["analysis"]["outlier_threshold"])
    assert tabulate.main(["--raw", *raw_files, "--outlier-threshold", threshold, "--out", iterations_file]) == 0
    under_load: list[str] = []
    if slo := plan["config"]["analysis"].get("slo"):
        stages_file = str(analysis / "stages.parquet")
        assert stages.main(["--raw", *raw_files, "--slo", json.dumps(slo), "--out", stages_file]) == 0
        under_load = ["--stages", stages_file]
        if (calibration := folder / "load_calibration.json").is_file():
            under_load += ["--load-calibration", str(calibration)]
    common = ["--plan", plan_file]
    measured = ["--iterations", iterations_file]
    judged = [*common, "--statistics", statistics_file]
    outputs = ["--looks", str(folder / "looks.json"), "--out", statistics_file]
    known = [*common, *measured, *under_load]
    assert statistics_main([*known, "--raw", *raw_files, "--fidelity", *fidelity_files, *outputs]) == 0
    assert performance_main([*judged, *measured, "--out", performance_file]) == 0
    outputs = ["--out", str(folder / "summary.json"), "--table", str(folder / "comparison_table.md")]
    assert summary_main([*judged, "--performance", performance_file, *outputs]) == 0
