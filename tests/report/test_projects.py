"""Engines as projects in the report: what was measured, dated facts, and the way from the baseline to each."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from benchmark_runner.display import TIMES, significant
from benchmark_runner.report.projects import gain_words, leads, losses
from benchmark_runner.statistics.metrics import BY_NAME
from finished import finish, read
from records import ScriptedEngine, ScriptedWorkload

from .conftest import Page

ENGINES = (
    ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0),
    ScriptedEngine("llama_cpp", ttft_ms=50.0, itl_ms=50.0),
    ScriptedEngine("home_made", ttft_ms=90.0, itl_ms=90.0),
)
POOL = {"name": "chat", "requests_per_day": 86_400, "prompt_tokens": 4, "answer_tokens": 10}
ADOPT = "What it takes to adopt and run each engine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    business = {"usd_per_hour": 0.36, "demand": {"spare": 0.0, "pools": [POOL]}}
    workloads = (ScriptedWorkload("chat", ((4, 10),)),)
    return finish(tmp_path_factory.mktemp("projects"), ENGINES, workloads, plots=False, business=business)


@pytest.fixture(scope="module")
def told(folder):
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def business(folder):
    return read(folder, "analysis/business_recommendations.json")


def test_each_engine_has_a_row_and_a_column_stands_for_what_some_engine_has(told):
    rows = {row[0].split(" ")[0]: row for row in told.table(ADOPT)}
    assert list(rows) == [engine.name for engine in ENGINES]
    assert rows["llama_cpp"][2].startswith("medium the weights have to be converted")
    assert rows["pytorch_baseline"][2] == "the baseline" and rows["home_made"][1] == "unknown"
    assert "Load and first token" in told.text and "lines of code" not in told.text


def test_facts_and_metrics_are_named_by_their_labels_and_never_by_their_keys(told, business):
    facts = {name for part in ("risk_assessment", "development_effort") for name in business[part][0]["facts"]}
    keys = {key for key in facts | BY_NAME.keys() if "_" in key}
    shown = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", told.text, flags=re.DOTALL)
    assert keys & set(re.findall(r"\w+", shown)) == set()
    assert "not known: languages, formats, model code" in shown


def test_every_fact_and_figure_is_told_with_its_source_or_the_reason(told, business):
    for part in ("risk_assessment", "development_effort", "operational_overhead"):
        for engine in business[part]:
            rows = {row[0]: row[1:] for row in told.table(f"Facts and figures of {engine['engine']}")}
            for name, fact in engine["facts"].items():
                known, as_of, source = rows[name.replace("_", " ")]
                assert known.startswith(" ".join(str(fact["value"] or fact.get("reason")).split()))
                assert as_of == (fact["as_of"] or "—") and source == (fact["source"] or "—")
            for figure in engine.get("measured", {}).values():
                assert [figure["origin"]] == [row[2] for row in rows.values() if row[2] == figure["origin"]][:1]
                assert figure["value"] is not None or f"not known: {figure['reason']}" in told.text


def test_the_way_from_the_baseline_to_an_engine_has_its_steps_in_order(told, business):
    paths = {path["engine"]: path for path in business["migration_paths"]}
    assert [words for level, words in told.headings if level == 3 and words.startswith("From ")] == [
        f"From pytorch_baseline to {engine}" for engine in paths
    ]
    text = told.text.partition("From pytorch_baseline to llama_cpp")[2].partition("</details>")[0]
    places = [text.index(step.partition(":")[0]) for step in paths["llama_cpp"]["steps"]]
    assert places == sorted(places)
    assert "Lost: " in text and "Effort: medium" in text and "2.00" in text


def test_the_fleet_for_a_stated_demand_is_in_the_page(told, business):
    found = business["cost_optimization"]["fleet"]
    rows = told.table("whole numbers of machines, chosen by integer programming")
    assert [row[:3] for row in rows] == [[one["engine"], one["pool"], str(one["count"])] for one in found["machines"]]
    assert "USD a month" in told.text and "The next best, " in told.text


def test_memory_is_told_with_the_smallest_machines_that_hold_it(told, business):
    row = next(one for one in business["hardware_requirements"] if one["engine"] == "llama_cpp")
    longest = max(one["context_tokens"] for one in row["machines"])
    machines = [one["smallest"][0]["price_id"] for one in row["machines"] if one["context_tokens"] == longest]
    shown = {one[0]: one for one in told.table(f"machines for requests of {longest:,} tokens")}["llama_cpp"]
    assert shown[1:5] == ["500 MB bf16", "1.02 kB 14.3 kB at 14 tokens; 2.10 MB at 2,048 tokens", "1.00 GB", "—"]
    assert [cell.split(" ")[0] for cell in shown[5:]] == machines


def answered(*cells, **engines):
    """Inputs of a page whose answer has these leading groups by level of one load."""
    results = SimpleNamespace(load_words=lambda cell: f"with {cell.case} requests in flight", engines=engines)
    answer = [{"workload": "serving", "case": case, "leading": leading} for case, leading in cells]
    return SimpleNamespace(results=results, summary={"answer": {"workloads": answer}})


def test_an_engine_that_is_not_told_from_others_is_no_leader():
    seen = answered(("2", ["own"]), ("4", ["base", "own"]), ("8", ["base", "own"]), ("16", ["base"]))
    assert leads(seen, "own") == [
        "Leads in serving with 2 requests in flight",
        "In the leading group with base in serving with 4 requests in flight and serving with 8 requests in flight",
    ]
    assert leads(seen, "other") == []


@pytest.mark.parametrize(("ratio", "words"), [(0.74, "meaningfully slower"), (1.35, "meaningfully faster")])
def test_an_engine_that_is_slower_than_the_baseline_is_not_called_faster(ratio, words):
    seen = SimpleNamespace(results=SimpleNamespace(load_words=lambda cell: f"with {cell.case} requests in flight"))
    gain = {"workload": "serving", "case": "2", "ratio_to_baseline": ratio, "ratio_interval": None}
    told = gain_words(seen, {**gain, "verdict": "meaningfully_faster", "reason": None})
    assert told == f"{significant(ratio)}{TIMES} the baseline's speed in serving with 2 requests in flight, {words}"


def test_a_load_that_only_the_baseline_serves_is_lost():
    refused = {"bursts": "serves no open loop", "calls": "serves no stream"}
    seen = answered(base={"refused_loads": {"calls": "serves no stream"}}, own={"refused_loads": refused})
    path = {"baseline": "base", "engine": "own", "features_lost": [{"kind": "server", "items": ["TLS"]}]}
    assert losses(seen, path) == ["server: TLS", "bursts (serves no open loop)"]
    assert losses(answered(base={}, own={}), path | {"features_lost": []}) == []
