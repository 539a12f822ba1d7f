"""What is said of servers that were not restarted: estimates, and no difference that is sure."""

from __future__ import annotations

from pathlib import Path

from benchmark_runner.jsonio import read_json
from benchmark_runner.performance.roofline import Roofline
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.results import Cell, Results
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs

ENGINES = [
    ScriptedEngine("slow", ttft_ms=40.0, itl_ms=20.0, launch_spread=0.01, iteration_spread=0.01),
    ScriptedEngine("ours", launch_spread=0.01, iteration_spread=0.01),
]


def test_what_would_be_confirmed_of_launches_is_a_hint_of_passes(tmp_path: Path) -> None:
    raw, plan = make_raw_data(ENGINES, (ScriptedWorkload(),), output_dir=str(tmp_path), launches=6)
    plan["engines"][1]["server"] = {"running": {"base_url": "http://127.0.0.1:9", "api_key_env": None}}
    write_inputs(tmp_path, ENGINES, raw, plan)
    run_analysis(tmp_path, ENGINES, plan)
    statistics = read_json(tmp_path / "analysis" / "statistical_summary.json")
    require_valid("statistical_summary", statistics, "the summary")
    (one,) = [one for one in statistics["comparisons"] if one["metric"] == "e2e_ms"]
    assert (one["verdict"], one["faster"]) == ("significant_unconfirmed", "ours")
    assert one["sentence"].startswith("perhaps ours answers")
    assert "ours was not restarted between passes" in one["sentence"]
    assert "6 passes of ours" in one["sentence"]
    assert one["launches_needed"] is None
    assert "not_restarted" in {entry["kind"] for entry in statistics["warnings"]}
    answer = read_json(tmp_path / "summary.json")["answer"]
    assert "ours already ran and was not restarted, so no difference from it is confirmed" in answer["sentence"]
    assert answer["decide"] is None
    told = " ".join(one["sentence"] for one in read_json(tmp_path / "analysis" / "performance_analysis.json")["advice"])
    assert "More launches would not change that." in told and "as small as the one seen" not in told
    assert "not restarted" in (tmp_path / "comparison_table.md").read_text(encoding="utf-8")


def test_what_only_the_configuration_says_of_a_server_is_no_ground_for_this_machines_limits(tmp_path: Path) -> None:
    engines = (*ENGINES, ScriptedEngine("ours_control", control_of="ours"))
    raw, plan = make_raw_data(engines, (ScriptedWorkload(),), output_dir=str(tmp_path), launches=3)
    for planned, name in ((plan["engines"][1], "ours"), (plan["engines"][2], "ours_control")):
        planned["server"] = {"running": {"base_url": "http://127.0.0.1:9", "api_key_env": None}}
        for record in raw[name]["launches"]:
            record["server"] = {
                "restarted": False,
                "arguments": [],
                "base_url": "http://127.0.0.1:9",
                "path": "/v1",
                "body": {},
            }
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    statistics = read_json(tmp_path / "analysis" / "statistical_summary.json")
    slow, ours, _ = statistics["engines"]
    assert (slow["threads"], ours["threads"]) == (1, None)
    (settings,) = statistics["engine_settings"]
    told = next(one for one in settings["settings"] if one["setting"] == "threads_set_up")["values"]
    assert (told["slow"], told["ours"]) == (1, None)
    assert [one["engine"] for one in statistics["warnings"] if one["kind"] == "not_restarted"] == ["ours"]
    reason = Roofline(Results(statistics), {}, {})._lacks("ours", Cell("latency_test", "case_1"))
    assert reason == "how many threads it had is not known"


def test_a_server_that_nothing_was_measured_of_is_not_told_twice(tmp_path: Path) -> None:
    engines = (ENGINES[0], ScriptedEngine("ours", unavailable="HTTP 401"))
    raw, plan = make_raw_data(engines, (ScriptedWorkload(),), output_dir=str(tmp_path), launches=3)
    plan["engines"][1]["server"] = {"running": {"base_url": "http://127.0.0.1:9", "api_key_env": None}}
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    sentence = read_json(tmp_path / "summary.json")["answer"]["sentence"]
    assert sentence.startswith("ours was not measured (unavailable): HTTP 401.") and "restarted" not in sentence
    statistics = read_json(tmp_path / "analysis" / "statistical_summary.json")
    assert "not_restarted" not in {one["kind"] for one in statistics["warnings"]}
