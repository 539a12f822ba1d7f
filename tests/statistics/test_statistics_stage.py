"""The statistics stage over scripted campaigns: known times come out, and nothing unsound ends in a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.statistics.inputs import read_inputs
from benchmark_runner.statistics.metrics import METRICS
from records import (
    ScriptedEngine,
    ScriptedWorkload,
    make_raw_data,
    run_analysis,
    write_inputs,
    write_results,
)
from scripted_load import ScriptedLoad

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, peak_rss_bytes=500_000_000, **SPREAD)
CONTROL = ScriptedEngine("torch_control", control_of="torch", **SPREAD)
Edit = Callable[[dict[str, Any], dict[str, Any]], None]


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    return content


def _edited(folder: Path, engines: list[ScriptedEngine], edit: Edit, **options: Any) -> dict[str, Any]:
    """Summary of a campaign whose raw data and plan were edited before the analysis."""
    raw, plan = make_raw_data(engines, output_dir=str(folder), **options)
    edit(raw, plan)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    return _read(folder)


def _primary(summary: dict[str, Any], engine: str = "candle") -> dict[str, Any]:
    return next(one for one in summary["comparisons"] if one["kind"] == "primary" and one["engine"] == engine)


def _kinds(summary: dict[str, Any]) -> set[str]:
    return {one["kind"] for one in summary["warnings"]}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("sound")
    workloads = [ScriptedWorkload("latency_test", iterations=10), ScriptedWorkload("throughput_test", iterations=10)]
    write_results(folder, [TORCH, CANDLE, CONTROL], workloads, launches=6)
    return _read(folder)


def test_the_true_ratio_lies_in_the_interval_and_is_meaningful(sound: dict[str, Any]) -> None:
    one = _primary(sound)
    assert (one["engine"], one["reference"], one["faster"]) == ("candle", "torch", "candle")
    assert one["verdict"] == "meaningfully_faster"
    assert one["ratio"]["low"] < 2.0 < one["ratio"]["high"]
    assert one["simultaneous"]["level"] == pytest.approx(0.98)
    assert one["launches"] == {"engine": 6, "reference": 6, "blocks": 6}
    assert one["tests"]["mann_whitney_u"]["p"] == pytest.approx(2 / 924)
    assert one["tests"]["mann_whitney_u"]["p_bonferroni"] == pytest.approx(4 / 924)
    assert one["tests"]["paired_t"]["n"] == 6


def test_both_families_are_stated(sound: dict[str, Any]) -> None:
    whole, narrow = sound["families"]["all_pairs"], sound["families"]["against_baseline"]
    stated = {key: whole[key] for key in ("metric", "tests", "planned", "alpha", "look", "alpha_of_look")}
    assert stated == {"metric": "e2e_ms", "tests": 2, "planned": 2, "alpha": 0.05, "look": 1, "alpha_of_look": 0.04}
    assert (narrow["tests"], narrow["planned"]) == (2, 2)
    assert narrow["description"].startswith("every other engine against torch in 2 test cases")


def test_every_cell_has_every_metric(sound: dict[str, Any]) -> None:
    for cell in sound["cells"]:
        names = {metric.name for metric in METRICS if (metric.level == "launch") == (cell["case"] is None)}
        assert set(cell["metrics"]) == names
        for metric in cell["metrics"].values():
            assert metric["unit"] and metric["better"] in ("lower", "higher")
            assert (metric["median"] is None) == (metric["launches"] == 0)
            assert metric["median"] is not None or metric["reason"]


def test_what_is_not_measured_has_its_reason(sound: dict[str, Any]) -> None:
    cell = next(one for one in sound["cells"] if one["case"] is None)
    assert cell["metrics"]["peak_vram_bytes"]["reason"] == "no GPU"
    assert cell["metrics"]["energy_joules_per_token"]["reason"] == "no RAPL counter is readable"
    assert cell["metrics"]["load_ms"]["median"] == 500.0


def test_the_control_is_compared_with_its_twin_and_stays_out_of_the_family(sound: dict[str, Any]) -> None:
    control = sound["control"]
    assert (control["engine"], control["twin"]) == ("torch_control", "torch")
    assert [cell["differs"] for cell in control["cells"]] == [False, False]
    others = [one for one in sound["comparisons"] if one["kind"] != "control"]
    assert all("torch_control" not in (one["engine"], one["reference"]) for one in others)


def test_every_interval_and_p_value_names_method_and_n(sound: dict[str, Any]) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if {"low", "high"} <= node.keys() or "p" in node:
                assert "method" in node, node
                assert "n" in node or "margin" in node, node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(sound)


def test_exploratory_verdicts_are_called_so(sound: dict[str, Any]) -> None:
    kinds = {one["metric"]: one["kind"] for one in sound["comparisons"] if one["kind"] != "control"}
    assert kinds.pop("e2e_ms") == "primary"
    assert set(kinds.values()) == {"exploratory"}


def test_scripted_times_come_out_exactly(tmp_path: Path) -> None:
    engines = [ScriptedEngine("torch"), ScriptedEngine("candle", ttft_ms=10.0, itl_ms=4.0)]
    write_results(tmp_path, engines, launches=5)
    summary = _read(tmp_path)
    cells = {cell["engine"]: cell["metrics"] for cell in summary["cells"] if cell["case"]}
    assert cells["torch"]["e2e_ms"]["median_interval"]["point"] == 120.0
    assert cells["candle"]["e2e_ms"]["median_interval"]["point"] == 50.0
    assert cells["candle"]["ttft_ms"]["mean"] == 10.0
    assert cells["candle"]["itl_ms"]["iterations"] == 5 * 4 * 10
    assert cells["candle"]["decode_tokens_per_s"]["median"] == 250.0
    assert cells["candle"]["total_tokens_per_s"]["median"] == 220.0
    one = _primary(summary)
    assert one["ratio"]["point"] == 2.4
    assert one["verdict"] == "untestable" and "do not vary" in one["reason"]


def test_energy_is_spread_over_the_measured_tokens(tmp_path: Path) -> None:
    engine = ScriptedEngine("torch", measured_joules=88.0)
    write_results(tmp_path, [engine], launches=2)
    cell = next(one for one in _read(tmp_path)["cells"] if one["case"] is None)
    # 4 measured iterations of 11 tokens; the warm-up's tokens do not count.
    assert cell["metrics"]["energy_joules_per_token"]["median"] == 2.0


def test_energy_of_a_load_is_spread_over_all_that_was_made_meanwhile(tmp_path: Path) -> None:
    serving = ScriptedWorkload("serving", load=ScriptedLoad(concurrency=(2,), requests=3))
    write_results(tmp_path, [ScriptedEngine("torch", measured_joules=88.0)], [serving], launches=2)
    cell = next(one for one in _read(tmp_path)["cells"] if one["case"] is None)
    # Three measured answers of 11 tokens, and of a filler that ran beside the last one 11 more.
    assert cell["metrics"]["energy_joules_per_token"]["median"] == 2.0


def test_a_crashed_launch_leaves_its_block_out_and_is_told(tmp_path: Path) -> None:
    broken = ScriptedEngine("candle", ttft_ms=10, itl_ms=5, statuses={("latency_test", 2): "failed"}, **SPREAD)
    write_results(tmp_path, [TORCH, broken], launches=6)
    summary = _read(tmp_path)
    assert _primary(summary)["launches"]["blocks"] == 5
    assert _primary(summary)["verdict"] == "meaningfully_faster"
    entry = next(one for one in summary["engines"] if one["name"] == "candle")
    assert (entry["status"], entry["launches"]) == ("partial", {"ok": 5, "failed": 1})
    assert "failed_launches" in _kinds(summary)


@pytest.mark.parametrize("launches", [1, 2, 3])
def test_too_few_launches_are_untestable_with_estimates(tmp_path: Path, launches: int) -> None:
    write_results(tmp_path, [TORCH, CANDLE, CONTROL], launches=launches)
    summary = _read(tmp_path)
    assert {one["verdict"] for one in summary["comparisons"]} == {"untestable"}
    # Three blocks are enough for the control's own test, which nothing is confirmed by.
    assert {cell["differs"] for cell in summary["control"]["cells"]} == {False if launches == 3 else None}
    assert "untestable" in _kinds(summary)
    assert (_primary(summary)["ratio"] is None) == (launches == 1)
    assert _primary(summary)["launches_needed"] >= 4


def test_an_unavailable_engine_is_named_with_its_remedy(tmp_path: Path) -> None:
    absent = ScriptedEngine("candle", unavailable="cargo is missing")
    write_results(tmp_path, [TORCH, absent], launches=4)
    summary = _read(tmp_path)
    entry = next(one for one in summary["engines"] if one["name"] == "candle")
    assert (entry["status"], entry["reason"], entry["remedy"]) == (
        "unavailable",
        "cargo is missing",
        "Change the script",
    )
    assert _primary(summary)["verdict"] == "untestable"
    assert summary["families"]["all_pairs"]["tests"] == 0 and summary["families"]["all_pairs"]["planned"] == 1
    assert _kinds(summary) >= {"unavailable_engine"}
    assert "untestable" not in _kinds(summary)


def test_an_engine_that_computes_something_else_is_not_judged(tmp_path: Path) -> None:
    wrong = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, fidelity="fail", **SPREAD)
    write_results(tmp_path, [TORCH, wrong], launches=6)
    summary = _read(tmp_path)
    one = _primary(summary)
    assert one["verdict"] == "untestable" and "fidelity_fail" in one["qualifiers"]
    assert "does not compute the same" in one["reason"]
    assert one["ratio"] is not None
    assert summary["families"]["all_pairs"]["tests"] == 0
    assert "fidelity_fail" in _kinds(summary)


def test_an_unchecked_engine_is_judged_with_a_warning(tmp_path: Path) -> None:
    unchecked = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, fidelity="not checkable", **SPREAD)
    write_results(tmp_path, [TORCH, unchecked], launches=6)
    summary = _read(tmp_path)
    assert _primary(summary)["verdict"] == "meaningfully_faster"
    assert "fidelity_unchecked" in _primary(summary)["qualifiers"]
    assert "fidelity_unchecked" in _kinds(summary)


def test_devices_are_never_mixed(tmp_path: Path) -> None:
    gpu = ScriptedEngine("candle", ttft_ms=1.0, itl_ms=0.5, device="cuda:0", **SPREAD)
    write_results(tmp_path, [TORCH, gpu], launches=6)
    summary = _read(tmp_path)
    assert _primary(summary)["reason"] == "candle ran on cuda:0 and torch on cpu"
    assert "devices_differ" in _kinds(summary)


def test_an_engine_that_fell_back_to_the_cpu_once_is_not_judged(tmp_path: Path) -> None:
    def fall_back(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        raw["candle"]["launches"][0]["load"]["device"] = "cuda"

    summary = _edited(tmp_path, [TORCH, CANDLE], fall_back, launches=6)
    assert "ran on different devices" in _primary(summary)["reason"]
    assert "unlike_launches" in _kinds(summary)


def test_more_threads_than_allowed_are_a_warning_of_the_campaign(tmp_path: Path) -> None:
    def warn(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        entry = {"kind": "threads_exceeded", "message": "3 threads computed where 1 is allowed", "remedy": "Hold them"}
        raw["candle"]["launches"][0]["warnings"].append(entry)

    summary = _edited(tmp_path, [TORCH, CANDLE], warn, launches=6)
    (warning,) = [entry for entry in summary["warnings"] if entry["kind"] == "threads_exceeded"]
    assert (warning["engine"], warning["severity"]) == ("candle", "warning")
    assert warning["message"].endswith("of candle on latency_test: 3 threads computed where 1 is allowed")


def _next_day(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
    for record in raw["candle"]["launches"]:
        for key in ("started_at", "ended_at"):
            record[key] = record[key].replace("2026-01-05", "2026-01-06")


def test_an_engine_measured_another_day_is_compared_unpaired_with_weaker_words(tmp_path: Path) -> None:
    summary = _edited(tmp_path, [TORCH, CANDLE], _next_day, launches=6)
    one = _primary(summary)
    assert (one["paired"], one["launches"]["blocks"]) == (False, 0)
    assert "welch_t" in one["tests"] and "paired_t" not in one["tests"]
    assert "unpaired" in one["qualifiers"] and "did not run side by side" in one["sentence"]
    assert "unpaired" in _kinds(summary)


def test_launches_of_two_machines_are_not_compared(tmp_path: Path) -> None:
    def elsewhere(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        for record in raw["candle"]["launches"]:
            record["host"] = {"hostname": "another", "boot_id": "another"}

    summary = _edited(tmp_path, [TORCH, CANDLE], elsewhere, launches=6)
    assert _primary(summary)["reason"] == "their launches ran on different machines"


def test_a_verdict_that_hangs_on_outliers_is_marked(tmp_path: Path) -> None:
    # Six iterations of 1, 1, 1, 1.1, 1.1 and 10 times 114.25 ms: median 1.05 times that, which is torch's 120 ms;
    # without the flagged last one it is 114.25 ms, 5 % faster.
    slow = {(block, index): factor for block in range(1, 7) for index, factor in ((3, 1.1), (4, 1.1), (5, 10.0))}
    engine = ScriptedEngine("candle", ttft_ms=19.05, itl_ms=9.52, slow_iterations=slow, launch_spread=0.003)
    torch = ScriptedEngine("torch", launch_spread=0.003)
    write_results(tmp_path, [torch, engine], [ScriptedWorkload(iterations=6)], launches=6)
    summary = _read(tmp_path)
    one = _primary(summary)
    assert one["verdict"] in ("equivalent", "inconclusive")
    assert one["sensitivity"]["without_outliers"]["verdict"] == "meaningfully_faster"
    assert one["sensitivity"]["without_outliers"]["ratio_point"] == pytest.approx(1.05, abs=0.01)
    assert "outlier_sensitive" in one["qualifiers"] and "outlier_sensitive" in _kinds(summary)
    numbers = next(c for c in summary["cells"] if c["engine"] == "candle" and c["case"])["metrics"]["e2e_ms"]
    assert numbers["outliers"] == {"flagged": 6, "of": 36}
    assert numbers["without_outliers"]["median"] < numbers["median"]
    assert numbers["max"] > 1000


def test_missing_launches_are_counted(tmp_path: Path) -> None:
    def lose(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        raw["candle"]["launches"] = raw["candle"]["launches"][:4]

    summary = _edited(tmp_path, [TORCH, CANDLE], lose, launches=6)
    entry = next(one for one in summary["engines"] if one["name"] == "candle")
    assert (entry["status"], entry["planned_launches"], entry["launches"]) == ("partial", 6, {"ok": 4})
    assert "missing_launches" in _kinds(summary)


def test_an_engine_without_any_launch_is_missing(tmp_path: Path) -> None:
    def lose(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        raw["candle"]["launches"] = []

    summary = _edited(tmp_path, [TORCH, CANDLE], lose, launches=4)
    entry = next(one for one in summary["engines"] if one["name"] == "candle")
    assert entry["status"] == "missing"
    assert _primary(summary)["verdict"] == "untestable"


def test_what_launches_warned_of_is_gathered_once(tmp_path: Path) -> None:
    def warn(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        for content in raw.values():
            for record in content["launches"]:
                record["warnings"] = [{"kind": "high_load", "message": "load 9", "remedy": "End the other programs"}]

    summary = _edited(tmp_path, [TORCH, CANDLE], warn, launches=4)
    found = [one for one in summary["warnings"] if one["kind"] == "high_load"]
    assert len(found) == 1
    assert found[0]["message"].startswith("8 of 8 launches; in launch 1 of torch")
    assert found[0]["remedy"] == "End the other programs"


def test_every_warning_has_a_remedy_and_the_serious_ones_come_first(tmp_path: Path) -> None:
    engines = [
        TORCH,
        ScriptedEngine("candle", fidelity="fail", **SPREAD),
        ScriptedEngine("gone", unavailable="no tool"),
    ]
    write_results(tmp_path, engines, launches=3, quick=True)
    warnings = _read(tmp_path)["warnings"]
    assert all(one["remedy"] and one["message"] for one in warnings)
    severities = [one["severity"] for one in warnings]
    assert severities == sorted(severities, key=["serious", "warning", "note"].index)
    assert {"quick_look", "no_control", "few_measurements", "not_measured"} <= {one["kind"] for one in warnings}


def test_noisy_engines_are_marked(tmp_path: Path) -> None:
    noisy = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, iteration_spread=0.3)
    write_results(tmp_path, [TORCH, noisy], [ScriptedWorkload(iterations=12)], launches=6)
    summary = _read(tmp_path)
    assert "noisy" in _primary(summary)["qualifiers"] and "noisy" in _kinds(summary)
    (told,) = [one["message"] for one in summary["warnings"] if one["kind"] == "noisy"]
    assert told.endswith("(candle in latency_test)")


def test_drift_is_marked_and_kept_out_of_the_ratio(tmp_path: Path) -> None:
    write_results(tmp_path, [TORCH, CANDLE], [ScriptedWorkload(iterations=10)], launches=10, drift=0.3)
    summary = _read(tmp_path)
    one = _primary(summary)
    assert "drift" in one["qualifiers"] and "drift" in _kinds(summary)
    assert one["ratio"]["low"] < 2.0 < one["ratio"]["high"]
    assert one["ratio"]["high"] / one["ratio"]["low"] < 1.1


def test_launches_of_different_models_are_refused(tmp_path: Path) -> None:
    def another(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        for record in raw["candle"]["launches"]:
            record["model"]["identity"] = "another model"

    with pytest.raises(BenchmarkError, match=r"differ in model\.identity .*scripted-model-1.*torch.*another model"):
        _inputs(tmp_path, another)


def test_engines_that_were_given_different_prompts_are_refused(tmp_path: Path) -> None:
    def another(raw: dict[str, Any], _plan: dict[str, Any]) -> None:
        for record in raw["candle"]["launches"]:
            record["spec"]["cases"][0]["prompt_ids"] = [1, 2, 3]

    with pytest.raises(BenchmarkError, match="candle and torch were given different prompts for latency_test"):
        _inputs(tmp_path, another)


def _inputs(folder: Path, edit: Edit) -> None:
    raw, plan = make_raw_data([TORCH, CANDLE], launches=2)
    edit(raw, plan)
    (folder / "plan.json").write_text(json.dumps(plan))
    files = []
    for name, content in raw.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(content))
    read_inputs(folder / "plan.json", files, [])


def test_an_engine_without_raw_data_is_an_error(tmp_path: Path) -> None:
    _, plan = make_raw_data([TORCH, CANDLE], launches=1)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(BenchmarkError, match="no raw data of torch, candle"):
        read_inputs(tmp_path / "plan.json", [], [])


def test_the_confidence_level_is_that_of_the_configuration(tmp_path: Path) -> None:
    write_results(tmp_path, [TORCH, CANDLE], launches=6, analysis={"confidence_level": 0.99})
    summary = _read(tmp_path)
    assert summary["families"]["all_pairs"]["alpha"] == 0.01
    assert _primary(summary)["ratio"]["level"] == 0.99
