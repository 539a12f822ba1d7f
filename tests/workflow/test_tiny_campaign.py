"""The delays that the scripted engine was told come out of every file exactly as arithmetic says."""

from __future__ import annotations

import itertools
import math
import re

import pandas as pd
import pytest

from benchmark_runner.jsonio import read_json
from tiny_campaign import FACTORS, PREFILL_MS, TOKEN_MS, fake

pytestmark = pytest.mark.workflow

TOKENS = {"latency_test": 11, "throughput_test": 21}
PLOTS = ("latency_comparison", "throughput_scaling", "memory_usage", "gpu_utilization")
ENGINES = ("slow", "fast", "slow_control")


def factor(engine: str) -> float:
    """Geometric mean of the launches' factors: what is left of them in a figure over all launches."""
    logs = [math.log(value) for value in FACTORS[engine.removesuffix("_control")]]
    return math.exp(sum(logs) / len(logs))


def end_to_end_ms(engine: str, workload: str) -> float:
    name = engine.removesuffix("_control")
    return (PREFILL_MS[name] + (TOKENS[workload] - 1) * TOKEN_MS[name]) * factor(engine)


def test_every_file_of_the_output_tree_is_there(finished):
    wanted = [
        *("summary.json", "report.html", "comparison_table.md", "plan.json", "environment.json", "reproduction.md"),
        *(f"raw_data/{engine}.json" for engine in ENGINES),
        *(f"fidelity/{engine}.json" for engine in ENGINES),
        *(f"analysis/{name}.json" for name in ("statistical_summary", "performance_analysis")),
        "analysis/business_recommendations.json",
        *(f"plots/{name}.{kind}" for name in PLOTS for kind in ("png", "svg")),
        *("analysis/metrics.parquet", "logs/benchmark.log", "logs/system_metrics.log"),
    ]
    assert [name for name in wanted if not (finished.out / name).stat().st_size] == []
    launches = list((finished.out / "launches").glob("*/*/*/record.json"))
    assert len(launches) == 30
    for name in ("events.jsonl", "metrics.jsonl", "engine.log"):
        assert all((launch.parent / name).is_file() for launch in launches)


def test_summary_holds_the_scripted_latency_throughput_and_speedup(finished):
    summary = read_json(finished.out / "summary.json")
    assert list(summary["comparison_matrix"]) == ["slow", "fast"]
    for engine, row in summary["comparison_matrix"].items():
        assert row["latency_ms"] == pytest.approx(end_to_end_ms(engine, "latency_test"), abs=1e-5)
        per_second = 1000 * TOKENS["throughput_test"] / end_to_end_ms(engine, "throughput_test")
        assert row["throughput"] == pytest.approx(per_second, rel=1e-6)
    assert summary["comparison_matrix"]["slow"]["speedup"] == 1.0
    assert summary["comparison_matrix"]["fast"]["speedup"] == pytest.approx(
        2 * factor("slow") / factor("fast"), rel=1e-6
    )
    assert summary["summary"]["fastest_engine"] == "fast"
    assert summary["summary"]["best_latency_ms"] == pytest.approx(28.0 * factor("fast"), abs=1e-5)
    assert summary["summary"]["best_gpu_utilization"] is None


def test_the_ratio_is_the_geometric_mean_over_blocks(finished):
    statistics = read_json(finished.out / "analysis" / "statistical_summary.json")
    (pair,) = [
        comparison
        for comparison in statistics["comparisons"]
        if comparison["kind"] == "primary" and comparison["workload"] == "latency_test"
    ]
    logs = [math.log(2.0 * slow / fast) for slow, fast in zip(FACTORS["slow"], FACTORS["fast"], strict=True)]
    wanted = math.exp(sum(logs) / len(logs))
    point = pair["ratio"]["point"]
    assert (point if pair["engine"] == "fast" else 1 / point) == pytest.approx(wanted, rel=1e-6)
    assert pair["faster"] == "fast"
    assert pair["verdict"] == "meaningfully_faster"


def test_the_control_does_not_differ_from_its_twin(finished):
    statistics = read_json(finished.out / "analysis" / "statistical_summary.json")
    verdicts = [row["differs"] for row in statistics["control"]["cells"]]
    assert verdicts
    assert not any(verdicts)


def test_iterations_hold_the_scripted_times_of_each_launch(finished):
    table = pd.read_parquet(finished.out / "analysis" / "iterations.parquet")
    assert len(table) == 3 * 5 * (2 + 1) + 3 * 5 * 2
    row = table[(table.engine == "fast") & (table.workload == "latency_test") & ~table.warmup & (table.block == 4)]
    assert row.ttft_ms.tolist() == pytest.approx([8 * 0.98] * 2, abs=1e-5)
    assert row.tpot_ms.tolist() == pytest.approx([2 * 0.98] * 2, abs=1e-5)


def test_the_comparison_table_shows_the_same_numbers(finished):
    text = (finished.out / "comparison_table.md").read_text(encoding="utf-8")
    assert re.search(r"\| *fast *\|.*28\.0", text)
    assert re.search(r"\| *slow *\|.*56\.0", text)


def test_an_engine_without_its_program_is_unavailable_and_the_others_get_their_answer(campaign):
    campaign.config["analysis"] = {"generate_plots": False}
    campaign.config["benchmark"]["launches"] = 1
    campaign.config["engines"].append({"name": "lm_rs", "binary_path": "./target/release/lm-rs-bench"})
    result = campaign.snakemake("--quiet", "rules", "progress", "host", "reason")
    assert result.status == 0, result.words
    assert "[8/8]" in result.words
    assert re.search(r"lm_rs · \w+ · block 1: unavailable: ", result.words)
    assert "The report: results/tiny/report.html" in result.words
    summary = read_json(campaign.out / "summary.json")
    assert summary["comparison_matrix"]["lm_rs"]["latency_ms"] is None
    assert summary["comparison_matrix"]["fast"]["latency_ms"] > 0
    assert "lm_rs" in (campaign.out / "logs" / "benchmark.log").read_text(encoding="utf-8")


def test_engines_that_tell_other_settings_are_compared_with_a_footnote(campaign):
    campaign.config["benchmark"] |= {"launches": 1, "control": False}
    campaign.config["analysis"] = {"generate_plots": False}
    campaign.config["workloads"] = campaign.config["workloads"][:1]
    told = {"kv_cache_dtype": "f16", "simd": "avx2", "compiled_graph": True}
    campaign.config["engines"] = [fake("slow", loaded={"simd": "avx512"}), fake("fast", loaded=told)]
    result = campaign.snakemake()
    assert result.status == 0, result.words
    record = read_json(next((campaign.out / "launches" / "fast").glob("*/1/record.json")))
    assert {name: record["load"][name] for name in told} == told
    (pair,) = [
        comparison
        for comparison in read_json(campaign.out / "analysis" / "statistical_summary.json")["comparisons"]
        if comparison["kind"] == "primary"
    ]
    # An idle engine's threads are those that the monitor happens to see, so they are left out here.
    differing = {entry["label"]: (entry["engine"], entry["reference"]) for entry in pair["settings"]}
    differing.pop("threads", None)
    assert differing == {"KV cache": ("f16", "f32"), "SIMD": ("avx2", "avx512"), "compiled graph": (True, False)}
    note = "KV cache f16 / f32, SIMD avx2 / avx512, compiled graph yes / no"
    assert note in (campaign.out / "report.html").read_text(encoding="utf-8")
    table = (campaign.out / "comparison_table.md").read_text(encoding="utf-8")
    assert note in table
    assert "| compiled graph * | no | yes |" in table


def test_a_second_run_does_nothing(finished):
    result = finished.snakemake()
    assert result.status == 0
    assert "Nothing to be done" in result.words


def test_launches_follow_the_order_of_the_plan(finished):
    plan = read_json(finished.out / "plan.json")
    started = [read_json(finished.folder / row["folder"] / "record.json")["started_ns"] for row in plan["order"]]
    assert started == sorted(started)


def test_launches_never_overlap(finished):
    plan = read_json(finished.out / "plan.json")
    records = [read_json(finished.folder / row["folder"] / "record.json") for row in plan["order"]]
    assert all(first["ended_ns"] <= second["started_ns"] for first, second in itertools.pairwise(records))


def test_snakemake_looks_for_the_next_job_only_when_one_has_ended(campaign):
    campaign.config["benchmark"]["launches"] = 2
    # Its limit of jobs a second has it look once a second for each job that has ended, beside the engine measured.
    words = campaign.snakemake("launches", "--verbose").words
    ended, looks = words.count("Finished jobid"), words.count("Ready jobs: ")
    assert ended > 12
    assert looks <= ended + 1
