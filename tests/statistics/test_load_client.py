"""What the load client takes from a cell's certainty: gates, its own error, and requests that failed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmark_runner.statistics.client import Client, client_cautions, gates, has_client, own_clock
from benchmark_runner.statistics.levels import errors_at, errors_words, level_words
from stage_rows import QUIET, closed, load_inputs, stages_of


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, []),
        ({"send_lag_p99_ms": 0.5}, []),
        ({"send_lag_p99_ms": 0.51}, ["client_late"]),
        ({"shared_share": 0.011}, ["client_shared_stamps"]),
        ({"client_cpu_percent": 80.5}, ["client_busy"]),
        ({"asked_requests_per_s": 2.0, "due_requests_per_s": 2.2}, ["rate_not_reached"]),
        ({"asked_requests_per_s": 3.0, "due_requests_per_s": 2.1}, []),
        ({"due_requests_per_s": 2.2}, []),
        ({"failed": 1, "send_lag_p99_ms": 3.0}, ["client_late", "failed_requests"]),
    ],
)
def test_a_stage_is_marked_by_what_the_client_could_not_keep(row: dict[str, Any], expected: list[str]) -> None:
    assert gates([QUIET, {**QUIET, **row}], ttft_ms=50.0) == expected


def test_the_clients_p99_error_over_the_smaller_time_is_what_a_verdict_allows_for() -> None:
    client = Client({}, {"ttft_bias_ms": {"p50": 0.1, "p99": 1.0}, "gap_error_ms": {"p50": 0.01, "p99": 2.0}})
    cells: list[dict[str, dict[str, float | None]]] = [
        {"ttft_ms": {"median": 50.0}, "itl_ms": {"median": 5.0}, "e2e_ms": {"median": 500.0}},
        {"ttft_ms": {"median": 40.0}, "itl_ms": {"median": 4.0}, "e2e_ms": {"median": None}},
    ]
    assert client.allowance("ttft_ms", cells) == pytest.approx(math.log1p(1.0 / 40.0))
    assert client.allowance("itl_ms", cells) == pytest.approx(math.log1p(2.0 / 4.0))
    # the mean of all gaps holds the error of its two ends once
    assert client.allowance("decode_tokens_per_s", cells) == pytest.approx(math.log1p(2.0 / 450.0))
    assert client.allowance("e2e_ms", cells) == pytest.approx(math.log1p(2.0 / 500.0))
    assert client.allowance("requests_per_s", cells) == 0.0
    assert Client().allowance("ttft_ms", cells) == 0.0


def test_one_failed_request_in_a_hundred_is_the_most_with_which_a_cell_can_win() -> None:
    load = {"measured": 200, "failed": 2, "error_rate": 0.01, "words": "with 8 requests in flight"}
    assert errors_words(load) is None
    assert errors_words(None) is None
    failing = load | {"failed": 3, "error_rate": 0.015}
    assert errors_words(failing) == "3 of its 200 requests failed"


def test_a_level_whose_requests_failed_is_named_where_the_place_does_not_tell_it() -> None:
    load = {"measured": 200, "failed": 3, "error_rate": 0.015, "words": "with 8 requests in flight"}
    loads = {("server", "serving", "c8"): load, ("server", "serving", "c1"): load | {"failed": 0, "error_rate": 0.0}}
    assert errors_at(loads, "server", "serving", "c8") == "3 of its 200 requests failed"
    assert errors_at(loads, "server", "serving", None) == "3 of its 200 requests failed with 8 requests in flight"
    assert errors_at(loads, "server", "serving", "c1") is None


def test_a_servers_own_clock_is_a_mean_over_launches_beside_the_clients() -> None:
    counted = {"ours_count": 8, "theirs_count": 8}
    uncounted = dict.fromkeys(counted)
    first = [{"name": "ttft_ms", "ours": 50.0 + more, "theirs": 40.0 + more, **counted} for more in (0, 10)]
    queue = {"name": "queue_ms", "ours": None, "theirs": 3.0, "ours_count": 0, "theirs_count": 8}
    cached = {"name": "cached_tokens", "ours": None, "theirs": 0.0, **uncounted}
    rows = [{**QUIET, "own_clock": [one, queue, cached]} for one in first]
    assert own_clock([*rows, QUIET, {**QUIET, "own_clock": None}]) == {
        "own_clock": [
            {"name": "ttft_ms", "ours": 55.0, "theirs": 45.0, "difference": 10.0, **counted},
            {**queue, "difference": None},
            {**cached, "difference": None},
        ]
    }
    assert own_clock([QUIET]) == {}


def test_a_cell_counts_the_requests_of_its_launches_and_those_that_kept_the_objective() -> None:
    inputs = load_inputs(closed(4), launches=3)
    stages = stages_of(inputs, lambda _n, _l, block: {"failed": block - 1, "ok": 11 - block, "slo_met": block < 3})
    cell = Client(stages).cell_json(inputs, ("server", "serving", "c4"), 50.0)
    assert (cell["measured"], cell["ok"], cell["failed"]) == (30, 27, 3)
    assert cell["error_rate"] == pytest.approx(0.1)
    assert cell["launches_slo_met"] == 2 and cell["gates"] == ["failed_requests"]
    assert cell["words"] == "with 4 requests in flight" and cell["level"] == 4.0


def test_a_cell_of_conversations_says_so_and_how_many_tokens_came_from_a_cache() -> None:
    inputs = load_inputs({"c4": closed(4)["c4"] | {"turns": 3, "think_seconds": 0}}, launches=2)
    cached, none = (stages_of(inputs, lambda _n, _l, _b, told=told: {"cached_tokens": told}) for told in (50, None))
    cell = Client(cached).cell_json(inputs, ("server", "serving", "c4"), 50.0)
    assert (cell["words"], cell["turns"], cell["cached_tokens"]) == ("with 4 conversations of 3 turns", 3, 100)
    assert "cached_tokens" not in Client(none).cell_json(inputs, ("server", "serving", "c4"), 50.0)


def test_the_clients_error_is_no_engines_that_takes_the_times_itself() -> None:
    inputs = load_inputs(closed(4), launches=2)
    own = stages_of(inputs, lambda _n, _l, _b: {"client_cpu_percent": 0.0})
    cells = [
        Client(stages).cell_json(inputs, ("server", "serving", "c4"), 50.0)
        for stages in (own, stages_of(inputs, lambda _n, _l, _b: {}))
    ]
    assert [cell["clocked_by"] for cell in cells] == ["engine", "client"]
    assert [has_client(cell) for cell in (*cells, None)] == [False, True, False]
    told = {"engine": "server", "workload": "serving", "case": "c4"}
    assert list(client_cautions([told | {"load": cells[0]}], None)) == []
    assert [one["kind"] for one in client_cautions([told | {"load": cells[1]}], None)] == ["client_uncalibrated"]


def test_each_gate_is_told_once_with_its_cells_and_what_helps() -> None:
    load = {"measured": 10, "failed": 1, "error_rate": 0.1, "words": "with 4 requests in flight"}
    load["clocked_by"] = "client"
    cells = [
        {"engine": "server", "workload": "serving", "case": name, "load": {**load, "gates": marks}}
        for name, marks in (("c4", ["client_busy"]), ("c8", ["client_busy", "failed_requests"]))
    ]
    busy, failed, uncalibrated = client_cautions(cells, None)
    assert (
        busy["kind"] == "client_busy"
        and "server in serving with 4 requests in flight; server in serving" in busy["message"]
    )
    assert (failed["kind"], failed["severity"]) == ("failed_requests", "serious")
    assert uncalibrated["kind"] == "client_uncalibrated"
    assert list(client_cautions([{"engine": "torch", "case": "case_1"}], None)) == []


@pytest.mark.parametrize(
    ("unit", "level", "words"),
    [
        ("requests in flight", 1, "with 1 request in flight"),
        ("requests in flight", 8, "with 8 requests in flight"),
        ("requests/s", 2.5, "at 2.5 requests a second"),
        ("requests/s", 1, "at 1 request a second"),
        ("requests/s of the trace", 2.5, "at 2.5 requests a second of the trace"),
    ],
)
def test_a_level_has_words(unit: str, level: float, words: str) -> None:
    assert level_words(unit, level) == words


def test_a_launch_in_which_the_client_told_nothing_takes_no_other_launchs_difference() -> None:
    both = {"name": "ttft_ms", "ours": 50.0, "theirs": 40.0, "ours_count": 8, "theirs_count": 8}
    rows = [{**QUIET, "own_clock": [one]} for one in (both, {**both, "ours": None, "theirs": 90.0, "ours_count": 0})]
    assert own_clock(rows) == {"own_clock": [{**both, "difference": 10.0}]}


def test_a_rate_of_a_trace_is_told_with_three_decimals() -> None:
    assert level_words("requests/s of the trace", 38 / 60) == "at 0.633 requests a second of the trace"
    assert level_words("requests/s", 0.00041234) == "at 0.00041 requests a second"
