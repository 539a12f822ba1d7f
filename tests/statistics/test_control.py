"""A control that differs, through the whole stage: verdicts allow for what it showed, in proportion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs, write_results

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **SPREAD)
CONTROL = ScriptedEngine("torch_control", control_of="torch", **SPREAD)


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    return content


def _primary(summary: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in summary["comparisons"] if one["kind"] == "primary")


def _control(factor: float) -> ScriptedEngine:
    return ScriptedEngine("torch_control", control_of="torch", ttft_ms=20.0 * factor, itl_ms=10.0 * factor, **SPREAD)


def test_a_factor_of_two_survives_a_control_that_differs_by_a_tenth(tmp_path: Path) -> None:
    write_results(tmp_path, [TORCH, CANDLE, _control(1.1)], launches=6)
    summary = _read(tmp_path)
    assert summary["control"]["differs_in"] == ["latency_test"]
    one = _primary(summary)
    assert one["verdict"] == "meaningfully_faster" and "control_differs" not in one["qualifiers"]
    assert one["control_allowance"] == pytest.approx(0.1, abs=0.02)
    assert "also allowing for the control's" in one["sentence"]
    answer = json.loads((tmp_path / "summary.json").read_text())["summary"]
    assert answer["fastest_engine"] == "candle" and "also allowing for the control's" in answer["recommendation"]
    told = next(warning for warning in summary["warnings"] if warning["kind"] == "control_differs")
    assert "differences are confirmed only where they exceed that too" in told["message"]
    assert "Chance does this in one quiet campaign of 20" in told["remedy"]


def test_a_difference_of_the_controls_size_is_not_confirmed_in_any_workload(tmp_path: Path) -> None:
    """The control differs in both workloads by a tenth, the engine by a twelfth: in each it is a hint and no more."""
    near = ScriptedEngine("candle", ttft_ms=20 / 1.08, itl_ms=10 / 1.08, **SPREAD)
    workloads = [ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test")]
    write_results(tmp_path, [TORCH, near, _control(1.1)], workloads, launches=7)
    summary = _read(tmp_path)
    found = [one for one in summary["comparisons"] if one["kind"] == "primary"]
    assert {one["verdict"] for one in found} == {"significant_unconfirmed"}
    assert all("control_differs" in one["qualifiers"] and one["faster"] == "candle" for one in found)
    assert all(
        "the control differed by" in one["sentence"] and "so this may be the machine" in one["sentence"]
        for one in found
    )
    assert all(one["against_baseline"]["verdict"] == "significant_unconfirmed" for one in found)
    answer = json.loads((tmp_path / "summary.json").read_text())["summary"]
    assert answer["fastest_engine"] is None and "Add launches" in answer["recommendation"]


def test_an_alarm_in_one_workload_is_allowed_for_in_the_others_by_what_the_control_showed_there(tmp_path: Path) -> None:
    engines = [TORCH, CANDLE, CONTROL]
    workloads = [ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test")]
    raw, plan = make_raw_data(engines, workloads, launches=7, output_dir=str(tmp_path))
    for launch in raw["torch_control"]["launches"]:
        if launch["workload"] == "latency_test":
            for number, one in enumerate(launch["iterations"]):
                one["start_ns"] += number * 12_000_000
                one["token_ns"] = [time + number * 12_000_000 for time in one["token_ns"]]
                one["end_ns"] += (number + 1) * 12_000_000
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    summary = _read(tmp_path)
    assert summary["control"]["differs_in"] == ["latency_test"]
    allowed = {one["workload"]: one["control_allowance"] for one in summary["comparisons"] if one["kind"] == "primary"}
    assert allowed["latency_test"] == pytest.approx(0.1, abs=0.03) and 0 < allowed["throughput_test"] < 0.02
    for cell in summary["control"]["cells"]:
        assert (cell["p_holm"] <= summary["control"]["alpha"]) == cell["differs"]


def test_a_control_that_lost_its_launches_in_a_workload_leaves_the_largest_difference_to_allow_for(
    tmp_path: Path,
) -> None:
    lost = {("throughput_test", block): "failed" for block in range(1, 8)}
    other = ScriptedEngine("torch_control", control_of="torch", ttft_ms=22.0, itl_ms=11.0, statuses=lost, **SPREAD)
    workloads = [ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test")]
    write_results(tmp_path, [TORCH, CANDLE, other], workloads, launches=7)
    summary = _read(tmp_path)
    found = [one for one in summary["comparisons"] if one["kind"] == "primary"]
    assert len({one["control_allowance"] for one in found}) == 1 and found[0]["control_allowance"] > 0.08
    assert [cell["differs"] for cell in summary["control"]["cells"]] == [True, None]
