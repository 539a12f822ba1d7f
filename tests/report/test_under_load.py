"""The page of a campaign with load: charts over the levels, capacity at the limits, and filters that know levels."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace

import pytest

from benchmark_runner.display import significant
from benchmark_runner.performance.at_limits import AtLimits
from benchmark_runner.plots.levels import Panel
from benchmark_runner.plots.signs import Sign
from benchmark_runner.report import load
from benchmark_runner.report.curves import chart
from benchmark_runner.report.load import _error_range, load_cards
from benchmark_runner.report.money import cost_labels
from benchmark_runner.statistics.levels import Grid
from benchmark_runner.statistics.metrics import LEVEL_ENERGY
from benchmark_runner.statistics.results import Cell, Results
from finished import finish, read
from records import ScriptedEngine, ScriptedWorkload, write_results
from scripted_load import LOAD_CALIBRATION, ScriptedLoad

from .conftest import WIDE, Page, Visit
from .test_browser import NARROW, barriers
from .test_tables_fit import DESKTOP, cut

CALIBRATION = LOAD_CALIBRATION
ENGINES = (
    ScriptedEngine("alone", ttft_ms=60.0, itl_ms=30.0, slots=1, launch_spread=0.02),
    ScriptedEngine(
        "batched",
        ttft_ms=80.0,
        itl_ms=40.0,
        slots=4,
        launch_spread=0.02,
        failing={("c2", 3): "cut"},
        own_ttft_ms=18.5,
        level_watts=30.0,
    ),
)
WORKLOADS = (
    ScriptedWorkload("chat"),
    ScriptedWorkload("serving", ((8, 9),), load=ScriptedLoad(concurrency=(1, 2, 4))),
)


TIERS = {
    "interactive": {"ttft_ms": 75, "tpot_ms": 35},
    "standard": {"ttft_ms": 400, "tpot_ms": 60},
    "batch": {"total_tokens_per_s": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("loaded")
    (made / "load_calibration.json").write_text(json.dumps(CALIBRATION))
    return finish(made, ENGINES, WORKLOADS, launches=6, seed=2, business={"usd_per_hour": 0.36, "tiers": TIERS})


@pytest.fixture(scope="module")
def told(folder):
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def results(folder):
    return Results(read(folder, "analysis/statistical_summary.json"))


def test_what_a_servers_own_clock_says_stands_beside_its_clients_word(told, results):
    first, cached = results.load("batched", Cell("serving", "c4"))["own_clock"]
    assert (first["ours"], first["theirs"], first["difference"]) == (20.0, 18.5, 1.5)
    assert (cached["name"], cached["theirs"], cached["difference"]) == ("cached_tokens", 0.0, None)
    assert "own_clock" not in results.load("alone", Cell("serving", "c4"))
    said = "The own clock of batched says 18.5 ms to the first token with 4 requests in flight; "
    assert f"{said}its client measured 20.0 ms." in told.text
    assert "What the servers' own clocks say" in told.text


def test_charts_state_what_was_found_at_which_load(told, results):
    most = results.point("batched", Cell("serving", "c4"), "output_tokens_per_s")
    assert f"batched yields most output: {significant(most)} tokens/s with 4 requests in flight" in told.text
    assert told.text.count('<figure class="curve">') == 5
    assert "TTFT with 4 requests in flight: from" in told.text


def test_the_cost_card_names_the_load_at_which_a_token_costs_that(told):
    assert "A million output tokens in serving, always busy, with 4 requests in flight, at " in told.text


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"a": "cost with 2", "b": "cost with 4", "c": "cost with 4"}, ["a: cost with 2.", "b and c: cost with 4."]),
        ({"a": "cost alone", "b": "cost alone"}, ["Cost alone."]),
    ],
)
def test_each_engines_cost_names_the_load_at_which_it_holds(labels, told):
    rows = [{"engine": engine, "label": label} for engine, label in labels.items()]
    assert (
        cost_labels(SimpleNamespace(business={"infrastructure_costs": rows}, signs={}, plan={"workloads": []})) == told
    )


def test_each_tier_names_the_highest_load_up_to_which_an_engine_keeps_it(told, folder):
    found = read(folder, "analysis/business_recommendations.json")["performance_tiers"]
    shown = {(row[0], row[1]): row[2:] for row in told.table("Tiers: ")}
    assert shown.keys() == {(name, workload) for name in ("alone", "batched") for workload in ("chat", "serving")}
    for number, tier in enumerate(("interactive", "standard", "batch")):
        for name in ("alone", "batched"):
            levels = [row for row in found["engines"] if (row["engine"], row["workload"]) == (name, "serving")]
            assert [row["case"] for row in levels] == ["c1", "c2", "c4"]
            results = [{one["result"] for one in row["limits"] if one["tier"] == tier} == {"kept"} for row in levels]
            is_ranked = [row["tier"] is not None for row in levels]  # failed requests: no level above is kept either
            kept = [*(one and there for one, there in zip(results, is_ranked, strict=True)), False].index(False)
            words = f"kept {levels[kept - 1]['load']}" if kept else " with 1 request in flight"
            assert words in shown[name, "serving"][number]
    assert len({cell for row in shown.values() for cell in row}) > 2


def test_what_is_told_beside_the_answer_names_its_workload(told):
    listed = told.text.partition("Against the baseline in other respects: ")[2].partition("</details>")[0]
    sentences = [line.strip().removeprefix("<li>") for line in listed.splitlines() if "<li>" in line]
    assert sentences and all(one.startswith(("chat: ", "serving: ")) for one in sentences)
    assert listed.startswith(f"{len(sentences)} findings</summary>") and "<p>Of all these: " in listed
    assert "batched answers" not in listed


def test_every_level_is_told_in_figures(told, results):
    rows = told.table("All levels of serving")
    assert [row[:2] for row in rows] == [[name, level] for level in "124" for name in ("alone", "batched")]
    for name, level, shown, *_ in rows:
        found = results.estimate(name, Cell("serving", f"c{level}"), "output_tokens_per_s")
        low, high = found["low"], found["high"]
        # launches that resemble each other too much leave a level without one
        span = [] if low is None else [f"{significant(low)} to {significant(high)}"]
        assert shown == " ".join([significant(found["point"]), *span])
    assert [row[8:10] for row in rows][3][1].startswith("6 of 72 ")  # with its interval


def test_energy_of_each_level_stands_there_where_a_counter_gives_it(told, results):
    rows = {tuple(row[:2]): row[-2] for row in told.table("All levels of serving")}
    joules = results.point("batched", Cell("serving", "c4"), LEVEL_ENERGY)
    assert 0 < joules < results.point("batched", Cell("serving", "c1"), LEVEL_ENERGY)
    assert rows["batched", "4"].startswith(significant(joules))
    assert not any(sign.isdigit() for sign in rows["alone", "4"])


def test_an_error_rate_of_all_requests_is_100_percent():
    assert _error_range({"error_rate_interval": [0.775, 1.0]}) == "78 to 100 %"


def test_the_capacity_of_each_engine_has_its_interval_and_its_verdict(told, folder):
    found = read(folder, "analysis/statistical_summary.json")["capacity"]
    texts = {row["engine"]: row["capacity"]["text"] for row in found["engines"]}
    rows = {row[0]: row for row in told.table("Capacity at the limits, serving")}
    launches = {row["engine"]: {one["value"] for one in row["capacity"]["launches"]} for row in found["engines"]}
    assert {name: row[1].endswith("all 6 launches") for name, row in rows.items()} == {
        name: len(values) == 1 for name, values in launches.items()
    }
    assert {name: row[1].removesuffix(" all 6 launches").partition(" 9")[0] for name, row in rows.items()} == texts
    assert rows["alone"][3] == "the baseline"
    (compared,) = [one for one in found["comparisons"] if one["quantity"] == "capacity"]
    assert rows["batched"][5] == compared["sentence"] + "."
    verdict = {"batched": "more, confirmed", "alone": "less, confirmed", None: "not told apart"}
    assert rows["batched"][3] == verdict[compared["higher"]]


def test_a_card_and_the_first_line_name_the_load(told):
    assert 'aria-label="serving · 8 → 9 tokens · 1 to 4 requests in flight"' in told.text
    assert "one request at a time · " not in told.text
    assert "one request at a time, 1 to 4 requests in flight" in told.text


def test_what_is_confirmed_of_engines_that_answer_alike_stands_on_their_card_and_in_the_table(tmp_path):
    loud = {"slots": 4, "launch_spread": 0.1}
    engines = (ScriptedEngine("writer", 40.0, 10.0, **loud), ScriptedEngine("reader", 4.0, 14.5, **loud))
    write_results(tmp_path, engines, WORKLOADS[1:], launches=7)
    summary, statistics = read(tmp_path, "summary.json"), read(tmp_path, "analysis/statistical_summary.json")
    plan, colours = read(tmp_path, "plan.json"), {"writer": "red", "reader": "blue"}
    inputs = SimpleNamespace(
        statistics=statistics, summary=summary, signs=colours, plan=plan, results=Results(statistics)
    )
    (card,) = load_cards(inputs)
    assert card.heading == "serving · 8 → 9 tokens · 1 to 4 requests in flight"
    alike = "reader has the lowest time to first token in serving with 1 request in flight, "
    assert any(line.startswith(alike) and line.endswith("(confirmed).") for line in card.lines)
    assert f"- {alike}" in (tmp_path / "comparison_table.md").read_text().partition("## ")[0]
    for case in plan["workloads"][0]["cases"]:
        case["answer_lengths"] = {"distribution": "uniform", "min": 1, "max": 17}
    assert load_cards(inputs)[0].heading == "serving · on average 8 → 9 tokens · 1 to 4 requests in flight"
    for cell in statistics["cells"]:
        cell.get("load", {})["turns"] = 3  # of conversations the card says what a request is
    assert "conversations of 3 turns, each with all before it and scripted answers" in load_cards(inputs)[0].heading


@pytest.mark.parametrize(
    ("held", "lines", "word"),
    [
        ({"a": 4, "b": 4, "c": 4}, ["a, b and c hold 4."], "not told apart"),
        ({"a": 4, "b": 4, "c": 2}, ["a and b hold 4.", "c holds 2."], "tie of 2 at the limits"),
        ({"a": 4, "b": 2, "c": 2}, ["a holds 4.", "b and c hold 2."], "most at the limits"),
        ({"a": 0, "b": 0, "c": 0}, [], "nobody keeps the limits"),
    ],
)
def test_a_card_names_engines_that_hold_the_same_once(monkeypatch, held, lines, word):
    below = {name: "confirmed_faster" for name, value in held.items() if value < max(held.values())}
    most = [name for name in held if name not in below]
    rows = {
        name: {"text": str(value), "point": {"value": value, "bound": None if value else "<"}}
        for name, value in held.items()
    }
    monkeypatch.setattr(load, "at_limits", lambda *_: AtLimits(rows, most, below))
    monkeypatch.setattr(load, "throughput_panel", lambda *_: SimpleNamespace(finding="a yields most"))
    monkeypatch.setattr(load, "_answers", lambda *_: [])
    monkeypatch.setattr(load, "_tokens", lambda *_: "under load")
    grid = Grid("chat", None, "closed", {1.0: "c1", 4.0: "c4"}, "requests in flight")
    inputs = SimpleNamespace(statistics={"load": {"slo": None}}, results=None, signs=dict.fromkeys(held, "red"))
    card = load._card(inputs, grid)
    assert list(card.lines) == ["Limits: no limit but an answer.", *lines, "a yields most."]
    assert card.word == word


def test_the_panel_of_sureness_tells_the_clients_own_error_and_the_levels_that_are_marked(told):
    panel = told.text.partition('id="sureness"')[2].partition("</ul>")[0]
    assert "The load client is off by up to" in panel and ">250 µs</data>" in panel
    assert "1 of 6 levels of an engine are marked: failed requests 1" in panel
    assert "more than one request in flight" not in panel


def test_without_load_nothing_speaks_of_it(page):
    assert 'id="load"' not in page.text and 'id="filter-level"' not in page.text
    assert "The load client" not in page.text


def test_names_beside_the_lines_never_overlap_and_stay_beside_the_drawing():
    curves = {f"engine_{number}": [(1.0, 5.0, None, None), (2.0, 5.0 + number / 1e6, 4.9, 5.1)] for number in range(20)}
    panel = Panel("ttft_ms", "found", "requests in flight", "ms", curves, {})
    drawn = chart(
        panel,
        Grid("chat", None, "closed", {1.0: "c1", 2.0: "c2"}, "requests in flight"),
        dict.fromkeys(curves, Sign("#123456", "o")),
    )
    tops = sorted(name.top for name in drawn.names)
    assert min(after - before for before, after in pairwise(tops)) >= 100 / drawn.rows - 0.02
    assert tops[0] >= 0 and tops[-1] <= 100
    assert [label for _, label in drawn.x_ticks] == ["1", "2"] and drawn.y_ticks[0] == (100, "0")


def test_names_of_many_lines_near_both_ends_stay_beside_the_drawing():
    ends = [*(value / 10 for value in range(17)), 50.0, 80.0, 100.0]
    curves = {f"engine_{number}": [(1.0, end, None, None)] for number, end in enumerate(ends)}
    grid = Grid("chat", None, "closed", {1.0: "c1"}, "requests in flight")
    drawn = chart(Panel("ttft_ms", "found", "x", "ms", curves, {}), grid, dict.fromkeys(curves, Sign("#123456", "o")))
    tops = sorted(name.top for name in drawn.names)
    assert min(after - before for before, after in pairwise(tops)) >= 100 / drawn.rows - 0.02
    assert tops[0] >= 0 and tops[-1] <= 100


def test_a_limit_far_above_all_values_does_not_flatten_the_lines():
    panel = Panel("ttft_ms", "found", "x", "ms", {"a": [(1.0, 5.0, None, None)]}, {}, limit=[(1.0, 5000.0)])
    grid = Grid("chat", None, "closed", {1.0: "c1"}, "requests in flight")
    assert chart(panel, grid, {"a": Sign("#123456", "o")}).limit == ""
    near = Panel("ttft_ms", "found", "x", "ms", {"a": [(1.0, 5.0, None, None)]}, {}, limit=[(1.0, 8.0)])
    assert chart(near, grid, {"a": Sign("#123456", "o")}).limit != ""
    assert chart(Panel("ttft_ms", "found", "x", "ms", {}, {}), grid, {}) is None


@pytest.mark.browser
def test_the_level_is_a_filter_of_its_own_that_the_address_keeps(chromium, folder):
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=WIDE)
    page = found.page
    assert not page.locator("#filter-levels").is_visible()
    page.get_by_label("Workload").select_option(label="serving")
    page.locator("#filter-level").select_option(label="with 4 requests in flight")
    page.get_by_label("Metric").select_option(label="output throughput of all requests")
    page.locator("#filter-engines button", has_text="alone").click()

    def looks_chosen():
        page.wait_for_function("document.querySelector('.chart svg').textContent.includes('serving with 4 requests')")
        caption = page.locator("#matrix caption").inner_text()
        assert caption.startswith("output throughput of all requests, serving with 4 requests in flight: ")
        assert page.locator(".curve g[data-engine=alone]").first.is_hidden()
        assert page.locator(".curve g[data-engine=batched]").first.is_visible()

    looks_chosen()
    page.reload()
    looks_chosen()
    assert page.locator("#filter-level option").all_inner_texts() == [
        "with 1 request in flight",
        "with 2 requests in flight",
        "with 4 requests in flight",
    ]
    assert found.problems == []
    found.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_under_load_is_a_barrier_or_wider_than_the_page(chromium, folder, size):
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=size, color_scheme="dark")
    assert barriers(found.page) == {}
    assert found.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found.context.close()


@pytest.mark.browser
def test_no_table_under_load_is_cut_on_a_desktop(chromium, folder):
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=DESKTOP)
    assert cut(found.page) == []
    found.context.close()
