"""summary.json of a campaign with load: every figure follows from slots, times and failures of the script."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark_runner.display import significant
from benchmark_runner.performance.answer import answer
from benchmark_runner.schemas import violations
from benchmark_runner.statistics.results import Cell, Results
from benchmark_runner.summary.answer import in_words
from benchmark_runner.summary.table import _came
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs, write_results
from scripted_load import LOAD_CALIBRATION, ScriptedLoad

TIMES: dict[str, Any] = {"ttft_ms": 20.0, "itl_ms": 10.0, "launch_spread": 0.005}
SERVING = ScriptedWorkload("serving", ((8, 5),), load=ScriptedLoad(concurrency=(1, 2, 4), requests=12))
SLO = {"ttft_ms": 100, "tpot_ms": None, "itl_p99_ms": None, "e2e_ms": None, "share": 0.9}
CALIBRATION = LOAD_CALIBRATION | {"ttft_bias_ms": {"p50": 0.02, "p99": 0.1}}


def summary_of(folder: Path, *engines: ScriptedEngine, **options: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    (folder / "load_calibration.json").write_text(json.dumps(CALIBRATION))
    write_results(folder, engines, [SERVING], **{"launches": 6, "analysis": {"slo": SLO}, **options})
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """torch answers one request after the other, server four at once; each takes 60 ms."""
    folder = tmp_path_factory.mktemp("load") / "results"
    return summary_of(folder, ScriptedEngine("torch", slots=1, **TIMES), ScriptedEngine("server", slots=4, **TIMES))


def level(summary: dict[str, Any], engine: str, case: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (one for one in summary["load"]["levels"] if (one["engine"], one["case"]) == (engine, case))
    return found


def test_figures_of_a_level_follow_from_slots_and_times(summary: dict[str, Any]) -> None:
    assert violations("summary", summary) == []
    near = 0.02
    alone, waiting, beside = (level(summary, *key) for key in (("torch", "c1"), ("torch", "c4"), ("server", "c4")))
    assert alone["requests_per_s"]["point"] == pytest.approx(1000 / 60, rel=near)
    assert waiting["requests_per_s"]["point"] == pytest.approx(1000 / 60, rel=near)
    assert beside["requests_per_s"]["point"] == pytest.approx(4000 / 60, rel=near)
    assert beside["output_tokens_per_s"]["point"] == pytest.approx(5 * 4000 / 60, rel=near)
    assert waiting["ttft_ms"]["point"] == pytest.approx(3 * 60 + 20, rel=near)
    assert waiting["e2e_ms"]["point"] == pytest.approx(4 * 60, rel=near)
    assert waiting["tpot_ms"]["point"] == pytest.approx(10, rel=near)
    # each measured one waits for three others: 180 ms and its own 20, twice the limit
    assert waiting["goodput_requests_per_s"]["point"] == 0.0
    # a mean beside a geometric mean of the same values
    assert beside["goodput_requests_per_s"]["point"] == pytest.approx(beside["requests_per_s"]["point"], rel=1e-3)
    assert beside["ttft_ms"]["p50"]["value"] == pytest.approx(20, rel=near)
    assert (beside["measured"], beside["error_rate"], beside["gates"]) == (72, 0.0, [])


def test_capacity_at_the_limits_and_calibration_stand_in_the_summary(summary: dict[str, Any]) -> None:
    rows = {row["engine"]: row["capacity"]["text"] for row in summary["load"]["capacity"]["engines"]}
    assert rows == {"torch": "2 requests in flight", "server": "at least 4 requests in flight"}
    assert summary["load"]["calibration"] == CALIBRATION and summary["load"]["slo"] == SLO


def test_the_answer_says_for_which_load_it_holds(summary: dict[str, Any]) -> None:
    words = summary["answer"]["sentence"]
    assert "times as fast as torch in serving with 2 and 4 requests in flight" in words
    held = "Within the limits in serving server holds the most, at least 4 requests in flight; torch holds 2 requests"
    assert words.startswith(f"{held} in flight. ")
    capacity, beyond, throughput = summary["answer"]["under_load"]
    most = "Nothing above 4 requests in flight was tried in serving"
    assert beyond == f"{most}: higher levels would show how much server can hold."
    assert "With 4 requests in flight in serving server yields 33" in throughput
    assert "(the most, confirmed)" in throughput
    assert "Within the limits (TTFT up to 100 ms for 90 % of requests) in serving server holds at least 4" in capacity
    assert "torch holds 2 requests in flight (server the most, confirmed)" in capacity
    assert throughput in in_words(summary, Path("report.html"))


def test_the_best_throughput_is_told_with_its_level(summary: dict[str, Any]) -> None:
    best = summary["summary"]
    assert best["best_throughput_engine"] == "server"
    assert best["best_throughput"] == level(summary, "server", "c4")["output_tokens_per_s"]["point"]
    assert best["best_throughput_load"] == "with 4 requests in flight"
    assert summary["headline"]["throughput"]["metric"] == "output_tokens_per_s"
    assert summary["headline"]["throughput"]["case"] == "c4"
    assert summary["headline"]["latency"]["case"] == "c1"
    told = in_words(summary, Path("report.html"))
    assert "ratio in serving with 1 request in flight; throughput with 4 requests in flight:" in told


def test_a_level_at_which_requests_fail_cannot_be_won(tmp_path: Path) -> None:
    failing = ScriptedEngine("server", slots=4, failing={("c4", 8): "timeout"}, **TIMES)
    found = summary_of(tmp_path / "results", ScriptedEngine("torch", slots=1, **TIMES), failing)
    lost = level(found, "server", "c4")
    assert (lost["failed"], lost["error_rate"], lost["gates"]) == (6, pytest.approx(1 / 12), ["failed_requests"])
    assert "With 4 requests in flight in serving torch yields" in found["answer"]["under_load"][-1]
    (cell,) = (one for one in found["answer"]["workloads"] if one["case"] == "c4")
    assert next(one for one in cell["engines"] if one["engine"] == "server")["ranked"] is False
    assert "left out in serving with 4 requests in flight: 6 of its 72 requests failed." in found["answer"]["sentence"]


def test_levels_that_nothing_decides_are_told_once_and_nobody_is_called_ahead(tmp_path: Path) -> None:
    engines = [
        ScriptedEngine("torch", slots=4, ttft_ms=20.0, itl_ms=10.0, launch_spread=0.1),
        ScriptedEngine("server", slots=4, ttft_ms=21.0, itl_ms=10.2, launch_spread=0.1),
    ]
    found = summary_of(tmp_path, *engines)
    assert {one["word"] for one in found["answer"]["workloads"]} == {"open"}
    begin = (tmp_path / "comparison_table.md").read_text().partition("## ")[0]
    told = "In all 3 test cases it is not sure which of torch and server answers fastest."
    assert begin.count("which of torch and server answers fastest") == begin.count(told) == 1
    assert "is ahead" not in begin


def test_of_engines_that_hold_as_much_it_is_told_that_none_is_told_from_the_other(tmp_path: Path) -> None:
    alike = [ScriptedEngine(name, slots=4, **TIMES) for name in ("torch", "server")]
    found = summary_of(tmp_path / "results", *alike)
    capacity, *_ = found["answer"]["under_load"]
    both = "neither in end-to-end latency nor in how much they hold within the limits"
    assert found["answer"]["sentence"] == f"No difference between the engines was confirmed, {both}."
    assert capacity.endswith("(torch cannot be told from server).")


def test_where_nobody_keeps_the_limits_it_is_not_asked_who_holds_most(tmp_path: Path) -> None:
    late = [ScriptedEngine(name, slots=4, **{**TIMES, "ttft_ms": 200.0}) for name in ("torch", "server")]
    found = summary_of(tmp_path, *late)["answer"]
    assert found["sentence"].startswith(
        "Within the limits in serving torch and server hold less than 1 request in flight"
    )
    assert "holds most" not in f"{found['not_sure']}" and "how much they hold" not in found["sentence"]


def test_where_some_hold_less_for_certain_it_is_not_said_that_no_difference_was_confirmed(tmp_path: Path) -> None:
    alike = [ScriptedEngine(name, slots=4, **TIMES) for name in ("torch", "server")]
    summary_of(tmp_path, *alike, ScriptedEngine("lone", slots=1, **TIMES))
    found = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    for one in found["comparisons"]:  # as where launches are too few for all these tests, and enough for capacity's
        one |= {"verdict": "inconclusive", "faster": None}
    told = answer(Results(found), json.loads((tmp_path / "plan.json").read_text()))
    assert told["sentence"] == "No difference in end-to-end latency between the engines was confirmed."
    assert "Which engine holds most within the limits is not confirmed in serving." in told["not_sure"]


def test_an_engine_that_computes_another_model_is_not_told_to_hold_anything(tmp_path: Path) -> None:
    other = ScriptedEngine("server", slots=4, fidelity="fail", **TIMES)
    found = summary_of(tmp_path / "results", ScriptedEngine("torch", slots=1, **TIMES), other)
    capacity, *_ = found["answer"]["under_load"]
    assert capacity.endswith("in serving torch holds 2 requests in flight.")


def test_a_late_client_marks_its_cells_and_names_the_remedy(tmp_path: Path) -> None:
    late = ScriptedEngine("server", slots=4, send_lag_p99_ns=400_000, **TIMES)
    found = summary_of(tmp_path / "results", ScriptedEngine("torch", slots=1, **TIMES), late)
    (warning,) = (one for one in found["warnings"] if one["kind"] == "client_late")
    assert warning["engine"] == "server" and "lower the level" in warning["remedy"]


def test_the_table_tells_each_level_and_the_capacity_of_each_engine(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, ScriptedEngine("torch", slots=1, **TIMES), ScriptedEngine("server", **TIMES))
    table = (tmp_path / "comparison_table.md").read_text()
    section = table.partition("## serving under load")[2].partition("## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith(("| torch", "| server"))]
    assert [row[:2] for row in rows] == [[name, count] for name in ("torch", "server") for count in "124"]
    found = level(summary, "server", "c4")["output_tokens_per_s"]
    assert rows[-1][2].startswith(f"{significant(found['point'])} tokens/s (")
    head = next(line for line in section.splitlines() if line.startswith("| engine")).strip("| ").split(" | ")
    assert head == ["engine", "requests in flight", "output", "TTFT", "TPOT", "goodput", "failed"]
    each = level(summary, "torch", "c4")["tpot_ms"]["point"]
    assert rows[2][4].startswith(f"{significant(each)} ms") and rows[2][6] == "0 of 72"
    assert "- server: at least 4 requests in flight" in section and "- torch: 2 requests in flight" in section
    assert "with 4 requests in flight; 12 requests in each of 6 launches after 4 warm-up requests" in table
    assert "its end-to-end time, under load those of all requests together over the time taken." in table


def test_a_load_that_an_engine_refuses_by_name_is_no_lost_launch(tmp_path: Path) -> None:
    engines = [ScriptedEngine("torch", slots=1, **TIMES), ScriptedEngine("server", slots=4, **TIMES)]
    arrivals = ScriptedWorkload("arrivals", ((8, 5),), load=ScriptedLoad(requests_per_second=(2.0,), requests=8))
    raw, plan = make_raw_data(engines, [SERVING, arrivals], launches=6, output_dir=str(tmp_path))
    for record in raw["server"]["launches"]:
        if record["workload"] == "arrivals":
            record |= {"status": "unavailable", "reason": "server serves no open loop", "load": None}
            for part in ("requests", "stages"):
                record.pop(part)
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["comparison_matrix"]["server"]["lost_launches"] is None
    leading = {(one["workload"], one["case"]): one["leading"] for one in found["answer"]["workloads"]}
    assert leading["serving", "c4"] == ["server"]
    assert "server answers 2.00 to 4.00 times as fast as torch in serving with 2" in found["answer"]["sentence"]
    table = (tmp_path / "comparison_table.md").read_text().partition("## arrivals under load")[2]
    ended = [
        line.strip("| ").split(" | ")[-1] for line in table.splitlines() if line.startswith(("| torch", "| server"))
    ]
    assert ended[:2] == ["0 of 48", "—"]
    *_, held, _, _, refused = found["answer"]["under_load"]
    assert held.endswith("in arrivals torch holds at least 2 requests/s.")
    assert refused == "server was not measured in arrivals: server serves no open loop."
    statistics = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    (server,) = [one for one in statistics["engines"] if one["name"] == "server"]
    assert (server["status"], server["planned_launches"], server["launches"]) == ("ok", 6, {"ok": 6})
    told = [one for one in statistics["warnings"] if one["engine"] == "server" and one["workload"] == "arrivals"]
    assert [(one["kind"], one["severity"]) for one in told] == [("load_refused", "note")]
    apart = [one for one in statistics["comparisons"] if one["workload"] == "arrivals"]
    why = "server was not measured in arrivals: server serves no open loop"
    assert apart and {one["reason"] for one in apart} == {why}
    assert not any("lost" in one["sentence"] or "lost_launches" in one["qualifiers"] for one in apart)
    assert "server: no measurement, since server serves no open loop" in (tmp_path / "comparison_table.md").read_text()


def test_a_replayed_trace_and_lengths_of_each_request_are_said_to_be_so(tmp_path: Path) -> None:
    replayed = ScriptedLoad(requests_per_second=(5.0, 10.0), arrivals="trace")
    engines = [ScriptedEngine("torch", slots=1, **TIMES), ScriptedEngine("server", slots=4, **TIMES)]
    raw, plan = make_raw_data(
        engines,
        [ScriptedWorkload("replay", ((8, 5),), load=replayed)],
        launches=4,
        output_dir=str(tmp_path),
        analysis={"slo": SLO},
    )
    for case, least in zip(plan["workloads"][0]["cases"], (5, 1), strict=True):
        case["answer_lengths"] = {"distribution": "uniform", "min": least, "max": 5}
    write_inputs(tmp_path, engines, raw, plan)
    run_analysis(tmp_path, engines, plan)
    content = json.loads((tmp_path / "summary.json").read_text())
    assert violations("summary", content) == []
    rows = content["load"]["capacity"]["engines"]
    assert {(row["unit"], row["capacity"]["text"]) for row in rows} == {
        ("requests/s of the trace", "at least 10 requests/s of the trace")
    }
    assert any(
        words.startswith("At 10 requests a second of the trace in replay") for words in content["answer"]["under_load"]
    )
    table = (tmp_path / "comparison_table.md").read_text()
    assert "\n5 tokens asked for at 5 requests a second of the trace; " in table
    assert "\nUp to 5 tokens asked for at 10 requests a second of the trace; " in table
    assert "| engine | requests/s of the trace | " in table


def test_capacities_of_a_server_that_was_not_restarted_are_not_said_to_be_alike(tmp_path: Path) -> None:
    engines = [ScriptedEngine("torch", slots=1, **TIMES), ScriptedEngine("server", slots=4, **TIMES)]
    raw, plan = make_raw_data(engines, [SERVING], launches=6, output_dir=str(tmp_path), analysis={"slo": SLO})
    plan["engines"][1]["server"] = {"running": {"base_url": "http://127.0.0.1:9", "api_key_env": None}}
    write_inputs(tmp_path, engines, raw, plan)
    (tmp_path / "load_calibration.json").write_text(json.dumps(CALIBRATION))
    run_analysis(tmp_path, engines, plan)
    capacity, *_ = json.loads((tmp_path / "summary.json").read_text())["answer"]["under_load"]
    assert capacity.endswith("(server more than torch, not confirmed).")
    statistics = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    (four,) = [one for one in statistics["comparisons"] if (one["case"], one["metric"]) == ("c4", "e2e_ms")]
    # The client's error of 0.2 % is not what keeps a ratio of 4 from being confirmed.
    assert four["client_allowance"] > 0 and "client_error" not in four["qualifiers"]
    assert four["verdict"] == "significant_unconfirmed" and "by chance" not in four["sentence"]


@pytest.mark.parametrize(("sent", "told"), [(2.0, "2.00"), (1.51, "2.00 (1.51 sent)"), (2.0001, "2.00")])
def test_the_table_tells_the_rate_that_was_sent_where_it_is_another(sent: float, told: str) -> None:
    results: Any = SimpleNamespace(load=lambda *_: {"due_requests_per_s": 2.0, "achieved_requests_per_s": sent})
    assert _came(results, "torch", Cell("arrivals", "r2")) == {"arrived": told}


def test_capacities_in_two_grids_of_a_workload_are_told_apart(tmp_path: Path) -> None:
    both = ScriptedWorkload("serving", ((8, 5), (16, 5)), load=ScriptedLoad(concurrency=(1, 2), requests=6))
    write_results(tmp_path, [ScriptedEngine("torch", slots=1, **TIMES)], [both], launches=2, analysis={"slo": SLO})
    told = json.loads((tmp_path / "summary.json").read_text())["answer"]["under_load"]
    held = [words.partition(") in ")[2] for words in told if words.startswith("Within the limits")]
    assert [words.partition(": ")[0] for words in held] == ["serving, case_1", "serving, case_2"]


def test_launches_that_lie_between_both_ends_of_the_levels_are_told_with_what_helps(tmp_path: Path) -> None:
    # Four slots at times, and answers that take too long even alone at others.
    torn = ScriptedEngine("torn", slots=4, ttft_ms=60.0, itl_ms=10.0, launch_spread=0.9)
    found = summary_of(tmp_path, ScriptedEngine("torch", slots=1, **TIMES), torn)
    (row,) = (one for one in found["load"]["capacity"]["engines"] if one["engine"] == "torn")
    assert (row["capacity"]["low"]["bound"], row["capacity"]["high"]["bound"]) == ("<", ">=")
    anything = "Launches of torn hold anything from less than 1 to at least 4 requests in flight in serving"
    assert f"{anything}: measure more launches, or on a quieter machine." in found["answer"]["under_load"]


def test_levels_are_folded_in_the_table_and_what_all_pairs_share_is_told_once(tmp_path: Path) -> None:
    engines = [ScriptedEngine(name, slots=slots, **TIMES) for name, slots in (("torch", 1), ("one", 4), ("two", 4))]
    summary_of(tmp_path, *engines)
    table = (tmp_path / "comparison_table.md").read_text()
    before, _, folded = table.partition("<details>\n<summary>All pairs in serving, level by level</summary>\n\n")
    assert "## serving under load" in before and "## serving with" not in before
    levels = folded.partition("</details>")[0]
    assert levels.count("## serving with ") == 3 and levels.count("Of all verdicts in the table of engines: ") == 3
    assert levels.count("6 launches each") == 3  # of two pairs at each of three levels
