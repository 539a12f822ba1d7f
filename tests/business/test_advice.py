"""Advice follows from verdicts and from nothing else."""

from __future__ import annotations

import pytest

from benchmark_runner.business.advice import recommendations

PERFORMANCE = {"headline": {"latency": {"metric": "e2e_ms"}}}


def engine(name, control_of=None, fidelity="pass"):
    return {"name": name, "control_of": control_of, "fidelity": {"result": fidelity, "detail": None}}


def pair(a, b, verdict, faster=None, qualifiers=(), kind="primary", metric="e2e_ms"):
    return {
        "workload": "chat",
        "case": "case_1",
        "metric": metric,
        "engine": a,
        "reference": b,
        "kind": kind,
        "verdict": verdict,
        "faster": faster,
        "qualifiers": list(qualifiers),
        "sentence": f"{a} against {b}",
    }


def advise(comparisons, engines=("a", "b")):
    made = [engine(name) if isinstance(name, str) else name for name in engines]
    return recommendations({"engines": made, "comparisons": comparisons}, PERFORMANCE)


def test_a_confirmed_winner_is_advised_with_its_reason():
    found = advise([pair("a", "b", "confirmed_faster", "a")])[0]
    assert (found["engine"], found["strength"]) == ("a", "firm")
    assert "use a: a against b." in found["sentence"]
    assert found["because"][0]["verdict"] == "confirmed_faster"


def test_the_reference_can_win():
    assert advise([pair("a", "b", "meaningfully_faster", "b")])[0]["engine"] == "b"


@pytest.mark.parametrize("verdict", ["inconclusive", "untestable", "significant_unconfirmed"])
def test_there_is_no_advice_where_the_data_do_not_decide(verdict):
    found = advise([pair("a", "b", verdict, "a" if verdict == "significant_unconfirmed" else None)])[0]
    assert (found["engine"], found["strength"]) == (None, "none")
    assert "there is no advice" in found["sentence"]
    assert verdict.replace("_", " ") in found["sentence"]


def test_a_winner_has_to_beat_every_other_engine():
    comparisons = [
        pair("a", "b", "confirmed_faster", "a"),
        pair("a", "c", "inconclusive"),
        pair("b", "c", "confirmed_faster", "c"),
    ]
    assert advise(comparisons, ("a", "b", "c"))[0]["engine"] is None
    comparisons[1] = pair("a", "c", "confirmed_faster", "a")
    assert advise(comparisons, ("a", "b", "c"))[0]["engine"] == "a"


def test_equal_engines_are_to_be_chosen_by_something_else():
    found = advise([pair("a", "b", "equivalent")])[0]
    assert found["strength"] == "firm"
    assert "equally fast" in found["sentence"]


def test_a_qualifier_makes_advice_provisional_and_is_said():
    found = advise([pair("a", "b", "confirmed_faster", "a", ["noisy", "drift"])])[0]
    assert found["strength"] == "provisional"
    assert "the machine drifted while it was measured, and the measurements are noisy" in found["sentence"]


def test_an_engine_that_computes_another_model_is_never_advised():
    engines = (engine("a", fidelity="fail"), "b")
    found = advise([pair("a", "b", "confirmed_faster", "a", ["fidelity_fail"])], engines)
    assert [one["engine"] for one in found] == [None, "a"]
    assert "not advised at any speed" in found[1]["sentence"]


def test_the_control_and_other_metrics_advise_nothing():
    engines = ("a", engine("a_control", control_of="a"))
    comparisons = [
        pair("a_control", "a", "confirmed_faster", "a", kind="control"),
        pair("a", "b", "confirmed_faster", "a", kind="exploratory", metric="ttft_ms"),
    ]
    found = advise(comparisons, engines)
    assert [one["strength"] for one in found] == ["none"]
    assert "No two engines were measured" in found[0]["sentence"]
