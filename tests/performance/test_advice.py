"""Advice follows from verdicts and from nothing else; engines that did not finish stand back without silencing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from benchmark_runner.performance.advice import Advice, advise, places, places_listed, statements
from benchmark_runner.statistics.results import Cell, Results

CELL = Cell("chat", "case_1")


def engine(name: str, latency_ms: float | None = 10.0, **options: Any) -> dict[str, Any]:
    told = {"control_of": None, "lost_launches": None, "reason": None if latency_ms else "cargo is missing"}
    told |= {"fidelity": {"result": options.pop("fidelity", "pass"), "detail": None}}
    told |= {"device": "cpu", "launches": {"ok": 5} if latency_ms else {"unavailable": 5}}
    return {"name": name, "latency_ms": latency_ms, **told, **options}


def pair(a: str, b: str, verdict: str, faster: str | None = None, **options: Any) -> dict[str, Any]:
    return {
        "workload": "chat",
        "case": "case_1",
        "metric": "e2e_ms",
        "engine": a,
        "reference": b,
        "kind": "primary",
        "verdict": verdict,
        "faster": faster,
        "qualifiers": [],
        "sentence": f"{a} against {b}; 5 launches each",
        "footnote": None,
        "ratio": {"point": 2.0, "low": 1.9, "high": 2.1, "level": 0.95},
        "reason": None,
        "launches_needed": None,
        "detectable_ratio": None,
        **options,
    }


def results_of(engines: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> Results:
    cells = [
        {
            "engine": one["name"],
            "workload": "chat",
            "case": "case_1",
            "prompt_tokens": 5,
            "answer_tokens": 16,
            "metrics": {
                "e2e_ms": {
                    "median": one["latency_ms"],
                    "median_interval": None,
                    "without_outliers": None,
                    "reason": one["reason"],
                }
            },
        }
        for one in engines
    ]
    campaign = {"baseline": engines[0]["name"], "launches": 5}
    settings = {"remove_outliers": False}
    return Results(
        {"engines": engines, "cells": cells, "comparisons": pairs, "campaign": campaign, "settings": settings}
    )


def advice(engines: Sequence[dict[str, Any]], *pairs: dict[str, Any]) -> Advice:
    return advise(results_of(engines, pairs), CELL)


A, B, C = engine("a", 5.0), engine("b", 10.0), engine("c", 20.0)


def test_a_confirmed_winner_is_advised_with_its_reason() -> None:
    found = advice([A, B], pair("a", "b", "confirmed_faster", "a"))
    assert (found.engine, found.strength) == ("a", "firm")
    assert found.words == "Take a for the shortest answers in chat: a against b; 5 launches each."
    assert found.answer == "a answers fastest in chat: 2.00 times as fast as b (1.90 to 2.10, 95 %)."
    assert found.because[0]["verdict"] == "confirmed_faster"


def test_the_reference_can_win() -> None:
    assert advice([A, B], pair("b", "a", "meaningfully_faster", "a")).engine == "a"


@pytest.mark.parametrize("verdict", ["inconclusive", "untestable", "significant_unconfirmed"])
def test_there_is_no_advice_where_the_data_do_not_decide(verdict: str) -> None:
    found = advice([A, B], pair("a", "b", verdict, "a" if verdict == "significant_unconfirmed" else None))
    assert (found.engine, found.strength) == (None, "none")
    assert "The data do not say which of a and b answers fastest in chat" in found.words


def test_few_launches_of_engines_that_are_alike_are_not_said_to_be_beyond_cure() -> None:
    few = {"reason": "too few launches: 3 cannot reach significance over 3 comparisons, 5 can", "detectable_ratio": 1.4}
    alike, apart = pair("a", "b", "untestable", **few), pair("a", "c", "untestable", **few, launches_needed=7)
    assert "No affordable number of launches" in advice([A, B], alike).words
    words = advice([A, B, C], alike, apart, pair("b", "c", "untestable", **few)).words
    assert words == "The data do not say which of a, b and c answers fastest in chat."


def test_a_winner_has_to_beat_every_other_engine() -> None:
    clear = [pair("b", "c", "confirmed_faster", "b"), pair("a", "c", "confirmed_faster", "a")]
    open_pair = advice([A, B, C], pair("a", "b", "inconclusive"), *clear)
    assert open_pair.engine is None and open_pair.words.startswith("a and b share the lead in chat; the next is c: ")
    assert open_pair.answer.startswith("a and b share the lead in chat; the next is c: a is 2.00 times as fast as c")
    assert advice([A, B, C], pair("a", "b", "confirmed_faster", "a"), *clear).engine == "a"


def test_equal_engines_are_to_be_chosen_by_something_else() -> None:
    found = advice([A, B], pair("a", "b", "equivalent"))
    assert found.strength == "firm"
    assert "choose by memory, cost or features" in found.words


def test_a_qualifier_makes_advice_provisional_and_is_said_in_words() -> None:
    found = advice([A, B], pair("a", "b", "confirmed_faster", "a", qualifiers=["noisy", "drift", "few_undisturbed"]))
    assert found.strength == "provisional"
    assert found.words.endswith(" But times vary by 10 % or more, and times drift over the campaign.")


@pytest.mark.parametrize("gone", [engine("gone", None), engine("gone", 1.0, fidelity="fail")])
def test_an_engine_out_of_the_ranking_leaves_advice_on_the_others(gone: dict[str, Any]) -> None:
    untold = [pair("gone", other, "untestable") for other in ("a", "b")]
    found = advice([A, B, gone], pair("a", "b", "confirmed_faster", "a"), *untold)
    assert (found.engine, found.strength) == ("a", "firm") and "gone" not in found.words


def test_an_engine_that_lost_launches_is_never_advised_and_leaves_advice_on_the_others() -> None:
    broken = engine("quick", 1.0, lost_launches="failed in 5 of 10 launches")
    pairs = [pair("quick", other, "meaningfully_faster", "quick") for other in ("a", "b")]
    found = advice([A, B, broken], pair("a", "b", "confirmed_faster", "a"), *pairs)
    assert (found.engine, found.strength) == ("a", "firm")
    assert found.words.endswith(
        " quick failed in 5 of 10 launches, so it ranks behind engines that lost none, although in chat, in launches "
        "that ended well, quick against a."
    )


@pytest.mark.parametrize("lost_by_all", [True, False])
def test_nobody_is_advised_where_fewer_than_two_engines_finished(lost_by_all: bool) -> None:
    broken = engine("quick", 1.0, lost_launches="lost 2 of 10 launches (2 timed out)")
    other = engine("a", 5.0, lost_launches="failed in 1 of 10 launches" if lost_by_all else None)
    found = advice([other, broken], pair("quick", "a", "meaningfully_faster", "quick"))
    assert (found.engine, found.strength) == (None, "none")
    who = "No engine" if lost_by_all else "Only a"
    assert found.answer == f"{who} finished all its launches, so none is called the fastest in chat."
    assert "quick lost 2 of 10 launches (2 timed out)" in found.words


def test_an_engine_that_computes_another_model_is_told_apart_from_the_advice() -> None:
    wrong = engine("a", 5.0, fidelity="fail")
    plan = {"workloads": [{"name": "chat", "cases": [{"name": "case_1"}]}]}
    found = statements(results_of([wrong, B], [pair("a", "b", "untestable")]), plan)
    assert [(one["kind"], one["engine"]) for one in found] == [("latency", None), ("fidelity", "a")]
    assert "not advised at any speed" in found[1]["sentence"]


def test_the_control_and_other_metrics_advise_nothing() -> None:
    twin = engine("a_control", 5.0, control_of="a")
    other = pair("a", "b", "confirmed_faster", "a", kind="exploratory", metric="ttft_ms")
    found = advice([A, twin], pair("a_control", "a", "confirmed_faster", "a", kind="control"), other)
    assert (found.engine, found.strength) == (None, "none")
    assert found.words == "Only a was measured, so there is nothing to compare it with."


def test_a_case_is_named_where_a_workload_has_several() -> None:
    results = results_of([A, B], [pair("a", "b", "confirmed_faster", "a")])
    results.summary["cells"].append({**results.summary["cells"][0], "case": "case_2"})
    assert "in chat, case_1" in advise(results, CELL).words


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("summary", "case_1")], "summary, case_1"),
        ([("chat", None), ("summary", "case_1"), ("summary", "case_2")], "chat and summary (case_1 and case_2)"),
        ([("a", "case_2"), ("b", None), ("c", "case_1")], "a (case_2), b and c (case_1)"),
    ],
)
def test_of_several_places_one_sees_where_each_ends(parts: list[tuple[str, str | None]], words: str) -> None:
    assert places_listed(parts) == words


def test_test_cases_of_one_workload_are_told_together() -> None:
    results = results_of([A, B], [])
    first = results.summary["cells"][0]
    results.summary["cells"] += [{**first, "case": "case_2"}, {**first, "case": "case_3"}]
    assert places(results, [CELL, Cell("chat", "case_3")]) == "chat (case_1 and case_3)"


def test_engines_that_took_exactly_the_same_time_have_none_ahead() -> None:
    twins = engine("a", 5.0), engine("b", 5.0)
    answer = advice(twins, pair("b", "a", "untestable", ratio=None)).answer
    assert answer == "a and b took the same time in chat."


def test_an_engine_is_not_alone_in_being_measured_where_another_may_not_be_ranked() -> None:
    wrong = engine("b", fidelity="fail")
    assert advice([A, wrong]).answer == "Only a can be ranked, so there is nothing to compare it with."
    results = results_of([A, wrong], [])
    results.summary["cells"].append({**results.summary["cells"][0], "case": "case_2"})
    assert advise(results, CELL).answer.startswith("Only a can be ranked in chat, case_1, so there is nothing")
    unlike = engine("a", fidelity="fail"), wrong
    assert advice(unlike).answer == "No engine that was measured can be ranked, so there is no answer yet."


def test_members_of_a_leading_group_are_named_with_their_devices_where_these_differ() -> None:
    pairs = pair("b", "a", "untestable"), pair("c", "a", "meaningfully_faster", "a"), pair("c", "b", "untestable")
    answer = advice([A, engine("b", 7.0, device="cuda:0"), C], *pairs).answer
    assert answer.startswith("a on cpu and b on cuda:0 (devices are not compared) share the lead in chat; ")
