"""What would change a verdict: other tests, outliers, disturbed launches, the narrower family, another look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from records import ScriptedEngine, make_raw_data, run_analysis, write_inputs, write_results

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
BURN = ScriptedEngine("burn", ttft_ms=11.0, itl_ms=5.5, **SPREAD)


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    return content


def _summary(folder: Path, engines: list[ScriptedEngine], **options: Any) -> dict[str, Any]:
    write_results(folder, engines, **options)
    return _read(folder)


def _primary(summary: dict[str, Any], engine: str = "candle", reference: str = "torch") -> dict[str, Any]:
    return next(
        one
        for one in summary["comparisons"]
        if (one["kind"], one["engine"], one["reference"]) == ("primary", engine, reference)
    )


@pytest.mark.parametrize(
    ("test", "corrected"),
    [
        ("moderated_t", {"moderated_t", "mann_whitney_u", "permutation"}),
        ("mann_whitney_u", {"paired_t", "mann_whitney_u", "permutation"}),
        ("permutation", {"paired_t", "mann_whitney_u", "permutation"}),
        ("paired_t", {"paired_t", "mann_whitney_u", "permutation"}),
        ("welch_t", {"welch_t", "mann_whitney_u", "permutation"}),
    ],
)
def test_each_significance_test_judges_and_all_five_are_told(tmp_path: Path, test: str, corrected: set[str]) -> None:
    summary = _summary(tmp_path, [TORCH, CANDLE], launches=8, analysis={"significance_test": test})
    one = _primary(summary)
    assert one["verdict"] == "meaningfully_faster"
    everything = {"moderated_t", "paired_t", "welch_t", "mann_whitney_u", "permutation"}
    assert set(one["tests"]) == everything
    keys = ("p_holm", "p_bonferroni")
    assert {
        name for name, found in one["tests"].items() if any(found.get(key) is not None for key in keys)
    } == corrected
    assert set(one["sensitivity"]["other_tests"]) == everything - {test}
    welch = one["ratio"]["method"].startswith("Welch")
    assert welch == (test == "welch_t")


def test_five_launches_reach_what_the_chosen_test_allows(tmp_path: Path) -> None:
    # Of 5 blocks a permutation test cannot give less than 2 / 32, Mann-Whitney 2 / 252, a t test alone any p.
    one = _primary(_summary(tmp_path, [TORCH, CANDLE], launches=5, analysis={"significance_test": "permutation"}))
    assert one["verdict"] == "untestable"
    assert one["reason"] == "too few launches: 5 cannot reach significance over 1 comparison, 6 can"
    others = {name: found["verdict"] for name, found in one["sensitivity"]["other_tests"].items()}
    assert others == dict.fromkeys(("moderated_t", "mann_whitney_u", "paired_t", "welch_t"), "meaningfully_faster")
    assert set(one["sensitivity"]["changed_by"]) >= set(others)


def test_the_narrower_family_corrects_for_fewer_comparisons(tmp_path: Path) -> None:
    summary = _summary(tmp_path, [TORCH, CANDLE, BURN], launches=6)
    assert [summary["families"][name]["tests"] for name in ("all_pairs", "against_baseline")] == [3, 2]
    one = _primary(summary)
    alone = one["against_baseline"]
    assert alone["tests"] == 2 and alone["p_bonferroni"] == pytest.approx(2 * 2 / 924)
    assert one["tests"]["mann_whitney_u"]["p_bonferroni"] == pytest.approx(3 * 2 / 924)
    assert alone["simultaneous"]["high"] < one["simultaneous"]["high"]
    assert _primary(summary, "burn", "candle")["against_baseline"] is None


def test_a_design_too_small_for_all_pairs_can_still_answer_about_the_baseline(tmp_path: Path) -> None:
    # 2 / 252 times 6 pairs is above 0.04, times 3 pairs with the baseline below.
    slow = ScriptedEngine("slow", ttft_ms=40.0, itl_ms=20.0, **SPREAD)
    one = _primary(_summary(tmp_path, [TORCH, CANDLE, BURN, slow], launches=5))
    assert one["verdict"] == "untestable"
    assert (one["against_baseline"]["verdict"], one["against_baseline"]["faster"]) == ("meaningfully_faster", "candle")


def _with_disturbed(folder: Path, blocks: tuple[int, ...], factor: float) -> dict[str, Any]:
    """A campaign in which other programs disturbed candle in some blocks and made it slower there."""
    slow = {(block, index): factor for block in blocks for index in range(20)}
    engines = [TORCH, ScriptedEngine("candle", ttft_ms=19.0, itl_ms=9.5, slow_iterations=slow, **SPREAD)]
    raw, plan = make_raw_data(engines, launches=12, output_dir=str(folder))
    for record in raw["candle"]["launches"]:
        if record["block"] in blocks:
            record["warnings"] = [{"kind": "foreign_load", "message": "a compiler ran", "remedy": "End it"}]
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    return _read(folder)


def test_a_verdict_that_hangs_on_disturbed_launches_is_marked(tmp_path: Path) -> None:
    summary = _with_disturbed(tmp_path, (5,), 2.5)
    one = _primary(summary)
    # Ranks see candle ahead in eleven of twelve blocks, the mean sees it behind by the disturbed one.
    assert (one["verdict"], one["faster"]) == ("significant_unconfirmed", None)
    assert "the two tests point in opposite directions" in one["sentence"]
    calm = one["sensitivity"]["without_events"]
    assert (calm["verdict"], calm["faster"]) == ("meaningfully_faster", "candle")
    assert calm["launches_left_out"] == {"engine": 1, "reference": 0}
    assert "event_sensitive" in one["qualifiers"] and "without_events" in one["sensitivity"]["changed_by"]
    assert "other programs disturbed the verdict is another" in one["sentence"]
    (told,) = [found for found in summary["warnings"] if found["kind"] == "event_sensitive"]
    assert "unconfirmed with everything, meaningfully faster without the launches that other" in told["message"]


def test_launches_that_are_unpaired_once_the_disturbed_ones_are_left_out_are_counted_all_the_same(
    tmp_path: Path,
) -> None:
    """One of three pairs was disturbed: two are too few for pairs, so that the launches without a partner count too."""
    engines = [TORCH, ScriptedEngine("candle", ttft_ms=19.0, itl_ms=9.5, **SPREAD)]
    raw, plan = make_raw_data(engines, launches=6, output_dir=str(tmp_path))
    for record in raw["candle"]["launches"]:
        if record["block"] == 1:
            record["warnings"] = [{"kind": "foreign_load", "message": "a compiler ran", "remedy": "End it"}]
        if record["block"] > 3:
            record["host"] = {**record["host"], "boot_id": "after a restart"}
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    one = _primary(_read(tmp_path))
    assert one["launches"] == {"engine": 3, "reference": 3, "blocks": 3}
    assert one["sensitivity"]["without_events"]["launches_left_out"] == {"engine": 1, "reference": 0}


def test_a_verdict_without_enough_undisturbed_launches_is_marked_as_that(tmp_path: Path) -> None:
    summary = _with_disturbed(tmp_path, tuple(range(1, 11)), 1.0)
    one = _primary(summary)
    assert one["verdict"] == "meaningfully_faster"
    assert one["sensitivity"]["without_events"]["verdict"] == "untestable"
    assert "few_undisturbed" in one["qualifiers"] and "event_sensitive" not in one["qualifiers"]
    assert "so many launches that too few are left for a verdict without them" in one["sentence"]
    assert "the verdict is another" not in one["sentence"]
    (told,) = [found for found in summary["warnings"] if found["kind"] == "few_undisturbed"]
    few = "in 1 of 1 comparison too few launches are left for a verdict without those that other programs disturbed"
    assert told["message"] == few and "Close what else ran" in told["remedy"]


def test_quiet_launches_leave_nothing_out(tmp_path: Path) -> None:
    assert _primary(_summary(tmp_path, [TORCH, CANDLE], launches=6))["sensitivity"]["without_events"] is None


def test_a_second_look_may_spend_less_and_a_repeated_one_spends_nothing(tmp_path: Path) -> None:
    first = _summary(tmp_path, [TORCH, CANDLE], launches=6)
    again = _summary(tmp_path, [TORCH, CANDLE], launches=6)
    assert [_primary(one)["look"] for one in (first, again)] == [1, 1]
    second = _primary(_summary(tmp_path, [TORCH, CANDLE], launches=9))
    assert (second["look"], second["alpha"]) == (2, pytest.approx(0.005))
    assert second["simultaneous"]["level"] == pytest.approx(0.995)
    assert second["ratio"]["level"] == 0.95
    assert "certain at the 95 % level" in second["sentence"]


def test_launches_needed_count_with_what_the_next_look_may_spend(tmp_path: Path) -> None:
    near = ScriptedEngine("candle", ttft_ms=19.8, itl_ms=9.9, **SPREAD)
    one = _primary(_summary(tmp_path, [TORCH, near], launches=6))
    assert one["launches_needed"] > 6
    assert one["detectable_ratio"] > 1.0
