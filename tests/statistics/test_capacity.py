"""Capacity and knee: levels of a grid, a value a launch, bounds at its ends, compared by ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark_runner.statistics.capacity import Capacities, capacity_rank, knee_rank, over_launches
from benchmark_runner.statistics.families import CampaignPairs
from benchmark_runner.statistics.inputs import Measurements
from stage_rows import closed, load_inputs, stages_of


@pytest.mark.parametrize(
    ("met", "rank"),
    [([True, True, False], 2), ([True, False, True], 1), ([False, True], 0), ([True, True], 2)],
    ids=["up to the first miss", "a gap ends it", "below the grid", "the whole grid"],
)
def test_a_launch_holds_the_levels_up_to_the_first_that_misses(met: list[bool], rank: int) -> None:
    assert capacity_rank(met) == rank


LEVELS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


@pytest.mark.parametrize(
    ("throughput", "rank"),
    [
        ([10.0, 20.0, 40.0, 44.0, 52.0], 3),
        ([10.0, 20.0, 22.0, 26.0, 34.0], 2),
        ([10.0, 20.0, 40.0, 80.0, 160.0], None),
        ([10.0, 20.0, 40.0, 68.0, 124.0], None),
        ([50.0, 40.0, 30.0, 20.0, 10.0], None),
    ],
    ids=["flat from 4 on", "flat from 2 on", "one line", "hardly flatter", "falling"],
)
def test_the_knee_is_where_throughput_grows_less_than_half_as_fast(throughput: list[float], rank: int | None) -> None:
    assert knee_rank(LEVELS, np.array(throughput)) == rank


def test_four_levels_have_no_knee() -> None:
    assert knee_rank(LEVELS[:4], np.array([10.0, 20.0, 22.0, 24.0])) is None


def test_few_launches_are_told_by_their_extremes_with_the_level_that_these_have() -> None:
    assert over_launches([2, 3, 2, 1, 2], 0.95) == {"point": 2, "low": 1, "high": 3, "level": 1 - 2 * 0.5**5, "n": 5}
    nine = over_launches([1, 2, 2, 2, 3, 3, 3, 3, 4], 0.95)
    # the second smallest of nine misses the median on its side with (1 + 9) / 2^9
    assert nine == {"point": 3, "low": 2, "high": 3, "level": pytest.approx(1 - 2 * 10 / 512), "n": 9}
    assert over_launches([2], 0.95) == {"point": 2, "low": None, "high": None, "level": None, "n": 1}
    assert over_launches([], 0.95) is None


def found_with(highest: dict[str, list[float]], launches: int = 6, *, alarm: bool = False) -> dict[str, Any]:
    """Section `capacity` of engines whose launches hold all levels up to these, in the order of their blocks."""
    inputs = load_inputs(closed(1, 2, 4, 8, 16), tuple(highest), launches)
    stages = stages_of(
        inputs,
        lambda name, level, block: {
            "slo_met": level <= highest[name][block - 1],
            "output_tokens_per_s": 10.0 * min(level, 4.0) + 0.1 * level,
        },
    )
    return section(inputs, stages, alarm=alarm)


def section(inputs: Measurements, stages: Any, *, alarm: bool = False) -> dict[str, Any]:
    capacities = Capacities(inputs, stages, CampaignPairs(inputs), alarm=alarm)
    return {"engines": list(capacities.rows()), "comparisons": capacities.comparisons()}


def test_the_ends_of_the_grid_are_bounds_and_told_as_such() -> None:
    torch, server = found_with({"torch": [0.5, 1, 1, 1, 2, 2], "server": [16.0] * 6})["engines"]
    assert torch["capacity"]["point"] == {"value": 1, "bound": None}
    assert torch["capacity"]["low"] == {"value": 1, "bound": "<"}
    assert torch["capacity"]["text"] == "1 request in flight (less than 1 to 2 over launches)"
    assert [one["bound"] for one in torch["capacity"]["launches"]] == ["<", None, None, None, None, None]
    assert server["capacity"]["point"] == {"value": 16, "bound": ">="}
    assert server["capacity"]["text"] == "at least 16 requests in flight"
    assert server["knee"]["point"] == {"value": 4, "bound": None}


def test_engines_whose_launches_all_hold_different_levels_are_told_apart_although_nothing_varies() -> None:
    capacity, knee = found_with({"torch": [2.0] * 6, "server": [8.0] * 6})["comparisons"]
    assert (capacity["quantity"], capacity["verdict"], capacity["higher"]) == ("capacity", "confirmed_faster", "server")
    assert capacity["p"] == pytest.approx(2 / 924)  # one order of the twelve launches of 924, on either side
    assert (
        "Within the limits in serving: server holds 8 requests in flight and torch holds 2 requests"
        in capacity["sentence"]
    )
    assert (knee["verdict"], knee["higher"]) == ("inconclusive", None)  # the same knee: all ties


def test_bounds_at_the_end_of_the_grid_make_no_difference() -> None:
    (capacity, _) = found_with({"torch": [16.0] * 6, "server": [32.0] * 6})["comparisons"]
    assert capacity["verdict"] == "inconclusive" and capacity["p"] == 1.0


def test_a_control_that_differs_keeps_capacities_from_being_confirmed() -> None:
    (capacity, _) = found_with({"torch": [2.0] * 6, "server": [8.0] * 6}, alarm=True)["comparisons"]
    assert capacity["verdict"] == "significant_unconfirmed"


def test_three_launches_are_too_few_for_an_order() -> None:
    (capacity, _) = found_with({"torch": [2.0] * 3, "server": [8.0] * 3}, launches=3)["comparisons"]
    assert capacity["verdict"] == "untestable" and capacity["reason"].startswith("too few launches")


def test_grids_of_one_workload_are_told_apart_by_their_names() -> None:
    loads = {f"case_{number}_{name}": load for number in (1, 2) for name, load in closed(2, 4).items()}
    inputs = load_inputs(loads)
    rows = section(inputs, stages_of(inputs, lambda _name, level, _block: {"slo_met": level <= 2}))["engines"]
    assert [(row["engine"], row["group"]) for row in rows] == [
        ("torch", "case_1"),
        ("torch", "case_2"),
        ("server", "case_1"),
        ("server", "case_2"),
    ]
    assert rows[0]["levels"] == [{"level": 2, "case": "case_1_c2"}, {"level": 4, "case": "case_1_c4"}]
    assert rows[0]["knee"]["reason"] == "2 levels: at least 5 are needed"


def test_one_request_a_second_is_no_plural() -> None:
    loads = {f"r{rate}": {"mode": "open", "requests_per_second": rate} for rate in (1, 2)}
    inputs = load_inputs(loads)
    rows = section(inputs, stages_of(inputs, lambda _name, level, _block: {"slo_met": level < 2}))["engines"]
    assert rows[0]["capacity"]["text"] == "1 request/s"


def test_what_keeps_a_capacity_from_being_confirmed_is_named() -> None:
    inputs = load_inputs(closed(1, 2, 4, 8, 16))
    inputs.plan["engines"][1]["server"] = {"running": {"base_url": "http://127.0.0.1:9", "api_key_env": None}}
    stages = stages_of(inputs, lambda name, level, _block: {"slo_met": level <= {"torch": 2, "server": 8}[name]})
    (capacity, _) = section(inputs, stages)["comparisons"]
    assert (capacity["verdict"], capacity["higher"]) == ("significant_unconfirmed", "server")
    assert capacity["sentence"].endswith("; not confirmed, since server was not restarted")


def test_levels_of_conversations_are_conversations() -> None:
    talk = {name: {**load, "turns": 4, "think_seconds": 1} for name, load in closed(1, 2).items()}
    inputs = load_inputs(talk)
    rows = section(inputs, stages_of(inputs, lambda _name, level, _block: {"slo_met": level < 2}))["engines"]
    assert {row["capacity"]["text"] for row in rows} == {"1 conversation"}
    assert {(row["unit"], row["turns"]) for row in rows} == {("conversations", 4)}


def test_a_sentence_names_the_grid_of_a_workload_with_several() -> None:
    loads = {f"case_{number}_{name}": load for number in (1, 2) for name, load in closed(2, 4).items()}
    inputs = load_inputs(loads)
    found = section(inputs, stages_of(inputs, lambda _name, level, _block: {"slo_met": level <= 2}))["comparisons"]
    told = [one["sentence"].partition(";")[0] for one in found if one["quantity"] == "capacity"]
    assert [words.partition(":")[0] for words in told] == [f"Within the limits in serving, case_{n}" for n in (1, 2)]
