"""What the plots show of a campaign with load: curves over its levels, each with its finding."""

from __future__ import annotations

import copy

import pytest
from matplotlib.text import Text

from benchmark_runner.display import significant
from benchmark_runner.performance.at_limits import at_limits
from benchmark_runner.plots import levels, lines, load, throughput
from benchmark_runner.plots.style import style
from benchmark_runner.records.table import read_measured
from benchmark_runner.statistics.levels import capacity_order
from benchmark_runner.statistics.results import Cell, Results
from finished import read
from records import ScriptedEngine, ScriptedWorkload, write_results
from scripted_load import ScriptedLoad

ENGINES = [
    ScriptedEngine("alone", ttft_ms=60.0, itl_ms=30.0, slots=1, launch_spread=0.02),
    ScriptedEngine("batched", ttft_ms=80.0, itl_ms=40.0, slots=4, launch_spread=0.02),
]
SLOW_FIRST = ("batched", "alone")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("curves")
    workloads = (
        ScriptedWorkload("serving", ((8, 9),), load=ScriptedLoad(concurrency=(1, 2, 4))),
        ScriptedWorkload("arrivals", ((8, 9),), load=ScriptedLoad(requests_per_second=(0.5, 2.0))),
    )
    write_results(made, ENGINES, workloads, launches=4)
    return made


@pytest.fixture(scope="module")
def statistics(folder):
    return read(folder, "analysis/statistical_summary.json")


def titles(figure):
    return [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes]


def test_throughput_is_drawn_over_the_levels_in_place_of_the_answers_places(statistics, folder):
    performance = read(folder, "analysis/performance_analysis.json")
    iterations = read_measured(folder / "analysis/iterations.parquet", throughput.COLUMNS)
    with style():
        figure = throughput.draw(statistics, performance, iterations)
    most = significant(Results(statistics).point("batched", Cell("serving", "c4"), "output_tokens_per_s"))
    # Four launches cannot confirm anything here.
    told = f"serving: batched yields most output: {most} tokens/s with 4 requests in flight"
    assert titles(figure)[0] == f"{told}, not confirmed against alone"
    assert [axes.get_xlabel() for axes in figure.axes] == ["requests in flight", "requests/s asked"]
    assert len(figure.axes) == 2
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1", "2", "4"]


def test_the_title_is_one_finding_where_one_request_at_a_time_was_measured_too(tmp_path):
    names = ["an_engine_with_a_name_of_forty_letters___", "another_engine_of_a_name_that_long_______"]
    engines = [ScriptedEngine(name, ttft_ms=60.0, itl_ms=30.0, slots=1) for name in names]
    loaded = ScriptedWorkload("serving", ((8, 9),), load=ScriptedLoad(concurrency=(1, 2)))
    write_results(tmp_path, engines, (loaded, ScriptedWorkload("latency_test")), launches=3)
    performance = read(tmp_path, "analysis/performance_analysis.json")
    iterations = read_measured(tmp_path / "analysis/iterations.parquet", throughput.COLUMNS)
    with style():
        figure = throughput.draw(read(tmp_path, "analysis/statistical_summary.json"), performance, iterations)
    title, words = (text.get_text().replace("\n", " ") for text in figure.texts[:2])
    assert title.startswith("serving: ") and "…" not in title and "To the end" not in title
    kept = "To the end of an answer engines keep 100 % (all) of their first decode rate, with one request in flight. "
    assert kept in words


def test_latency_frontier_and_goodput_have_a_panel_each_in_every_grid(statistics):
    with style():
        figure = load.draw(statistics)
    labels = [axes.get_ylabel() for axes in figure.axes]
    shown = [label.partition(";")[0] for label in labels]
    assert shown == ["TTFT, ms", "TPOT, ms", "tokens/s of all requests", "requests/s"] * 2
    assert titles(figure)[0].startswith("TTFT with 4 requests in flight: from")
    words = "\n".join(text.get_text() for text in figure.findobj(Text))
    assert "Within the limits: batched holds" in words.replace("\n", " ")
    assert "n = 4 launches" in words and "95 % intervals" in words


def test_a_grid_in_which_no_request_kept_the_limits_is_drawn(statistics):
    missed = copy.deepcopy(statistics)
    for cell in missed["cells"]:
        if goodput := cell["metrics"].get("goodput_requests_per_s"):
            nothing = {"point": 0.0, "low": 0.0, "high": 0.0}
            none = {"median_interval": nothing, "mean_interval": nothing, "without_outliers": None}
            cell["metrics"]["goodput_requests_per_s"] = goodput | none
    with style():
        figure = load.draw(missed)
    goodput, _ = (axes for axes in figure.axes if axes.get_ylabel() == "requests/s")
    assert goodput.get_ylim() == (0, pytest.approx(lines.HEADROOM))


def test_goodput_without_an_interval_is_told_by_its_mean_alone(statistics):
    told = copy.deepcopy(statistics)
    for cell in told["cells"]:
        if goodput := cell["metrics"].get("goodput_requests_per_s"):
            goodput["mean_interval"] = {"point": 2.0, "low": None, "high": None}
    alone = Results(told).estimate("alone", Cell("serving", "c1"), "goodput_requests_per_s")
    assert alone == {"point": 2.0, "low": None, "high": None}


def test_nobody_keeps_most_within_limits_that_nobody_keeps(statistics):
    told = copy.deepcopy(statistics)
    for cell in told["cells"]:
        if goodput := cell["metrics"].get("goodput_requests_per_s"):
            goodput["mean_interval"] = {"point": 0.0, "low": None, "high": None}
    panel = list(levels.panels(told, Results(told).grids[0]))[-1]
    assert panel.finding == "Goodput: 0 requests/s at every level"


def test_the_frontier_is_the_whole_against_what_one_user_gets(statistics):
    grid = Results(statistics).grids[0]
    panel = next(one for one in levels.panels(statistics, grid) if one.name == "frontier")
    results, cell = Results(statistics), Cell("serving", "c2")
    each, whole, _, _ = panel.curves["batched"][1]
    assert each == pytest.approx(1000 / results.point("batched", cell, "tpot_ms"))
    assert whole == pytest.approx(results.point("batched", cell, "output_tokens_per_s"))
    slow, fast = (significant(1000 / results.point(name, Cell("serving", "c1"), "tpot_ms")) for name in SLOW_FIRST)
    rates = f"from {slow} (batched) to {fast} (alone) tokens/s"
    assert panel.finding == f"A user gets {rates} with 1 request in flight"


def test_engines_that_hold_the_same_are_all_named_in_the_headline(statistics):
    held = {"alone": "2 requests in flight (1 to 2)", "batched": "2 requests in flight"}
    tied = copy.deepcopy(statistics)
    for row in tied["capacity"]["engines"]:
        if row["workload"] == "serving":
            row["capacity"] |= {"point": {"value": 2, "bound": None}, "text": held[row["engine"]]}
    with style():
        words = " ".join(text.get_text().replace("\n", " ") for text in load.draw(tied).findobj(Text))
    assert "Within the limits: alone and batched hold 2 requests in flight in serving; " in words


def test_no_panel_s_finding_of_two_names_of_usual_length_is_cut(statistics):
    names = {"batched": "llama_cpp_server_again", "alone": "pytorch_baseline_eager"}
    engines = [one | {"name": names[one["name"]]} for one in statistics["engines"]]
    cells = [cell | {"engine": names[cell["engine"]]} for cell in statistics["cells"]]
    rows = [row | {"engine": names[row["engine"]]} for row in statistics["capacity"]["engines"]]
    capacity = statistics["capacity"] | {"engines": rows}
    with style():
        figure = load.draw(statistics | {"engines": engines, "cells": cells, "capacity": capacity})
    assert any("A user gets from" in title for title in titles(figure))
    assert not any("…" in title for title in titles(figure))


def test_tails_are_dashed_and_have_no_second_name(statistics):
    grid = Results(statistics).grids[0]
    point = [(1.0, 2.0, None, None)]
    panel = levels.Panel("ttft_ms", "found", "x", "ms", {"alone": point}, {"alone": point})
    assert [one.dashed for one in lines.panel_series(statistics, panel)] == [False, True]
    assert grid.levels == [1, 2, 4]


def test_of_equal_levels_one_that_is_a_lower_bound_ranks_higher():
    ends = [{"value": 4, "bound": bound} for bound in (None, ">=", "<")]
    assert [one["bound"] for one in sorted(ends, key=capacity_order)] == ["<", None, ">="]


@pytest.mark.parametrize(
    "changed",
    [{"control_of": "alone"}, {"fidelity": {"result": "fail", "detail": "other ids"}}],
    ids=["a control", "an engine that computes another model"],
)
def test_what_was_found_is_never_told_of(statistics, changed):
    engines = [one | changed if one["name"] == "batched" else one for one in statistics["engines"]]
    told = statistics | {"engines": engines}
    grid = Results(told).grids[0]
    found = [levels.throughput_panel(told, grid), *levels.panels(told, grid)]
    assert not any("batched" in panel.finding for panel in found)
    assert all("batched" in panel.curves for panel in found) and list(at_limits(Results(told), grid).held) == ["alone"]


def test_a_level_at_which_an_engine_fails_requests_is_not_won_by_it_but_its_others_are(statistics):
    cells = [
        cell | {"load": cell["load"] | {"error_rate": 0.5}}
        if (cell["engine"], cell["workload"], cell["case"]) == ("batched", "serving", "c4")
        else cell
        for cell in statistics["cells"]
    ]
    told = statistics | {"cells": cells}
    grid = Results(told).grids[0]
    assert levels.throughput_panel(told, grid).finding.startswith("batched yields most output: ")
    assert "with 2 requests in flight" in levels.throughput_panel(told, grid).finding
    first = next(levels.panels(told, grid))
    assert first.finding.endswith("(alone)") and "batched" not in first.finding


def test_the_tail_is_the_highest_percentile_that_every_level_has_enough_requests_for(statistics):
    # 12 requests in each of 4 launches: enough for p90, not for p95.
    grid = Results(statistics).grids[0]
    first = next(levels.panels(statistics, grid))
    assert first.y_label == "TTFT, ms; dashed: p90"
    tail = Results(statistics).metric("alone", Cell("serving", "c4"), "ttft_ms")["p90"]["value"]
    assert first.tails["alone"][-1][1] == tail
