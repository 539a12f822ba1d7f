"""Two campaigns through the stage: what is compared, what is not, and in which words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from benchmark_runner.statistics.metrics import METRICS
from comparison_case import changed, engine, primary
from finished import make_environment
from scripted_launch import ScriptedWorkload
from scripted_load import ScriptedLoad


@pytest.mark.parametrize(
    ("itl_ms", "verdict", "outcome"),
    [(11.0, "regression", "regression"), (10.0, "no_regression", "no_regression"), (9.0, "improved", "no_regression")],
)
def test_a_slower_engine_is_a_regression_and_a_faster_one_is_none(compared, itl_ms, verdict, outcome):
    known = engine("burn", version="3.0"), engine("burn_control", version="3.0", control_of="burn")
    document = compared({"engines": [*known, engine()]}, {"engines": [*known, changed(itl_ms=itl_ms)]})
    found = primary(document)
    assert (found["verdict"], document["outcome"]["verdict"]) == (verdict, outcome)
    # 20 ms to the first token and 10 gaps.
    assert found["ratio"]["point"] == pytest.approx((20 + 10 * 10) / (20 + 10 * itl_ms), rel=0.01)
    assert found["before"]["launches"] == found["after"]["launches"] == 10


def test_an_engine_that_loses_more_of_its_launches_is_no_pass(compared):
    lost = {("latency_test", block): "failed" for block in (2, 5)}
    found = primary(compared({"engines": [engine()]}, {"engines": [engine(statuses=lost)]}))
    assert (found["verdict"], found["reason"]) == (
        "cannot_tell",
        "candle failed in 2 of 10 launches after, before it lost none",
    )
    assert "lost_launches" in found["qualifiers"]
    same = primary(compared({"engines": [engine(statuses=lost)]}, {"engines": [engine(statuses=lost)]}))
    assert same["verdict"] == "no_regression"
    slower = primary(compared({"engines": [engine()]}, {"engines": [changed(itl_ms=12.0, statuses=lost)]}))
    assert slower["verdict"] == "regression"


def test_every_sentence_says_that_the_two_did_not_run_side_by_side(compared):
    document = compared({"engines": [engine()]}, {"engines": [changed(itl_ms=11.0)]})
    assert all("did not run side by side" in one["sentence"] for one in document["comparisons"])
    assert "regression in latency_test, case_1: candle after answers 0.9" in primary(document)["sentence"]
    assert "worse by more than 2 %: both tests agree at the 95 % level" in primary(document)["sentence"]


def test_every_metric_is_compared_and_only_those_of_the_terms_decide(compared):
    document = compared({"engines": [engine()]}, {"engines": [changed(itl_ms=11.0)]}, metrics=["ttft_ms"])
    assert Counter(one["metric"] for one in document["comparisons"]) == dict.fromkeys((one.name for one in METRICS), 1)
    assert [one["metric"] for one in document["comparisons"] if one["gates"]] == ["ttft_ms"]
    assert primary(document)["verdict"] == "regression"
    assert document["outcome"]["verdict"] == "cannot_tell"


def test_the_margin_of_the_terms_counts(compared):
    document = compared({"engines": [engine()]}, {"engines": [engine(itl_ms=10.4)]}, margin=0.05)
    assert primary(document)["verdict"] == "no_regression"
    assert "not worse by more than 5 %" in primary(document)["sentence"]


def test_differences_stand_first_in_both_files_and_in_the_sentences(compared, tmp_path):
    system = {**make_environment()["operating_system"], "kernel": "6.2"}
    other = make_environment(host={"hostname": "other-host"}, operating_system=system)
    document = compared({"engines": [engine()]}, {"engines": [engine()], "environment": other})
    assert list(document)[:3] == ["schema_version", "kind", "differences"]
    assert document["differences"][0]["fact"] == "host.hostname"
    assert "the machine is another one" in primary(document)["sentence"]
    page = (tmp_path / "comparison.md").read_text()
    assert page.index("| machine | all | scripted-host | other-host |") < page.index("| kernel | all | 6.1 | 6.2 |")
    assert page.index("| kernel |") < page.index("| candle | latency_test, case_1 | end-to-end latency |")


def test_the_table_names_each_verdict_and_its_sentence(compared, tmp_path):
    document = compared({"engines": [engine()]}, {"engines": [changed(itl_ms=11.0)]})
    page = (tmp_path / "comparison.md").read_text()
    assert "| engine version | candle | 1.0 | 2.0 |" in page
    assert "| regression (1) |" in page
    assert f"1. {primary(document)['sentence']}" in page
    assert document["outcome"]["words"] in page


def test_the_control_is_no_engine_of_the_comparison(compared):
    engines = [engine(), engine("candle_control", control_of="candle")]
    document = compared({"engines": engines}, {"engines": engines})
    assert {one["engine"] for one in document["comparisons"]} == {"candle"}


@pytest.mark.parametrize(("itl_ms", "verdict"), [(10.4, "cannot_tell"), (20.0, "regression")])
def test_a_control_that_differs_takes_its_size_from_every_verdict(compared, itl_ms, verdict):
    known = [engine("burn", version="3.0"), engine("burn_control", version="3.0", control_of="burn")]
    biased = [known[0], replace(known[1], itl_ms=11.0)]
    found = primary(compared({"engines": [*known, engine()]}, {"engines": [*biased, changed(itl_ms=itl_ms)]}))
    assert found["verdict"] == verdict
    # 20 ms to the first token and 10 gaps.
    assert found["allowance"] == pytest.approx(10 / 120, rel=0.1)
    assert "by which the control differed from its twin in the campaign after" in found["sentence"]
    assert ("control_differs" in found["qualifiers"]) == (verdict == "cannot_tell")


def test_answers_that_became_shorter_are_no_improvement(compared):
    def heed_eos(raw):
        for launch in raw["candle"]["launches"]:
            launch["spec"]["cases"][0]["ignore_eos"] = False

    def end_early(raw):
        heed_eos(raw)
        for launch in raw["candle"]["launches"]:
            for one in launch["iterations"]:
                one |= {"token_ids": [*one["token_ids"][:5], 2], "token_ns": one["token_ns"][:6], "finish": "eos"}
                one["end_ns"] = one["token_ns"][-1]

    document = compared({"engines": [engine()], "edit": heed_eos}, {"engines": [engine()], "edit": end_early})
    found = primary(document)
    assert (found["verdict"], found["ratio"]) == ("cannot_tell", None)
    assert "candle before computed 11 answer tokens an iteration and candle after 6" in found["reason"]


@pytest.mark.parametrize("missing", ["before", "after"])
def test_an_engine_of_one_side_alone_cannot_be_told(compared, missing):
    sides = {"before": {"engines": [engine(), engine("burn")]}, "after": {"engines": [engine(), engine("burn")]}}
    sides[missing] = {"engines": [engine()]}
    document = compared(sides["before"], sides["after"])
    found = primary(document, "burn")
    assert (found["verdict"], found["reason"]) == ("cannot_tell", f"burn is not part of the campaign {missing}")
    assert document["outcome"]["verdict"] == "cannot_tell"


def test_a_workload_and_a_case_of_one_side_alone_cannot_be_told(compared):
    before = {"engines": [engine()], "workloads": (ScriptedWorkload(), ScriptedWorkload("chat"))}
    after = {"engines": [engine()], "workloads": (ScriptedWorkload(cases=((8, 11), (16, 11))),)}
    document = compared(before, after)
    reasons = {(one["workload"], one["case"]): one["reason"] for one in document["comparisons"] if one["gates"]}
    assert reasons == {
        ("latency_test", "case_1"): None,
        ("latency_test", "case_2"): "case_2 is not part of latency_test in the campaign before",
        ("chat", "case_1"): "chat is not part of the campaign after",
    }
    whole = next(
        one for one in document["comparisons"] if (one["workload"], one["metric"]) == ("latency_test", "load_ms")
    )
    assert "the requests of latency_test differ" in whole["reason"]


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_crashed_side_is_no_verdict_and_says_why(compared, side):
    ends = {("latency_test", block): "failed" for block in range(1, 11)}
    crashed = engine(statuses=ends | {("latency_test", 1): "timeout"})
    sides = {"before": {"engines": [engine()]}, "after": {"engines": [engine()]}}
    sides[side] = {"engines": [crashed]}
    found = primary(compared(sides["before"], sides["after"]))
    assert found["verdict"] == "cannot_tell"
    reasons = "scripted to end as failed (9 launches), scripted to end as timeout (1 launch)"
    assert found["reason"] == f"no launch of candle {side} on latency_test ended ok: {reasons}"
    assert found["ratio"] is None


def test_launches_that_crashed_are_left_out_and_the_rest_must_still_reach_a_verdict(compared):
    some = {("latency_test", block): "failed" for block in range(1, 9)}
    found = primary(compared({"engines": [engine()]}, {"engines": [engine(itl_ms=20.0, statuses=some)]}))
    assert (found["verdict"], found["after"]["launches"]) == ("cannot_tell", 2)
    assert "too few launches: 2" in found["reason"]


def test_another_request_of_the_same_name_is_not_compared(compared):
    longer = (ScriptedWorkload(cases=((8, 21),)),)
    document = compared({"engines": [engine()]}, {"engines": [engine()], "workloads": longer})
    found = primary(document)
    assert (found["verdict"], found["ratio"]) == ("cannot_tell", None)
    assert found["reason"] == "the requests of case_1 differ (prompt, length or drawing)"
    assert document["differences"][0]["consequence"] == "not_comparable"


def test_another_version_of_the_measurement_is_not_compared(compared):
    def measured_anew(raw):
        for launch in raw["candle"]["launches"]:
            launch["measure_version"] = 2

    document = compared({"engines": [engine()]}, {"engines": [engine()], "edit": measured_anew})
    assert primary(document)["verdict"] == "cannot_tell"
    assert "the versions of the measurement differ (1 and 2)" in primary(document)["reason"]
    assert document["differences"][0]["fact"] == "measure_version"


def test_other_weights_are_compared_and_called_two_models(compared):
    def other_weights(raw):
        for launch in raw["candle"]["launches"]:
            launch["model"] = {**launch["model"], "identity": "other", "weights_sha256": "e" * 64}

    model = {**make_environment()["model"], "identity": "other"}
    after = {"engines": [engine()], "edit": other_weights, "environment": make_environment(model=model)}
    document = compared({"engines": [engine()]}, after)
    assert [one["fact"] for one in document["differences"]] == ["model.identity", "model.weights_sha256"]
    found = primary(document)
    assert (found["verdict"], found["qualifiers"]) == ("cannot_tell", ["unpaired", "no_common_reference"])
    assert found["ratio"]["point"] == pytest.approx(1.0, rel=0.01)
    assert "this is about two models" in found["sentence"]


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_engine_that_computes_something_else_gets_no_verdict(compared, side):
    sides = {"before": {"engines": [engine()]}, "after": {"engines": [engine(itl_ms=5.0)]}}
    sides[side] = {"engines": [engine(itl_ms=5.0, fidelity="fail")]}
    found = primary(compared(sides["before"], sides["after"]))
    assert found["verdict"] == "cannot_tell"
    assert f"candle {side} does not compute the same as the reference" in found["reason"]


def test_another_device_is_listed_and_each_side_must_have_one(compared):
    document = compared({"engines": [engine(device="cuda:0")]}, {"engines": [engine(itl_ms=30.0)]})
    assert primary(document)["verdict"] == "regression"
    assert ("device", "cuda:0", "cpu") in {
        (one["fact"], one["before"], one["after"]) for one in document["differences"]
    }


def test_comparing_again_with_more_launches_spends_another_share_of_alpha(compared):
    def look(launches: int):
        found = primary(compared({"engines": [engine()]}, {"engines": [changed(itl_ms=11.0)], "launches": launches}))
        return found["look"], found["alpha"], found["verdict"]

    assert look(8) == (1, pytest.approx(0.04), "regression")
    assert look(10) == (2, pytest.approx(0.005), "regression")
    assert look(8) == (1, pytest.approx(0.04), "regression")


def test_a_comparison_from_which_no_verdict_can_come_spends_nothing(compared):
    def look(launches: int):
        return primary(compared({"engines": [engine()]}, {"engines": [engine()], "launches": launches}))["look"]

    assert [look(3), look(10)] == [1, 1]


def test_what_is_drawn_for_a_block_under_load_is_no_difference_between_campaigns(compared):
    arrivals = ScriptedWorkload("arrivals", load=ScriptedLoad(requests_per_second=(2.0,), requests=6))

    def drawn_otherwise(raw):
        for record in raw["candle"]["launches"]:
            (case,) = record["spec"]["cases"]
            case |= {"load": case["load"] | {"seed": 77}, "prompts": [[0, 9, *ids[2:]] for ids in case["prompts"]]}

    before = {"engines": [engine()], "workloads": [arrivals]}
    document = compared(before, {**before, "edit": drawn_otherwise})
    assert primary(document)["verdict"] == "no_regression"
    assert not any(one["key"].startswith("request.") for one in document["differences"])
