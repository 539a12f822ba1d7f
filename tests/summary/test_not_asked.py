"""A campaign in which one engine cannot serve a test case: it is measured in the others, and nothing pools both."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.performance.ranking import best_by_throughput
from benchmark_runner.plots.memory import memory_rows
from benchmark_runner.records.raw_data import read_heads, require_raw_data
from benchmark_runner.report import campaign, projects
from benchmark_runner.report.overview import served_by_all
from benchmark_runner.schemas import violations
from benchmark_runner.statistics.results import Cell, Results
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs
from scripted_load import ScriptedLoad

TIMES: dict[str, Any] = {"ttft_ms": 20.0, "itl_ms": 10.0, "launch_spread": 0.005}
ENGINES = [
    ScriptedEngine("torch", slots=1, **TIMES),
    ScriptedEngine("server", slots=8, **TIMES),
    ScriptedEngine("burn", slots=4, **TIMES),
]
SLO = {"ttft_ms": 100, "tpot_ms": None, "itl_p99_ms": None, "e2e_ms": None, "share": 0.9}
WHY = "burn-bench serves at most 2 requests at once"
WORDS = f"burn was not asked for c4 of serving: {WHY}"
OVER_CASES = ("energy_joules_per_token", "cpu_percent", "gpu_utilization_percent")


def serving(*levels: int) -> ScriptedWorkload:
    return ScriptedWorkload("serving", ((8, 5),), load=ScriptedLoad(concurrency=levels, requests=12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torch and server were asked for 1, 2 and 4 requests in flight, burn for 1 and 2."""
    folder = tmp_path_factory.mktemp("not_asked")
    options: dict[str, Any] = {"launches": 6, "output_dir": str(folder), "analysis": {"slo": SLO}}
    raw, plan = make_raw_data(ENGINES, [serving(1, 2, 4)], **options)
    less, _ = make_raw_data(ENGINES, [serving(1, 2)], **options)
    raw["burn"] = less["burn"]
    plan["not_asked"] = [{"engine": "burn", "workload": "serving", "case": "c4", "reason": WHY}]
    write_inputs(folder, ENGINES, raw, plan)
    run_analysis(folder, ENGINES, plan)
    return folder


@pytest.fixture(scope="module")
def statistics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(folder / "analysis" / "statistical_summary.json")
    assert violations("statistical_summary", content) == []
    return content


def compared(statistics: dict[str, Any], metric: str, **place: Any) -> dict[frozenset[str], dict[str, Any]]:
    return {
        frozenset((one["engine"], one["reference"])): one
        for one in statistics["comparisons"]
        if one["metric"] == metric and place.items() <= one.items()
    }


def test_its_other_cases_are_compared_with_all_and_the_case_among_those_who_have_it(statistics):
    own, other = frozenset(("burn", "torch")), frozenset(("server", "torch"))
    for case in ("c1", "c2"):
        found = compared(statistics, "e2e_ms", case=case)
        assert all(one["ratio"] is not None and one["paired"] for one in found.values()) and len(found) == 3
    found = compared(statistics, "e2e_ms", case="c4")
    assert (found[own]["ratio"], found[own]["verdict"], found[own]["reason"]) == (None, "untestable", WORDS)
    assert found[other]["verdict"] == "meaningfully_faster" or found[other]["verdict"] == "confirmed_faster"
    assert compared(statistics, "output_tokens_per_s", case="c4")[own]["reason"] == WORDS
    family = statistics["families"]["all_pairs"]
    assert (family["planned"], family["tests"]) == (9, 7)


def test_the_cell_is_there_without_figures_and_says_why(statistics):
    cells = {(one["engine"], one["case"]): one for one in statistics["cells"]}
    assert {cells["burn", "c4"]["metrics"][name]["reason"] for name in ("e2e_ms", "requests_per_s")} == {WORDS}
    assert cells["burn", "c4"]["launches"] == 0 and cells["burn", "c2"]["launches"] == 6
    (burn,) = (one for one in statistics["engines"] if one["name"] == "burn")
    assert (burn["status"], burn["launches"], burn["not_asked"]) == ("ok", {"ok": 6}, {"serving": {"c4": WHY}})
    told = [one for one in statistics["warnings"] if one["engine"] == "burn"]
    assert [(one["kind"], one["severity"], one["message"]) for one in told] == [("case_not_asked", "note", WORDS)]


def test_no_figure_of_whole_launches_is_compared_over_unequal_cases(statistics):
    own, other = frozenset(("burn", "torch")), frozenset(("server", "torch"))
    for metric in ("peak_rss_bytes", *OVER_CASES):
        found = compared(statistics, metric, case=None)
        assert found[own]["ratio"] is None and found[own]["reason"].startswith(WORDS), metric
    assert compared(statistics, "peak_rss_bytes", case=None)[other]["ratio"] is not None
    assert compared(statistics, "load_ms", case=None)[own]["ratio"] is not None
    (whole,) = (one for one in statistics["cells"] if (one["engine"], one["case"]) == ("burn", None))
    assert all(whole["metrics"][metric]["median"] is None for metric in OVER_CASES)
    assert whole["metrics"]["peak_rss_bytes"]["median"] is not None


def test_a_capacity_is_that_of_the_levels_asked_for_and_is_compared_with_none_of_others(statistics):
    rows = {one["engine"]: one for one in statistics["capacity"]["engines"]}
    assert rows["burn"]["not_asked"] == ["c4"] and "not_asked" not in rows["server"]
    assert rows["burn"]["capacity"]["text"] == "at least 2 requests in flight"
    assert rows["server"]["capacity"]["text"] == "at least 4 requests in flight"
    told = {
        frozenset((one["engine"], one["reference"])): one
        for one in statistics["capacity"]["comparisons"]
        if one["quantity"] == "capacity"
    }
    assert told[frozenset(("burn", "server"))]["reason"] == WORDS
    assert told[frozenset(("torch", "server"))]["reason"] is None


def test_answer_and_table_say_who_was_not_asked(folder):
    summary = read_json(folder / "summary.json")
    assert violations("summary", summary) == []
    assert f"{WORDS}." in summary["answer"]["under_load"]
    assert not any("Nothing above" in words and "burn" in words for words in summary["answer"]["under_load"])
    assert summary["answer"]["failed"] == []
    leading = {one["case"]: {*one["leading"]} for one in summary["answer"]["workloads"]}
    assert leading == {"c1": {"torch", "server", "burn"}, "c2": {"server", "burn"}, "c4": {"server"}}
    table = (folder / "comparison_table.md").read_text()
    assert f"- {WORDS}." in table and f"burn: no measurement, since {WHY}" in table
    assert f"{WORDS}; its peak memory is that of the other test cases" in table


def test_the_highest_throughput_is_looked_for_where_all_were_asked(statistics):
    results = Results(statistics)
    throughput = Cell("serving", "c4")
    best = best_by_throughput(results, ["torch", "server", "burn"], throughput)
    assert best is not None and best["load"] == "with 2 requests in flight"
    best = best_by_throughput(results, ["torch", "server"], throughput)
    assert best is not None and (best["engine"], best["load"]) == ("server", "with 4 requests in flight")


def test_memory_of_unequal_cases_is_no_efficiency(folder):
    rows = read_json(folder / "analysis" / "performance_analysis.json")["efficiency"]
    found = {(one["engine"], one["case"]): one for one in rows}
    assert found["burn", "c2"]["tokens_per_s_per_gb"] is None
    assert found["burn", "c2"]["tokens_per_s_per_gb_reason"] == WORDS
    assert found["server", "c2"]["tokens_per_s_per_gb"] is not None


def test_raw_data_names_the_cases_that_were_asked_for(folder):
    (raw,) = folder.glob("raw_data/burn.json")
    assert [case["name"] for case in read_heads(raw)["workloads"][0]["cases"]] == ["c1", "c2"]
    require_raw_data(raw)


def test_the_report_lists_it_and_compares_memory_elsewhere(statistics):
    burn = {"name": "burn", "status": "ok", "not_asked": {"serving": {"c4": WHY}}}
    whole = {"name": "server", "status": "ok"}
    (row,) = campaign.without_result(SimpleNamespace(engines=[burn, whole], signs={}, records=[])).rows
    assert [cell.text for cell in row[:4]] == ["burn", "without c4 of serving", "not asked", WHY]
    plan = {"workloads": [{"name": "serving"}, {"name": "chat"}]}
    seen = SimpleNamespace(statistics={"engines": [burn, whole]}, plan=plan)
    assert served_by_all(seen, ["burn", "server"]) == ["chat"]
    assert served_by_all(seen, ["burn"]) == ["serving", "chat"]
    results = SimpleNamespace(engines={"burn": burn, "server": whole})
    lost: Any = SimpleNamespace(results=results, places={("serving", "c4"): "serving with 4 requests in flight"})
    path = {"baseline": "server", "engine": "burn", "features_lost": []}
    assert projects.losses(lost, path) == [f"serving with 4 requests in flight ({WHY})"]
    assert list(Results(statistics).not_asked_sentences(["burn", "server"])) == [WORDS]


def test_a_folder_of_before_in_which_the_workload_was_refused_reads_as_it_did(tmp_path):
    options: dict[str, Any] = {"launches": 3, "output_dir": str(tmp_path)}
    chat = ScriptedWorkload("chat", ((8, 5),), iterations=4)
    raw, plan = make_raw_data(ENGINES, [serving(1, 4), chat], **options)
    for record in raw["burn"]["launches"]:
        if record["workload"] == "serving":
            record |= {"status": "unavailable", "reason": WHY, "load": None}
            for part in ("requests", "stages"):
                record.pop(part)
    write_inputs(tmp_path, ENGINES, raw, plan)
    run_analysis(tmp_path, ENGINES, plan)
    (burn,) = (
        one
        for one in json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())["engines"]
        if one["name"] == "burn"
    )
    assert burn["refused_loads"] == {"serving": WHY} and "not_asked" not in burn


def test_the_picture_of_memory_says_whose_launches_had_fewer_cases(folder, statistics):
    performance = read_json(folder / "analysis" / "performance_analysis.json")
    notes = {row.name: row.note for row in memory_rows(statistics, performance, "peak_rss_bytes")}
    assert notes["burn"] == "6 launches, not of all test cases" and notes["server"] == "6 launches"
