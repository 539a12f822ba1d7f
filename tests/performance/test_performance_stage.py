"""Headline figures, ranking, phases and decode rates of scripted campaigns, worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmark_runner.performance.decode import bins, case_series, gap_matrix, launch_rates
from benchmark_runner.performance.ranking import choose_headline
from records import ScriptedEngine, ScriptedWorkload, make_plan, write_results

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, peak_rss_bytes=500_000_000, **SPREAD)
CONTROL = ScriptedEngine("torch_control", control_of="torch", **SPREAD)


def _performance(folder: Path, engines: list[ScriptedEngine], *workloads: ScriptedWorkload, **options: Any) -> Any:
    write_results(folder, engines, workloads or (ScriptedWorkload(),), **{"launches": 6, **options})
    return json.loads((folder / "analysis" / "performance_analysis.json").read_text())


def _headline(*names: str, **wanted: str) -> dict[str, Any]:
    workloads = [ScriptedWorkload(name, cases=((8, 11), (8, 21))) for name in names]
    plan = make_plan([TORCH], workloads, launches=1)
    plan["campaign"]["headline"] |= wanted
    return choose_headline(plan)


def test_the_headline_comes_from_the_workloads_of_those_names() -> None:
    found = _headline("other", "throughput_test", "latency_test")
    assert (found["latency"]["workload"], found["throughput"]["workload"]) == ("latency_test", "throughput_test")
    assert found["latency"]["choice_rule"] == "the workload called latency_test, its first test case of 2"
    assert found["latency"]["case"] == "case_1"


def test_the_configuration_may_choose_the_headline() -> None:
    found = _headline("latency_test", "other", latency_workload="other")
    assert found["latency"]["workload"] == "other"
    assert "benchmark.headline.latency_workload" in found["latency"]["choice_rule"]


def test_without_those_names_the_first_workload_is_the_headline() -> None:
    found = _headline("one", "two")
    assert (found["latency"]["workload"], found["throughput"]["workload"]) == ("one", "one")
    assert "first workload" in found["throughput"]["choice_rule"]


def test_speedup_is_the_baselines_latency_over_the_engines(tmp_path: Path) -> None:
    engines = [ScriptedEngine("torch"), ScriptedEngine("candle", ttft_ms=10.0, itl_ms=4.0)]
    matrix = _performance(tmp_path, engines)["comparison_matrix"]
    figures = {name: (one["latency_ms"], one["throughput"], one["speedup"]) for name, one in matrix.items()}
    # 20 + 10 * 10 = 120 ms and 10 + 10 * 4 = 50 ms for 11 tokens.
    assert figures["torch"] == (120.0, pytest.approx(11 / 0.120), 1.0)
    assert figures["candle"] == (50.0, pytest.approx(220.0), 2.4)


def test_a_fastest_engine_needs_a_sure_verdict_against_every_other(tmp_path: Path) -> None:
    third = ScriptedEngine("burn", ttft_ms=15.0, itl_ms=7.5, **SPREAD)
    found = _performance(tmp_path, [TORCH, CANDLE, third, CONTROL])
    assert found["fastest_engine"] == "candle"
    assert [(entry["engine"], entry["tied_with"]) for entry in found["ranking"]] == [
        ("candle", []),
        ("burn", []),
        ("torch", []),
    ]


def test_engines_that_the_data_do_not_separate_have_no_fastest(tmp_path: Path) -> None:
    twin = ScriptedEngine("burn", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
    found = _performance(tmp_path, [TORCH, CANDLE, twin, CONTROL])
    assert found["fastest_engine"] is None
    assert {found["fastest_candidate"], *found["not_separated_from_candidate"]} == {"burn", "candle"}
    ties = {entry["engine"]: entry["tied_with"] for entry in found["ranking"]}
    assert ties == {"burn": ["candle"], "candle": ["burn"], "torch": []}


def test_too_few_launches_name_no_fastest(tmp_path: Path) -> None:
    assert _performance(tmp_path, [TORCH, CANDLE], launches=3)["fastest_engine"] is None


def test_one_measured_engine_is_not_the_fastest(tmp_path: Path) -> None:
    found = _performance(tmp_path, [TORCH, ScriptedEngine("candle", unavailable="no cargo")])
    assert found["fastest_engine"] is None and found["not_separated_from_candidate"] == []
    assert found["unranked"] == [{"engine": "candle", "reason": "no cargo"}]
    assert found["comparison_matrix"]["candle"]["latency_ms"] is None
    assert found["comparison_matrix"]["candle"]["speedup"] is None


def test_an_engine_that_computes_something_else_is_shown_and_not_ranked(tmp_path: Path) -> None:
    wrong = ScriptedEngine("wrong", ttft_ms=1.0, itl_ms=0.5, fidelity="fail", **SPREAD)
    found = _performance(tmp_path, [TORCH, CANDLE, wrong])
    assert found["fastest_engine"] == "candle"
    assert found["best_throughput"]["engine"] == "candle"
    assert found["comparison_matrix"]["wrong"]["latency_ms"] < 10
    assert found["comparison_matrix"]["wrong"]["ranked"] is False
    assert "does not compute the same" in found["unranked"][0]["reason"]


def test_a_missing_baseline_leaves_no_speedup(tmp_path: Path) -> None:
    found = _performance(tmp_path, [ScriptedEngine("torch", unavailable="no wheel"), CANDLE])
    assert found["comparison_matrix"]["candle"]["speedup"] is None
    assert found["comparison_matrix"]["candle"]["latency_ms"] is not None


def test_nothing_measured_is_an_answer_too(tmp_path: Path) -> None:
    found = _performance(tmp_path, [ScriptedEngine("torch", unavailable="no wheel")])
    assert found["ranking"] == [] and found["fastest_candidate"] is None
    assert found["best_gpu_utilization_reason"] == "no launch was monitored"


def test_a_lead_of_the_size_of_the_controls_difference_leaves_no_fastest(tmp_path: Path) -> None:
    off = ScriptedEngine("torch_control", control_of="torch", ttft_ms=24.0, itl_ms=12.0, **SPREAD)
    near = ScriptedEngine("candle", ttft_ms=17.0, itl_ms=8.5, **SPREAD)
    assert _performance(tmp_path / "near", [TORCH, near, off])["fastest_engine"] is None
    assert _performance(tmp_path / "far", [TORCH, CANDLE, off])["fastest_engine"] == "candle"


def test_consistency_is_the_smaller_variation(tmp_path: Path) -> None:
    rough = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, launch_spread=0.05, iteration_spread=0.05)
    found = _performance(tmp_path, [TORCH, rough], ScriptedWorkload(iterations=10))
    assert found["most_consistent"]["engine"] == "torch"
    assert 0.005 < found["most_consistent"]["cv"] < 0.02


def test_gpu_utilisation_is_the_best_mean_or_null_with_its_reason(tmp_path: Path) -> None:
    on_gpu = [
        ScriptedEngine("torch", device="cuda:0", gpu_utilization_percent=40.0, **SPREAD),
        ScriptedEngine("candle", device="cuda:0", gpu_utilization_percent=90.0, **SPREAD),
    ]
    found = _performance(tmp_path / "gpu", on_gpu)
    assert found["best_gpu_utilization"] == {"engine": "candle", "percent": 90.0}
    assert found["memory"]["candle"]["peak_vram_bytes"] == 2e9
    on_cpu = _performance(tmp_path / "cpu", [TORCH, CANDLE])
    assert on_cpu["best_gpu_utilization"] is None
    assert on_cpu["best_gpu_utilization_reason"] == "no GPU"


def test_phases_share_the_time_of_a_request(tmp_path: Path) -> None:
    found = _performance(tmp_path, [ScriptedEngine("torch", load_ms=750.0)])["phases"]["torch"]
    assert found["load_ms"] == 750.0
    case = found["cases"][0]
    assert (case["prefill_ms"], case["decode_ms"]) == (20.0, 100.0)
    assert case["prefill_share"] == pytest.approx(1 / 6)
    assert case["decode_share"] == pytest.approx(5 / 6)


def test_memory_is_the_highest_that_a_launch_needed(tmp_path: Path) -> None:
    found = _performance(tmp_path, [TORCH, CANDLE])["memory"]["candle"]
    assert found["peak_rss_bytes"] == 500_000_000
    assert found["peak_vram_bytes"] is None and found["peak_vram_bytes_reason"] == "no GPU"
    assert found["weights_bytes"] is None and found["weights_bytes_reason"]


def test_decode_rates_by_position_are_those_of_the_script(tmp_path: Path) -> None:
    found = _performance(tmp_path, [ScriptedEngine("torch", itl_ms=8.0)])["decode_by_position"]
    assert [point["position"] for point in found] == [float(token) for token in range(2, 12)]
    assert {point["tokens_per_s"]["point"] for point in found} == {125.0}


def test_findings_are_about_what_was_compared(tmp_path: Path) -> None:
    found = _performance(tmp_path, [TORCH, CANDLE, CONTROL])["findings"]
    kinds = [one["kind"] for one in found]
    assert kinds == ["latency", "first_token", "decode", "throughput", "load", "memory"]
    assert all("torch_control" not in one["sentence"] for one in found)


def _lists(*gaps: list[float]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(gaps), pa.list_(pa.float64()))])


def test_answers_of_different_length_fill_the_matrix_from_the_left() -> None:
    matrix = gap_matrix(_lists([1.0, 2.0, 3.0], [], [4.0]), 3)
    assert matrix.shape == (3, 3)
    assert matrix[0].tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(matrix[1]).all() and matrix[2, 0] == 4.0 and np.isnan(matrix[2, 1:]).all()


def test_a_rate_is_the_median_over_iterations() -> None:
    matrix = gap_matrix(_lists([10.0, 20.0], [10.0, 40.0], [10.0]), 2)
    assert launch_rates(matrix, bins(2)).tolist() == [100.0, pytest.approx(1000 / 30)]


def test_long_answers_are_averaged_over_neighbouring_tokens() -> None:
    starts = bins(100, most=4)
    assert starts.tolist() == [0, 25, 50, 75]
    gaps = [10.0] * 25 + [20.0] * 75
    assert launch_rates(gap_matrix(_lists(gaps), 100), starts).tolist() == [100.0, 50.0, 50.0, 50.0]


def test_a_series_has_an_interval_over_launches() -> None:
    [point] = case_series([_lists([10.0]), _lists([12.5])], 1, 0.95)
    assert point["position"] == 2.0
    assert point["tokens_per_s"]["low"] < point["tokens_per_s"]["point"] < point["tokens_per_s"]["high"]
    assert point["tokens_per_s"]["point"] == pytest.approx(np.sqrt(100 * 80))


def test_one_token_answers_have_no_decode_rate() -> None:
    assert case_series([_lists([]), _lists([])], 0, 0.95) == []
