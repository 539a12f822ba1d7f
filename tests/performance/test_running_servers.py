"""What is said of servers that were not restarted: estimates, and no difference that is sure."""

from __future__ import annotations

from pathlib import Path

from benchmark_runner.jsonio import read_json
from benchmark_runner.schemas import require_valid
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
    assert answer["decide"] is None or answer["decide"]["command"] is None
    assert "not restarted" in (tmp_path / "comparison_table.md").read_text(encoding="utf-8")
