"""What did not change between two campaigns: the day's shift is seen by it and taken out of what changed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmark_runner.comparison.references import spread_between
from comparison_case import changed, compare_known, engine, primary
from finished import make_environment

KNOWN = (
    engine("burn", 8.0, version="burn 1"),
    engine("burn_control", 8.0, version="burn 1", control_of="burn"),
    engine("torch", 14.0, version="torch 1"),
)


def on_a_day(engines, factor):
    """The same engines on a machine that takes `factor` times as long."""
    return [replace(one, ttft_ms=one.ttft_ms * factor, itl_ms=one.itl_ms * factor) for one in engines]


@pytest.mark.parametrize(
    ("day", "itl_ms", "verdict"),
    [(1.05, 10.0, "no_regression"), (0.95, 10.8, "regression"), (1.05, 9.0, "improved"), (1.3, 10.0, "no_regression")],
)
def test_the_shift_that_unchanged_programs_show_is_taken_out_of_what_changed(day, itl_ms, verdict):
    after = on_a_day([*KNOWN, changed(itl_ms=itl_ms)], day)
    found = primary(compare_known([*KNOWN, engine()], after))
    assert found["verdict"] == verdict
    assert found["ratio"]["point"] == pytest.approx((20 + 10 * 10) / (20 + 10 * itl_ms), rel=0.01)
    machine = found["machine"]
    assert (machine["names"], machine["programs"]) == (["burn", "burn_control", "torch"], 2)
    assert machine["ratio"]["point"] == pytest.approx(1 / day, rel=0.01)
    assert "what did not change (burn, burn_control, torch) answers" in found["sentence"]


def test_what_each_side_was_measured_as_stays_as_it_was():
    after = on_a_day([*KNOWN, changed()], 1.05)
    found = primary(compare_known([*KNOWN, engine()], after))
    assert [found[side]["median"] for side in ("before", "after")] == pytest.approx([120.0, 126.0], rel=0.01)


def test_a_single_reference_says_what_is_supposed():
    known = KNOWN[:2]
    after = on_a_day([*known, changed()], 0.9)
    found = primary(compare_known([*known, engine()], after))
    assert (found["verdict"], found["machine"]["programs"]) == ("no_regression", 1)
    assert "supposing that candle would have shifted alike" in found["sentence"]
    assert found["machine"]["own_shift_sd"] is None


def test_references_that_shifted_unlike_each_other_leave_the_change_open():
    unlike = [*on_a_day(KNOWN[:2], 1.1), *on_a_day(KNOWN[2:], 0.95), changed(itl_ms=10.5)]
    found = primary(compare_known([*KNOWN, engine()], unlike))
    assert found["verdict"] == "cannot_tell"
    assert found["machine"]["own_shift_sd"] > 0.05


def test_without_a_common_reference_only_what_no_day_does_is_judged():
    """The only program changed, and its control with it."""

    def verdict(itl_ms):
        before = [engine(), engine("candle_control", control_of="candle")]
        after = [changed(itl_ms=itl_ms), changed("candle_control", itl_ms, control_of="candle")]
        return primary(compare_known(before, after))

    same, worse = verdict(10.4), verdict(11.5)
    assert (same["verdict"], worse["verdict"]) == ("cannot_tell", "regression")
    assert "no_common_reference" in same["qualifiers"] and same["machine"] is None
    assert (
        "allowing for a shift of 5 % from one day to another, since nothing that did not change ran" in same["reason"]
    )
    assert "also allowing for a shift of 5 %" in worse["sentence"]


def test_a_program_that_lost_launches_is_no_reference():
    lost = {("latency_test", 3): "failed"}
    known = [KNOWN[0], replace(KNOWN[2], statuses=lost)]
    found = primary(compare_known([*known, engine()], [*known, changed()]))
    assert found["machine"]["names"] == ["burn"]


def test_a_program_on_another_device_is_no_reference():
    known = [replace(KNOWN[0], device="cuda:0")]
    found = primary(compare_known([*known, engine()], [*known, changed()]))
    assert found["machine"] is None


def test_another_machine_has_no_reference():
    other = make_environment(cpu={"model": "Other Processor"})
    found = primary(compare_known([*KNOWN, engine()], [*KNOWN, changed()], environment=other))
    assert (found["verdict"], found["machine"]) == ("cannot_tell", None)


def test_an_engine_of_which_nothing_changed_has_not_become_worse_by_itself():
    slower = [*KNOWN, engine(itl_ms=20.0)]
    found = primary(compare_known([*KNOWN, engine()], slower))
    assert (found["verdict"], found["unchanged"]) == ("cannot_tell", True)
    assert found["reason"] == "neither its program nor anything recorded of the machine changed"
    alone = primary(compare_known([engine()], [engine(itl_ms=12.0)]))
    assert (alone["verdict"], alone["machine"]) == ("cannot_tell", None)


def test_a_busier_day_is_no_regression_of_the_same_builds():
    engines = [*KNOWN, engine()]
    document = compare_known(engines, on_a_day(engines, 1.25))
    assert document["outcome"]["verdict"] == "no_regression"


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, "regression"), (1.04, "cannot_tell")])
def test_what_surrounds_the_engines_is_judged_by_the_engines_that_did_not_change(factor, verdict):
    engines, kernel = [*KNOWN, engine()], make_environment(operating_system={"kernel": "6.2"})
    document = compare_known(engines, on_a_day(engines, factor), environment=kernel)
    found = primary(document)
    assert (found["verdict"], found["unchanged"], found["machine"]) == (verdict, False, None)
    assert "since its program did not change" in found["sentence"]


def test_a_commit_of_the_workflow_is_nothing_that_surrounds_an_engine():
    engines, workflow = [*KNOWN, engine()], make_environment(workflow={"git": {"commit": "d" * 40}})
    document = compare_known(engines, on_a_day(engines, 1.2), environment=workflow)
    assert document["outcome"]["verdict"] == "no_regression"


def test_a_difference_below_the_margin_is_said_and_decides_nothing():
    found = primary(compare_known([*KNOWN, engine()], [*KNOWN, changed(itl_ms=10.12)]))
    assert found["verdict"] == "no_regression"
    assert "it did become worse, though perhaps by less than 2 %, which decides nothing" in found["sentence"]


def test_a_coarse_clock_takes_its_step_from_the_verdict(compared):
    def in_steps(raw):
        step = 4_000_000
        for launch in (one for content in raw.values() for one in content["launches"]):
            for one in launch["iterations"]:
                start, end = one["start_ns"], one["end_ns"]
                one["token_ns"] = [start + (at - start) // step * step for at in one["token_ns"]]
                one["end_ns"] = start + (end - start) // step * step

    known = [replace(one, launch_spread=0.02) for one in KNOWN]
    sides = [{"engines": [*known, one], "edit": in_steps} for one in (engine(launch_spread=0.02), changed())]
    found = primary(compared(*sides))
    assert found["allowance"] == pytest.approx(4 / 120, rel=0.1)
    assert found["verdict"] == "cannot_tell"


def test_the_spread_between_references_is_what_chance_does_not_explain():
    still = [({1: 0.0, 2: 0.0}, {1: shift, 2: shift}) for shift in (0.02, 0.04)]
    # Two shifts 0.02 apart have a variance of 0.0002, and nothing varies by chance.
    assert spread_between([still]) == (pytest.approx(0.0002), 1)
    assert spread_between([still, still]) == (pytest.approx(0.0002), 2)
    noisy = [({1: -0.1, 2: 0.1}, {1: shift + 0.1, 2: shift - 0.1}) for shift in (0.02, 0.04)]
    assert spread_between([[noisy[0], still[1]]])[0] == 0.0
    assert spread_between([still[:1]]) == (0.0, 0)
    assert spread_between([[({1: 0.0}, {1: 1.0})] * 2]) == (0.0, 0)
    in_blocks = [tuple({block: value + 7.0 * block for block, value in side.items()} for side in one) for one in still]
    assert math.isclose(spread_between([in_blocks])[0], 0.0002)  # type: ignore[list-item]
