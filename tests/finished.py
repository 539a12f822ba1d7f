"""A scripted campaign carried to its end: every file of the results folder, made by the stages' own commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_runner.business.__main__ import main as business_main
from benchmark_runner.performance.__main__ import main as performance_main
from benchmark_runner.plots import gpu, latency, memory, throughput
from benchmark_runner.report import logs, reproduction
from benchmark_runner.report.__main__ import main as report_main
from records import ScriptedEngine, ScriptedWorkload, write_results

REPOSITORY = Path(__file__).resolve().parents[1]
NOW = "2026-11-23T17:00:00Z"
WEIGHTS_BYTES = 500_000_000
MANIFEST = {
    "schema_version": 1,
    "name": "tiny",
    "identity": "tiny-1",
    "source": {"kind": "folder"},
    "weights": "model.safetensors",
    "files": {},
    "weights_bytes": WEIGHTS_BYTES,
    "weights_dtype": "bf16",
    "architecture": {"layers": 4, "kv_heads": 2, "head_dim": 16, "context_length": 2048},
}

ENGINES = (
    ScriptedEngine("pytorch_baseline", ttft_ms=120.0, itl_ms=60.0, launch_spread=0.01, iteration_spread=0.005),
    ScriptedEngine("candle_cuda", ttft_ms=60.0, itl_ms=30.0, launch_spread=0.01, iteration_spread=0.005),
    ScriptedEngine("burn_cuda", unavailable="cargo <b>is</b> missing & so is nvcc"),
    ScriptedEngine(
        "pytorch_baseline_control",
        ttft_ms=120.0,
        itl_ms=60.0,
        launch_spread=0.01,
        iteration_spread=0.005,
        control_of="pytorch_baseline",
    ),
)
WORKLOADS = (
    ScriptedWorkload("latency_test", ((8, 11),), iterations=4),
    ScriptedWorkload("throughput_test", ((8, 21), (64, 21)), iterations=3),
)


def make_environment(**changes: Any) -> dict[str, Any]:
    """Content of environment.json of a small machine without a GPU."""
    environment: dict[str, Any] = {
        "schema_version": 1,
        "collected_at": NOW,
        "host": {"hostname": "scripted-host"},
        "operating_system": {"name": "Scripted Linux", "kernel": "6.1", "architecture": "x86_64", "c_library": "glibc"},
        "cpu": {
            "model": "Scripted Processor 9000",
            "microcode": "0x1",
            "physical_cores": 2,
            "logical_cores": 4,
            "smt": "on",
            "governor": "performance",
            "turbo": None,
            "flags": "avx2 fma",
        },
        "memory": {"total_bytes": 16_000_000_000, "swap_total_bytes": 0},
        "gpu": None,
        "virtualisation": {"virtual_machine": False, "container": None, "cloud_instance": None},
        "absent": {"cpu.turbo": "no cpufreq driver", "gpu": "no GPU: the library is not there"},
        "python": {"version": "3.11.7", "implementation": "CPython"},
        "workflow": {
            "git": {
                "commit": "c" * 40,
                "dirty": False,
                "changed_files": [],
                "remote": "https://example.org/runner.git",
            },
            "git_reason": None,
            "locks": [],
            "packages": [{"name": "numpy", "locked": "2.4.6", "installed": "2.4.6", "as_locked": True}],
        },
        "environment_variables": {"OPENBLAS_CORETYPE": "Zen"},
        "engines": [],
        "model": {
            "name": "scripted",
            "identity": "scripted-model-1",
            "source": {"kind": "folder"},
            "weights_bytes": WEIGHTS_BYTES,
            "files": {},
        },
    }
    return environment | changes


def report_arguments(folder: Path, engines: Sequence[ScriptedEngine]) -> list[str]:
    """What the stage that writes report.html is called with, for a results folder that finish has made."""
    analysis = folder / "analysis"
    files = {
        "plan": folder / "plan.json",
        "summary": folder / "summary.json",
        "statistics": analysis / "statistical_summary.json",
        "performance": analysis / "performance_analysis.json",
        "business": analysis / "business_recommendations.json",
        "iterations": analysis / "iterations.parquet",
        "samples": analysis / "metrics.parquet",
        "environment": folder / "environment.json",
        "reproduction": folder / "reproduction.md",
        "comprehensive": REPOSITORY / "config/comprehensive.yaml",
        "out": folder / "report.html",
    }
    each = {
        kind: [str(folder / kind_folder / f"{engine.name}.json") for engine in engines]
        for kind, kind_folder in (("raw", "raw_data"), ("fidelity", "fidelity"))
    }
    named = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    return [*named, *(part for name, paths in each.items() for part in (f"--{name}", *paths))]


def finish(
    folder: Path,
    engines: Sequence[ScriptedEngine] = ENGINES,
    workloads: Sequence[ScriptedWorkload] = WORKLOADS,
    *,
    environment: Mapping[str, Any] | None = None,
    business: Mapping[str, Any] | None = None,
    plots: bool = True,
    **options: Any,
) -> Path:
    """Write the whole results folder; options are those of records.make_raw_data. Returns the folder."""
    plan = write_results(folder, engines, workloads, **{"launches": 6, **options})
    plan["config"]["business"] = dict(business or {})
    plan_file = _write(folder / "plan.json", plan)
    manifest = _write(folder / "manifest.json", MANIFEST)
    environment_file = _write(folder / "environment.json", environment or make_environment())
    raw = ["--raw", *(str(folder / "raw_data" / f"{engine.name}.json") for engine in engines)]
    analysis = folder / "analysis"
    plan_flags = ["--plan", plan_file]
    statistics = ["--statistics", str(analysis / "statistical_summary.json")]
    iterations = ["--iterations", str(analysis / "iterations.parquet")]
    performance = str(analysis / "performance_analysis.json")
    business_file = str(analysis / "business_recommendations.json")
    known = [*plan_flags, *statistics, *iterations]
    assert performance_main([*known, "--manifest", manifest, "--out", performance]) == 0
    if plots:
        draw_plots(folder, statistics, performance, iterations, raw)
    judged = [*plan_flags, *statistics, "--environment", environment_file]
    catalogues = [
        "--prices",
        str(REPOSITORY / "config/prices.yaml"),
        "--facts",
        str(REPOSITORY / "config/engine_facts.yaml"),
    ]
    command = [
        *judged,
        "--performance",
        performance,
        "--manifest",
        manifest,
        *catalogues,
        "--now",
        NOW,
        "--out",
        business_file,
    ]
    assert business_main(command) == 0
    page = str(folder / "reproduction.md")
    assert reproduction.main([*judged, "--out", page, "--configuration", str(folder / "campaign.yaml")]) == 0
    write_logs(folder, engines)
    assert report_main(report_arguments(folder, engines)) == 0
    return folder


def write_logs(folder: Path, engines: Sequence[ScriptedEngine]) -> None:
    """Write both logs and the table of samples."""
    raw = ["--raw", *(str(folder / "raw_data" / f"{engine.name}.json") for engine in engines)]
    written = ["--benchmark-log", str(folder / "logs/benchmark.log")]
    written += ["--system-metrics-log", str(folder / "logs/system_metrics.log")]
    written += ["--samples", str(folder / "analysis/metrics.parquet")]
    assert logs.main(["--plan", str(folder / "plan.json"), *raw, *written]) == 0


def draw_plots(folder: Path, statistics: list[str], performance: str, iterations: list[str], raw: list[str]) -> None:
    """Write the four plots."""
    extra = {
        "gpu_utilization": (gpu.main, raw),
        "latency_comparison": (latency.main, ["--performance", performance, *iterations]),
        "memory_usage": (memory.main, ["--performance", performance]),
        "throughput_scaling": (throughput.main, ["--performance", performance, *iterations]),
    }
    for name, (stage, flags) in extra.items():
        picture = str(folder / "plots" / f"{name}.png")
        assert stage([*statistics, *flags, "--out", picture, "--svg", picture.replace(".png", ".svg")]) == 0


def read(folder: Path, name: str) -> Any:
    """Content of a JSON file of the results folder."""
    return json.loads((folder / name).read_text())


def _write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)
