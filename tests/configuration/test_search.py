"""Levels that are searched: those that a pilot tries, how long that may take, and those that are measured then."""

from __future__ import annotations

import copy

import pytest
import yaml

from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.load import cell_count, levels
from benchmark_runner.configuration.resolve import examine
from benchmark_runner.configuration.search import ladder, levels_around, pilot_load

SEARCHED = {"mode": "closed", "search": "capacity", "timeout_seconds": 60}
LOOSE = {"ttft_ms": None, "tpot_ms": None, "itl_p99_ms": None, "e2e_ms": None, "share": 0.9}


def messages(load: str, more: str = "{}") -> list[str]:
    config = {
        "benchmark": {"output_dir": "results/x", "model_path": "models/m"},
        "engines": [{"name": "a", "binary_path": "bin/a"}],
        "workloads": [
            yaml.safe_load(f"{{name: w, test_cases: [{{prompt_tokens: 9, max_tokens: 4, load: {{{load}}}}}]}}")
        ],
    }
    return Positions([]).lines(examine({**copy.deepcopy(config), **yaml.safe_load(more)}).problems)


@pytest.mark.parametrize(
    ("ends", "tried"),
    [
        ({}, [1, 2, 4, 8, 16, 32]),
        ({"search_from": 3, "search_up_to": 20}, [3, 6, 12, 20]),
        ({"search_up_to": 2}, [1, 2]),
        ({"mode": "open", "search_from": 0.5, "search_up_to": 3}, [0.5, 1, 2, 3]),
        ({"mode": "open", "search_up_to": 4.0004}, [1, 2, 4.0004]),  # 4 would have its name
    ],
)
def test_a_pilot_doubles_the_level_up_to_the_end(ends, tried):
    assert ladder({**SEARCHED, **ends}) == tried


def test_levels_that_are_not_found_yet_count_as_the_pilots():
    assert [name for name, _ in levels({**SEARCHED, "search_up_to": 4})] == ["c1", "c2", "c4"]
    assert cell_count([{"load": SEARCHED}]) == 6


@pytest.mark.parametrize(
    ("edges", "measured"),
    [
        ([(4, 8)], [2, 4, 5, 6, 7, 8]),
        ([(4, 8), (4, 8)], [2, 4, 5, 6, 7, 8]),
        ([(4, 8), (16, 32)], [2, 4, 6, 8, 16, 24, 32]),
        ([(1, 2)], [1, 2, 4, 8]),
        ([(None, 1)], [1, 2, 4, 8]),
        ([(32, None)], [4, 8, 16, 32]),
        ([(None, 1), (32, None)], [1, 2, 4, 8, 16, 32]),
    ],
)
def test_levels_lie_around_what_every_engine_kept_and_missed(edges, measured):
    assert levels_around([1, 2, 4, 8, 16, 32], edges, whole=True) == measured


def test_rates_between_two_levels_need_not_be_whole():
    assert levels_around([0.5, 1, 2], [(1, 2)], whole=False) == [0.5, 1, 1.25, 1.5, 1.75, 2]


def test_a_pilot_measures_each_level_for_its_share_of_the_time():
    load = pilot_load({**SEARCHED, "search_up_to": 8, "search_seconds": 24}, LOOSE, 100)
    assert load["search"] == "pilot"
    for _, level in levels(load):
        assert level["duration_seconds"] == 2  # of 4 levels


def test_a_pilot_waits_for_each_request_that_may_still_keep_the_limits():
    slow = pilot_load(SEARCHED, {**LOOSE, "ttft_ms": 500, "tpot_ms": 100}, 200)
    assert slow["timeout_seconds"] == pytest.approx(0.5 + 199 * 0.1) and slow["timeout_seconds"] > 120 / 6
    assert pilot_load({**SEARCHED, "timeout_seconds": 9}, {**LOOSE, "e2e_ms": 30_000}, 200)["timeout_seconds"] == 9


@pytest.mark.parametrize(
    ("limits", "timeout"), [({"e2e_ms": 900}, 0.9), ({"ttft_ms": 200, "tpot_ms": 10}, 1.19), ({"ttft_ms": 200}, 60)]
)
def test_a_request_that_has_missed_the_limits_for_certain_is_given_up(limits, timeout):
    load = pilot_load({**SEARCHED, "search_up_to": 8, "search_seconds": 24}, {**LOOSE, **limits}, 100)
    assert load["timeout_seconds"] == pytest.approx(timeout)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (
            "mode: closed, concurrency: 2, search_up_to: 8",
            "search_up_to is of a search for levels; add search: capacity",
        ),
        ("mode: closed, search: capacity, search_up_to: 1", "search_up_to: 1 is no more than 1, from which the search"),
        ("mode: closed, search: capacity, search_from: 1.5", "requests in flight are whole"),
        ("mode: closed, search: capacity, search_up_to: 5000", "4096 at most"),
        ("mode: closed, search: most", "is not allowed; write capacity ("),
        ("mode: closed, search: [capacity]", "is not allowed; write capacity ("),
        ("mode: closed, search: pilot", "pilot is what the workflow writes into the plan of a pilot"),
        ("mode: closed, search: pilot", "key 'concurrency' is missing"),
        ("mode: open, search: pilot, requests_per_second: 2", "write search: capacity"),
        ("mode: open, search: capacity, search_up_to: .inf", "search_up_to: Infinity is not allowed"),
        ("mode: open, search: capacity, search_from: 1.0e-300, search_up_to: 1.0e+300", "search_from: 1e-300 is not"),
        ("mode: open, arrivals: trace, trace_file: t, search: capacity", "a trace has one rate, its own"),
        ("mode: open, search: capacity, search_from: 0.25", "sees fewer than 4 arrivals; write 384 or more"),
    ],
)
def test_what_a_search_cannot_do_is_told(load, expected):
    assert any(expected in line for line in messages(load)), messages(load)


@pytest.mark.parametrize("key", ["search_from", "search_up_to", "search_seconds"])
def test_an_end_of_a_search_that_has_none_is_told_by_its_key(key):
    found = messages(f"mode: open, search: capacity, {key}: .inf")
    assert any(f"load.{key}: " in line for line in found), found


@pytest.mark.parametrize("seconds", [0, -5, "true", "a lot", ".inf"])
def test_a_search_of_no_time_has_one_message(seconds):
    (line,) = messages(f"mode: open, search: capacity, search_seconds: {seconds}")
    assert "search_seconds: " in line and "more than 0, at most 86400 s" in line


@pytest.mark.parametrize(
    ("slo", "expected"),
    [
        ("{ttft_ms: null, tpot_ms: null}", "a search ends at the limits of analysis.slo, and all of them are null"),
        ("{ttft_ms: null, tpot_ms: null, e2e_ms: 900}", None),
        ("{tpot_ms: null}", None),
        ("null", None),
    ],
)
def test_a_search_needs_a_limit_that_can_be_missed(slo, expected):
    found = messages("mode: closed, search: capacity", f"analysis: {{slo: {slo}}}")
    assert [line.partition("search: ")[2].partition(";")[0] for line in found] == ([expected] if expected else [])


def test_a_search_needs_no_levels():
    assert messages("mode: closed, search: capacity") == []
    assert messages("mode: open, search: capacity") == []
