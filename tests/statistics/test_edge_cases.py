"""Samples that cannot answer, through the whole stage: 0 to 2 launches, no spread, ties, complete separation, crashes.

Nothing raises, warns (pytest turns warnings into errors) or claims, whichever of the five significance tests is asked:
a summary holds the verdict of each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.statistics.estimates import LARGEST_LOG
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs, write_results

SILENT = {"untestable", "inconclusive"}
ROUNDS = 4
SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
CONTROL = ScriptedEngine("torch_control", control_of="torch", **SPREAD)


def _read(folder: Path) -> dict[str, Any]:
    text = (folder / "analysis" / "statistical_summary.json").read_text()
    assert "NaN" not in text and "Infinity" not in text
    content: dict[str, Any] = json.loads(text)
    return content


def _summary(folder: Path, engines: list[ScriptedEngine], **options: Any) -> dict[str, Any]:
    write_results(folder, engines, **options)
    return _read(folder)


def _scripted(name: str, factors: Mapping[int, float], **options: Any) -> ScriptedEngine:
    """An engine whose launches take exactly these multiples of its scripted times, by block."""
    slow = {(block, index): factor for block, factor in factors.items() for index in range(ROUNDS)}
    return ScriptedEngine(name, slow_iterations=slow, **options)


def _by_block(*factors: float) -> dict[int, float]:
    return dict(enumerate(factors, start=1))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def _timed(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Comparisons of end-to-end latency, which all of a verdict's words are about."""
    return [one for one in summary["comparisons"] if one["metric"] == "e2e_ms"]


def _only(summary: dict[str, Any]) -> dict[str, Any]:
    (one,) = [one for one in _timed(summary) if one["kind"] == "primary"]
    return one


def assert_no_claim(folder: Path, summary: dict[str, Any]) -> None:
    """No verdict anywhere, whatever the metric, family, test or what is left out; none names a faster engine."""
    assert summary["comparisons"]
    judged = [node for node in _nodes(summary) if "verdict" in node]
    assert {node["verdict"] for node in judged} <= SILENT
    assert {node.get("faster") for node in judged} == {None}
    assert all(len(one["sensitivity"]["other_tests"]) == 4 for one in _timed(summary) if one["ratio"])
    assert json.loads((folder / "summary.json").read_text())["summary"]["fastest_engine"] is None


@pytest.mark.parametrize("launches", [0, 1, 2])
def test_fewer_than_three_launches_claim_nothing(tmp_path: Path, launches: int) -> None:
    failing = {("latency_test", block): "failed" for block in range(launches + 1, 5)}
    engines = [
        ScriptedEngine(one.name, one.ttft_ms, one.itl_ms, control_of=one.control_of, statuses=failing, **SPREAD)
        for one in (TORCH, CANDLE, CONTROL)
    ]
    summary = _summary(tmp_path, engines, launches=4)
    assert_no_claim(tmp_path, summary)
    assert {one["verdict"] for one in summary["comparisons"]} == {"untestable"}
    assert (_only(summary)["ratio"] is None) == (launches < 2)
    assert _only(summary)["reason"]


def test_a_campaign_of_no_launches_claims_nothing(tmp_path: Path) -> None:
    raw, plan = make_raw_data([TORCH, CANDLE], launches=3, output_dir=str(tmp_path))
    for content in raw.values():
        content["launches"] = []
    write_inputs(tmp_path, [TORCH, CANDLE], raw, plan)
    run_analysis(tmp_path, [TORCH, CANDLE], plan)
    assert_no_claim(tmp_path, _read(tmp_path))


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_engines_that_never_vary_claim_nothing_equal_or_not(tmp_path: Path, factor: float) -> None:
    engines = [ScriptedEngine("torch"), ScriptedEngine("candle", ttft_ms=20.0 * factor, itl_ms=10.0 * factor)]
    summary = _summary(tmp_path, engines, launches=10)
    assert_no_claim(tmp_path, summary)
    one = _only(summary)
    assert one["verdict"] == "untestable" and "do not vary" in one["reason"]
    assert one["ratio"]["point"] == 1.0 / factor


def test_ties_in_every_block_claim_nothing(tmp_path: Path) -> None:
    """Both engines take the same times, which change from launch to launch."""
    factors = _by_block(1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8, 1.1)
    summary = _summary(tmp_path, [_scripted("torch", factors), _scripted("candle", factors)], launches=8)
    one = _only(summary)
    assert one["ratio"]["point"] == 1.0
    assert_no_claim(tmp_path, summary)


def test_the_same_two_times_in_another_order_claim_nothing(tmp_path: Path) -> None:
    torch = _scripted("torch", _by_block(1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 1.0, 1.1))
    candle = _scripted("candle", _by_block(1.1, 1.0, 1.0, 1.1, 1.1, 1.0, 1.0, 1.1))
    summary = _summary(tmp_path, [torch, candle], launches=8)
    assert_no_claim(tmp_path, summary)
    one = _only(summary)
    assert one["verdict"] == "inconclusive"
    assert one["tests"]["mann_whitney_u"]["p"] == 1.0 and one["cliffs_delta"] == 0.0


def test_one_engine_that_never_varies_is_compared_by_the_others_spread(tmp_path: Path) -> None:
    still, near = ScriptedEngine("torch"), _scripted("candle", _by_block(0.9, 1.1, 0.95, 1.05, 1.1, 0.9))
    summary = _summary(tmp_path, [still, near], launches=6)
    assert_no_claim(tmp_path, summary)
    assert _only(summary)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("scheme", "fewest"),
    [("moderated_t", 5), ("mann_whitney_u", 4), ("permutation", 6), ("paired_t", 3), ("welch_t", 3)],
)
def test_complete_separation_is_believed_from_the_fewest_launches_on(tmp_path: Path, scheme: str, fewest: int) -> None:
    """At 0.04, which a first look may spend: 2 of C(8, 4) = 70 orders, 2 of 2^6 signs; a t test has no such limit, but
    two launches are no sample, and the moderated one keeps its error from five on."""
    asked = {"analysis": {"significance_test": scheme}}
    short = _summary(tmp_path / "short", [TORCH, CANDLE], launches=fewest - 1, **asked)
    assert {one["verdict"] for one in short["comparisons"]} == {"untestable"}
    assert "too few launches" in _only(short)["reason"]
    enough = _only(_summary(tmp_path / "enough", [TORCH, CANDLE], launches=fewest, **asked))
    assert (enough["verdict"], enough["faster"]) == ("meaningfully_faster", "candle")
    assert enough["cliffs_delta"] == 1.0


def test_fast_launches_with_one_slow_one_among_them_claim_nothing(tmp_path: Path) -> None:
    """Three launches are 5 % faster, the fourth is ten times as slow."""
    torch = _scripted("torch", _by_block(1.0, 1.001, 0.999, 1.0))
    candle = _scripted("candle", _by_block(0.95, 0.951, 0.949, 10.0))
    summary = _summary(tmp_path, [torch, candle], launches=4)
    assert_no_claim(tmp_path, summary)


def test_crashed_launches_leave_too_few_to_claim_anything(tmp_path: Path) -> None:
    crashes = {("latency_test", block): status for block, status in enumerate(("failed", "timeout", "failed"), start=2)}
    broken = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, statuses=crashes, **SPREAD)
    summary = _summary(tmp_path, [TORCH, broken], launches=5)
    assert_no_claim(tmp_path, summary)
    assert _only(summary)["launches"] == {"engine": 2, "reference": 2, "blocks": 2}


def test_times_of_a_launch_that_crashed_halfway_are_not_used(tmp_path: Path) -> None:
    """Without the crash candle would be called faster; the launch that crashed was its only fast one."""
    folders = [tmp_path / name for name in ("whole", "crashed")]
    found = []
    for folder, status in zip(folders, ("ok", "failed"), strict=True):
        candle = _scripted("candle", _by_block(1.0, 1.02, 0.5, 0.98, 1.01))
        raw, plan = make_raw_data([TORCH, candle], launches=5, output_dir=str(folder))
        raw["candle"]["launches"][2] |= {"status": status, "reason": "it died", "remedy": "Mend it"}
        write_inputs(folder, [TORCH, candle], raw, plan)
        run_analysis(folder, [TORCH, candle], plan)
        found.append(_read(folder))
    medians = [
        next(cell for cell in one["cells"] if cell["engine"] == "candle" and cell["case"])["metrics"]["e2e_ms"]
        for one in found
    ]
    assert [one["min"] for one in medians] == [60.0, pytest.approx(117.6)]
    assert _only(found[1])["launches"] == {"engine": 4, "reference": 4, "blocks": 4}
    assert_no_claim(folders[1], found[1])


def test_two_launches_that_disagree_wildly_claim_nothing_in_a_large_family(tmp_path: Path) -> None:
    """Their interval at the level of twelve comparisons ends beyond what a double holds."""
    workload = ScriptedWorkload(iterations=ROUNDS, cases=((8, 11),) * 12)
    engines = [ScriptedEngine("torch"), _scripted("candle", _by_block(1.0, 1e-4))]
    summary = _summary(tmp_path, engines, launches=2, workloads=[workload])
    assert_no_claim(tmp_path, summary)
    assert _timed(summary)[0]["simultaneous"]["high"] == math.exp(LARGEST_LOG)


def test_times_and_counters_of_0_have_no_ratio_and_no_verdict(tmp_path: Path) -> None:
    none: dict[str, Any] = {"ttft_ms": 0.0, "peak_rss_bytes": 0, "measured_joules": 0.0, "load_ms": 0.0}
    engines = [ScriptedEngine("torch", **none, **SPREAD), ScriptedEngine("candle", itl_ms=5.0, **none, **SPREAD)]
    summary = _summary(tmp_path, engines, launches=6)
    zero = {"ttft_ms", "peak_rss_bytes", "energy_joules_per_token", "load_ms"}
    found = [one for one in summary["comparisons"] if one["metric"] in zero]
    assert {one["metric"] for one in found} == zero
    assert {one["verdict"] for one in found} == {"untestable"}
    assert all("not positive" in one["reason"] for one in found)
    assert _only(summary)["verdict"] == "meaningfully_faster"


@pytest.mark.parametrize("threshold", [1e-9, 0.05])
@pytest.mark.parametrize("remove", [True, False])
def test_a_threshold_that_flags_everything_leaves_all_figures_with_all_iterations(
    tmp_path: Path, threshold: float, remove: bool
) -> None:
    settings = {"outlier_threshold": threshold, "remove_outliers": remove}
    summary = _summary(tmp_path, [TORCH, CANDLE], launches=6, analysis=settings)
    cell = next(one for one in summary["cells"] if one["case"])["metrics"]["e2e_ms"]
    assert cell["outliers"]["flagged"] == cell["outliers"]["of"] == 6 * ROUNDS
    assert cell["without_outliers"] is None and "flags every iteration" in cell["undefined"]["without_outliers"]
    one = _only(summary)
    assert (one["verdict"], one["faster"]) == ("meaningfully_faster", "candle")
    assert "flags every iteration" in one["sensitivity"]["without_outliers"]["reason"]
    assert "outlier_sensitive" in one["qualifiers"]
    matrix = json.loads((tmp_path / "summary.json").read_text())["comparison_matrix"]
    assert matrix["torch"]["latency_ms"] == pytest.approx(120.0, rel=0.05)


@pytest.mark.parametrize(("launches", "iterations"), [(1, 1), (1, 4), (6, 1), (6, 2)])
def test_few_launches_or_iterations_and_a_tiny_threshold_end_in_a_summary(
    tmp_path: Path, launches: int, iterations: int
) -> None:
    workload = ScriptedWorkload(iterations=iterations)
    asked: dict[str, Any] = {"analysis": {"outlier_threshold": 1e-12}, "workloads": [workload]}
    summary = _summary(tmp_path, [TORCH, CANDLE, CONTROL], launches=launches, **asked)
    assert _only(summary)["verdict"] == ("meaningfully_faster" if launches == 6 else "untestable")
