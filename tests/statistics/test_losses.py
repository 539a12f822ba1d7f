"""Launches that an engine lost are told in its verdicts and take it out of the first place, whatever ended them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark_runner.statistics.losses import hidden, reason_words
from benchmark_runner.summary.answer import in_words
from records import ScriptedEngine, ScriptedWorkload, write_results

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
BURN = ScriptedEngine("burn", ttft_ms=15.0, itl_ms=7.5, **SPREAD)
LATENCY, THROUGHPUT = ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test")


def _lossy(statuses: dict[tuple[str, int], str], name: str = "candle", **options: Any) -> ScriptedEngine:
    return ScriptedEngine(name, statuses=statuses, **{"ttft_ms": 10.0, "itl_ms": 5.0, **SPREAD, **options})


def _results(folder: Path, engines: list[ScriptedEngine], *workloads: ScriptedWorkload) -> tuple[Any, Any, Any]:
    """(comparisons, performance, summary) of eight launches."""
    write_results(folder, engines, workloads or (LATENCY,), launches=8)
    files = ("analysis/statistical_summary.json", "analysis/performance_analysis.json", "summary.json")
    statistics, performance, summary = (json.loads((folder / name).read_text()) for name in files)
    return statistics["comparisons"], performance, summary["summary"]


def _primary(comparisons: Any, engine: str, reference: str, workload: str = "latency_test") -> Any:
    return next(
        one
        for one in comparisons
        if (one["kind"], one["engine"], one["reference"], one["workload"]) == ("primary", engine, reference, workload)
    )


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (("failed",) * 3, "failed in 3 of 8 launches"),
        (("timeout",) * 2, "lost 2 of 8 launches (2 timed out)"),
        (("memory_limit",), "lost 1 of 8 launches (1 ran into the memory limit)"),
        (("unavailable",) * 2, "lost 2 of 8 launches (2 could not start)"),
        (("timeout", "failed", "timeout"), "lost 3 of 8 launches (2 timed out, 1 failed)"),
        (("thermal_limit", "interrupted"), "lost 2 of 8 launches (1 ended for heat, 1 interrupted)"),
    ],
)
def test_an_engine_that_lost_launches_is_told_so_in_verdict_and_answer(
    tmp_path: Path, statuses: tuple[str, ...], words: str
) -> None:
    lost = {("latency_test", 2 * number): status for number, status in enumerate(statuses, start=1)}
    comparisons, performance, summary = _results(tmp_path, [TORCH, _lossy(lost)])
    one = _primary(comparisons, "candle", "torch")
    assert one["verdict"] == "meaningfully_faster" and "lost_launches" in one["qualifiers"]
    assert f"candle {words}" in one["sentence"] and f"candle {words}" in summary["recommendation"]
    assert summary["fastest_engine"] is None and summary["best_latency_engine"] == "torch"
    assert [entry["engine"] for entry in performance["ranking"]] == ["torch", "candle"]
    assert [entry["lost_launches"] for entry in performance["ranking"]] == [None, words]
    assert performance["advice"][0]["engine"] is None and f"candle {words}" in performance["advice"][0]["sentence"]
    terminal = in_words(json.loads((tmp_path / "summary.json").read_text()), tmp_path / "report.html")
    assert words in next(line for line in terminal.splitlines() if line.startswith("  candle"))


def test_survivors_are_not_confirmed_by_what_their_lost_launches_may_hide(tmp_path: Path) -> None:
    """candle is 2 % faster where it survived; that its slower half is missing would make as much of a difference."""
    lost = {("latency_test", block): "timeout" for block in (1, 3, 5, 8)}
    slightly = {"ttft_ms": 20 / 1.02, "itl_ms": 10 / 1.02}
    kept, _, _ = _results(tmp_path / "kept", [TORCH, _lossy({}, **slightly), BURN])
    assert _primary(kept, "candle", "torch")["verdict"] == "confirmed_faster"
    comparisons, _, _ = _results(tmp_path / "lost", [TORCH, _lossy(lost, **slightly), BURN])
    one = _primary(comparisons, "candle", "torch")
    assert one["verdict"] not in ("confirmed_faster", "meaningfully_faster", "equivalent")
    assert one["loss_allowance"] > 0.003 and "lost 4 of 8 launches" in one["sentence"]
    assert _primary(comparisons, "burn", "torch")["loss_allowance"] == 0.0


def test_what_the_worst_that_are_missing_hide_is_the_mean_of_a_cut_normal_distribution() -> None:
    assert hidden(0.5) == pytest.approx(2 / math.sqrt(2 * math.pi))
    values = np.sort(np.random.default_rng(1).standard_normal(200_000))[: 200_000 * 4 // 5]
    assert hidden(0.2) == pytest.approx(-float(values.mean()), abs=0.01)
    assert hidden(0.0) == hidden(1.0) == 0.0


def test_the_fastest_is_found_among_those_that_lost_nothing(tmp_path: Path) -> None:
    comparisons, performance, summary = _results(tmp_path, [TORCH, BURN, _lossy({("latency_test", 4): "failed"})])
    assert (summary["fastest_engine"], summary["best_throughput_engine"]) == ("burn", "burn")
    assert [entry["engine"] for entry in performance["ranking"]] == ["burn", "torch", "candle"]
    assert "lost_launches" not in _primary(comparisons, "burn", "torch")["qualifiers"]
    assert "candle failed in 1 of 8 launches, so it ranks behind" in summary["recommendation"]
    assert "although in latency_test, in launches that ended well, candle answers" in summary["recommendation"]


def test_losses_in_one_workload_qualify_its_verdicts_and_cost_the_first_place_everywhere(tmp_path: Path) -> None:
    lossy = _lossy({("throughput_test", 1): "failed", ("throughput_test", 2): "failed"})
    comparisons, _, summary = _results(tmp_path, [TORCH, lossy, BURN], LATENCY, THROUGHPUT)
    qualified = {
        workload: _primary(comparisons, "candle", "torch", workload)["qualifiers"]
        for workload in ("latency_test", "throughput_test")
    }
    assert "lost_launches" not in qualified["latency_test"] and "lost_launches" in qualified["throughput_test"]
    assert summary["fastest_engine"] == "burn"
    assert "candle failed in 2 of 8 launches in throughput_test, so it ranks behind" in summary["recommendation"]


def test_a_ranking_counts_the_launches_of_its_workload_and_what_is_not_sure_those_of_each(tmp_path: Path) -> None:
    lossy = _lossy({("latency_test", 3): "timeout", ("throughput_test", 1): "failed", ("throughput_test", 2): "failed"})
    _, performance, _ = _results(tmp_path, [TORCH, lossy, BURN], LATENCY, THROUGHPUT)
    here, there = "lost 1 of 8 launches (1 timed out)", "failed in 2 of 8 launches"
    rows = [
        next(row for row in one["engines"] if row["engine"] == "candle") for one in performance["answer"]["workloads"]
    ]
    assert [row["reason"] for row in rows] == [here, there]
    assert performance["ranking"][-1]["lost_launches"] == here
    assert performance["comparison_matrix"]["candle"]["lost_launches"] == here
    told = f"candle {here} in latency_test and {there} in throughput_test, so it ranks behind"
    assert told in performance["answer"]["not_sure"]


def test_a_baseline_that_lost_launches_is_no_measure_that_goes_unsaid(tmp_path: Path) -> None:
    baseline = _lossy({("latency_test", 3): "timeout"}, "torch", ttft_ms=20.0, itl_ms=10.0)
    fast = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
    comparisons, performance, summary = _results(tmp_path, [baseline, BURN, fast])
    assert summary["fastest_engine"] == "candle" and performance["ranking"][-1]["engine"] == "torch"
    assert "torch lost 1 of 8 launches (1 timed out)" in _primary(comparisons, "burn", "torch")["sentence"]
    assert "torch lost 1 of 8 launches (1 timed out), so it ranks behind" in summary["recommendation"]


def test_a_control_that_lost_launches_changes_no_rank(tmp_path: Path) -> None:
    control = ScriptedEngine("torch_control", control_of="torch", statuses={("latency_test", 2): "failed"}, **SPREAD)
    comparisons, _, summary = _results(tmp_path, [TORCH, BURN, control])
    assert summary["fastest_engine"] == "burn"
    own = next(one for one in comparisons if one["kind"] == "control")
    assert "lost_launches" in own["qualifiers"] and "torch_control failed in 1 of 8 launches" in own["sentence"]


def test_an_engine_without_a_launch_to_show_says_why_there_is_no_verdict(tmp_path: Path) -> None:
    lost = {("latency_test", block): "failed" for block in range(1, 9)}
    comparisons, _, summary = _results(tmp_path, [TORCH, BURN, _lossy(lost)])
    assert "candle failed in 8 of 8 launches" in _primary(comparisons, "candle", "torch")["sentence"]
    assert summary["fastest_engine"] == "burn" and "candle was not measured (failed)" in summary["recommendation"]


def test_reasons_of_lost_launches_stand_once_each_with_their_number_by_workload(tmp_path: Path) -> None:
    lost = dict.fromkeys([("latency_test", block) for block in range(1, 9)], "failed")
    lost |= {("latency_test", 8): "timeout", ("throughput_test", 2): "failed"}
    _, performance, _ = _results(tmp_path, [TORCH, BURN, _lossy(lost)], LATENCY, THROUGHPUT)
    here = (
        "8 of 8 launches did not end ok: scripted to end as failed (7 launches), scripted to end as timeout (1 launch)"
    )
    there = "1 of 8 launches did not end ok: scripted to end as failed"
    entry = json.loads((tmp_path / "analysis/statistical_summary.json").read_text())["engines"][2]
    assert entry["reason"] == f"in latency_test: {here}; in throughput_test: {there}"
    assert entry["lost_in"] == {"latency_test": here, "throughput_test": there}
    assert f"candle is left out in latency_test: {here}." in performance["answer"]["sentence"]
    assert f"candle: no measurement, since {here}" in (tmp_path / "comparison_table.md").read_text()


def test_of_many_reasons_the_most_frequent_are_told_and_the_others_counted() -> None:
    reasons = ["a"] * 3 + ["b"] * 2 + ["c", "d", "e"]
    launches = [SimpleNamespace(record={"reason": reason}, status="failed") for reason in reasons]
    assert reason_words(launches) == "a (3 launches), b (2 launches), c (1 launch), 2 further reasons (2 launches)"


def test_what_is_not_sure_names_an_engine_that_lost_launches(tmp_path: Path) -> None:
    _, performance, _ = _results(tmp_path, [TORCH, BURN, _lossy({("latency_test", 2): "failed"})])
    told = "candle failed in 1 of 8 launches in latency_test, so it ranks behind engines that lost none"
    assert told in performance["answer"]["not_sure"]
