"""Times the analysis of 10^4, 10^5 and 10^6 iterations of 100 tokens each, stage by stage, with the memory it needs.

python benchmarks/analysis_scale/measure.py [--iterations 10000 100000 1000000]

The times that are analysed are made up here: only how long the analysis takes is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "tests")]

from records import ScriptedEngine, ScriptedWorkload, make_raw_data, record_path_of, write_inputs  # noqa: E402

TOKENS: Final = 100
LAUNCHES: Final = 10
ENGINES: Final = (ScriptedEngine("torch"), ScriptedEngine("candle"))
KIB: Final = 1024
USED: Final = "used, in s and KiB: "
RUNNER: Final = f"""
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print({USED!r}, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a command from a process that is small: what the starting one holds counts as memory of the started one."""
AIM: Final = "60 s and 2 GB for the whole analysis of 1000000 iterations, from records to performance_analysis.json"


@dataclass(frozen=True)
class Cost:
    """What a stage took; peak_bytes is that of its largest process."""

    wall_s: float
    cpu_s: float
    peak_bytes: int

    def __add__(self, other: Cost) -> Cost:
        peak = max(self.peak_bytes, other.peak_bytes)
        return Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s, peak)


def _iterations(count: int, rng: np.random.Generator, begin_ns: int) -> list[dict[str, Any]]:
    """Iterations of one launch that shares an effect: about 5 ms a token."""
    factor = float(np.exp(rng.normal(0.0, 0.02)))
    gaps_ns = (5e6 * factor * np.exp(rng.normal(0.0, 0.05, (count, TOKENS)))).astype(np.int64)
    ends_ns = begin_ns + np.cumsum(gaps_ns.sum(axis=1) + 1_000_000)
    starts_ns = ends_ns - gaps_ns.sum(axis=1)
    token_ns = starts_ns[:, None] + np.cumsum(gaps_ns, axis=1)
    ids = rng.integers(0, 49_152, (count, TOKENS))
    return [
        {
            "index": index,
            "warmup": False,
            "case": 0,
            "start_ns": int(starts_ns[index]),
            "token_ids": ids[index].tolist(),
            "token_ns": token_ns[index].tolist(),
            "end_ns": int(ends_ns[index]),
            "finish": "length",
        }
        for index in range(count)
    ]


def write_campaign(folder: Path, iterations: int) -> dict[str, list[Path]]:
    """Plan, fidelity files and records of a campaign of so many iterations in all; the records by engine."""
    rng = np.random.default_rng(1)
    each = iterations // (LAUNCHES * len(ENGINES))
    workload = replace(ScriptedWorkload(), cases=((8, TOKENS),), iterations=1)
    raw, plan = make_raw_data(ENGINES, (workload,), launches=LAUNCHES, output_dir=str(folder))
    write_inputs(folder, ENGINES, {name: {**content, "launches": []} for name, content in raw.items()}, plan)
    paths: dict[str, list[Path]] = {}
    for name, content in raw.items():
        for record in content["launches"]:
            path = record_path_of(folder, record)
            path.parent.mkdir(parents=True)
            spec = {**record["spec"], "warmup_iterations": 0, "iterations": each}
            measured = _iterations(each, rng, record["load"]["end_ns"])
            path.write_text(json.dumps({**record, "spec": spec, "iterations": measured}))
            paths.setdefault(name, []).append(path)
    return paths


def run(module: str, *jobs: Sequence[str | Path]) -> Cost:
    """What one command of the library took, run with each of these arguments, at once as many as there are cores."""
    begin = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        costs = list(pool.map(partial(_cost_of, module), jobs))
    return replace(sum(costs, start=Cost(0.0, 0.0, 0)), wall_s=time.monotonic() - begin)


def _cost_of(module: str, arguments: Sequence[str | Path]) -> Cost:
    """Computing and memory of one command."""
    command = [sys.executable, "-m", f"benchmark_runner.{module}", *map(str, arguments)]
    return used(command, {**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow" / "scripts")})[0]


def used(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Computing and memory of a command, and what it said; it must end well."""
    asked = [sys.executable, "-I", "-S", "-c", RUNNER, *command]
    done = subprocess.run(
        asked, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    words, _, told = done.stdout.rpartition(USED)
    if done.returncode or not told:
        raise SystemExit(f"error: {' '.join(command)[:500]} ended with status {done.returncode}: {words[-2000:]}")
    cpu_s, peak_kib = map(float, told.split())
    return Cost(0.0, cpu_s, int(peak_kib) * KIB), words


def stages(folder: Path, engines: Sequence[str]) -> Iterator[tuple[str, Cost]]:
    """Each stage from records to verdicts, in order, with what it took; then what else reads iterations."""
    plan, analysis = folder / "plan.json", folder / "analysis"
    table, statistics = analysis / "iterations.parquet", analysis / "statistical_summary.json"
    raw = [folder / "raw_data" / f"{name}.json" for name in engines]
    fidelity = [folder / "fidelity" / f"{name}.json" for name in engines]
    collecting = [
        [
            "--plan",
            plan,
            "--engine",
            name,
            "--fidelity",
            checked,
            "--out",
            out,
            "--launches",
            folder / "launches" / name,
        ]
        for name, out, checked in zip(engines, raw, fidelity, strict=True)
    ]
    yield "collect", run("records.collect", *collecting)
    yield "iterations", run("records.tabulate", ["--raw", *raw, "--outlier-threshold", "2", "--out", table])
    measured = ["--plan", plan, "--iterations", table]
    looks = folder / "looks.json"
    said = ["--raw", *raw, "--fidelity", *fidelity, "--looks", looks, "--out", statistics]
    yield "statistics", run("statistics", [*measured, *said])
    judged = ["--statistics", statistics, "--out", analysis / "performance_analysis.json"]
    yield "performance", run("performance", [*measured, *judged])
    logs = ["--benchmark-log", folder / "benchmark.log", "--system-metrics-log", folder / "system_metrics.log"]
    logs += ["--samples", folder / "metrics.parquet"]
    yield "logs", run("report.logs", ["--plan", plan, "--raw", *raw, *logs])
    drawn = ["--statistics", statistics, "--iterations", table]
    drawn += ["--performance", analysis / "performance_analysis.json", "--svg", folder / "plot.svg"]
    yield "plot latency", run("plots.latency", [*drawn, "--out", folder / "latency.png"])
    yield "plot throughput", run("plots.throughput", [*drawn, "--out", folder / "throughput.png"])


def measure(iterations: int, place: Path | None) -> None:
    """Print what the stages took for this many iterations."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        records = write_campaign(folder, iterations)
        size = sum(path.stat().st_size for paths in records.values() for path in paths)
        print(f"{iterations} iterations of {TOKENS} tokens, {size / 1e6:.0f} MB of records")
        costs = dict(stages(folder, list(records)))
    costs["the table's analysis"] = costs["statistics"] + costs["performance"]
    costs["all"] = costs["collect"] + costs["iterations"] + costs["the table's analysis"]
    for stage, cost in costs.items():
        print(f"  {stage:<22}{cost.wall_s:8.1f} s{cost.cpu_s:8.1f} s of CPU{cost.peak_bytes / 1e9:8.2f} GB at most")


def main(argv: Sequence[str]) -> int:
    """Measure each size in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--place", type=Path, help="folder for the files; 10^6 iterations take 6 GB")
    arguments = parser.parse_args(argv)
    print(f"aim: {AIM}")
    for iterations in arguments.iterations:
        measure(iterations, arguments.place)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
