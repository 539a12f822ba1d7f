"""The first screen of report.html: the answer, cards, the forest plot and how sure it is, all from the documents."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmark_runner.display import TIMES, bytes_text, milliseconds, significant
from benchmark_runner.report.forest import MOST_ROWS, Axis, standing, times
from benchmark_runner.report.overview import usd
from finished import ENGINES, finish, read
from records import ScriptedEngine, ScriptedWorkload

from .conftest import Page

DATA = re.compile(r'<data value="([^"]+)" data-from="([^"#]+)#([^"]+)">(.*?)</data>')
ONE_WORKLOAD = (ScriptedWorkload("reading", ((40, 9),)),)


def first_screen(folder):
    """The page's header as text."""
    return re.search(r'<header class="page">(.*?)</header>', (folder / "report.html").read_text(), re.DOTALL)[1]


def words(fragment):
    """Text of a piece of HTML, with single blanks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", fragment)).split())


def at_pointer(document, pointer):
    for key in pointer.removeprefix("/").split("/"):
        name = html.unescape(key).replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def check_figures(folder):
    """Every figure that names its source is the number there, rounded as the display rounds; returns how many."""
    found = DATA.findall(first_screen(folder))
    for value, file, pointer, text in found:
        number = at_pointer(read(folder, file), pointer)
        assert float(value) == number
        assert html.unescape(text) in {show(number) for show in (significant, times, milliseconds, bytes_text, usd)}
    return len(found)


def rows_of(screen):
    """[(classes, engine, numbers)] of the forest plot."""
    row = r'<tr class="([a-z]*)">\s*<th scope="row">(.*?)</th>.*?<td class="number">(.*?)</td>'
    table = re.findall(row, screen, re.DOTALL)
    return [(standing, words(name).split(" ")[0], words(numbers)) for standing, name, numbers in table]


def test_every_figure_of_the_first_screen_is_the_number_of_its_document(campaign):
    # A ratio with both ends for each of three cells, values, the control, memory.
    assert check_figures(campaign) >= 3 * 4


def test_no_figure_of_a_card_or_of_the_plot_stands_without_its_source(campaign):
    screen = DATA.sub("", first_screen(campaign))
    plotted = [numbers for _, _, numbers in rows_of(screen)]
    assert plotted and not any(re.search(r"\d", numbers.partition("no measurement")[0]) for numbers in plotted)
    for card in re.findall(r'<p class="who">(.*?)</p>', screen, re.DOTALL):
        assert not re.search(r"\d", words(card))


def test_the_heading_is_the_answers_sentence_and_comes_before_all_figures(campaign):
    screen, answer = first_screen(campaign), read(campaign, "summary.json")["answer"]
    assert words(re.search(r"<h1[^>]*>(.*?)</h1>", screen, re.DOTALL)[1]) == " ".join(answer["sentence"].split())
    assert screen.index("<h1") < screen.index("<data")


def test_each_cell_has_a_card_with_its_leading_group(campaign):
    cards = re.findall(
        r'<section class="card[^"]*" aria-label="([^"]+)">(.*?)</section>', first_screen(campaign), re.DOTALL
    )
    cells = read(campaign, "summary.json")["answer"]["workloads"]
    assert len(cells) == 3
    for (label, body), cell in zip(cards, cells, strict=False):
        assert cell["workload"] in label
        assert all(engine in words(body) for engine in cell["leading"][:3])
    assert [label for label, _ in cards[3:]] == ["Memory, peak", "Cost"]


def test_the_plot_has_a_row_an_engine_in_the_answers_order_and_marks_the_leading_group(campaign):
    cells = read(campaign, "summary.json")["answer"]["workloads"]
    wanted = [("leads" if one["leading"] else "", one["engine"]) for cell in cells for one in cell["engines"]]
    assert [row[:2] for row in rows_of(first_screen(campaign))] == wanted


@pytest.mark.parametrize(
    ("verdict", "faster", "wanted"),
    [
        ("significant_unconfirmed", "first", "perhaps"),
        ("significant_unconfirmed", "second", "leads"),
        ("inconclusive", None, "leads"),
    ],
)
def test_a_member_that_one_test_alone_puts_behind_the_first_is_marked_as_perhaps_behind(verdict, faster, wanted):
    pair = {"verdict": verdict, "faster": faster}
    inputs = SimpleNamespace(results=SimpleNamespace(between=lambda *_: pair))
    cell = {"workload": "reading", "case": "case_1", "metric": "e2e_ms", "leading": ["first", "second"]}
    assert standing(inputs, cell, {"engine": "second", "leading": True}) == wanted
    assert standing(inputs, cell, {"engine": "third", "leading": False}) == ""


def test_facets_beyond_the_first_screen_are_folded_and_one_is_always_open(tmp_path):
    engines = [ScriptedEngine(f"engine_{number}", 50.0 + number, 20.0) for number in range(MOST_ROWS // 2 + 1)]
    folder = finish(tmp_path, engines, (ScriptedWorkload("a"), ScriptedWorkload("b")), plots=False, launches=2)
    screen = first_screen(folder)
    unfolded = screen.partition("<details>")[0]
    assert unfolded.count('<table class="forest">') == 1
    assert screen.count('<table class="forest">') == 2 and "1 further test case" in screen


def test_without_a_baseline_there_is_no_ratio_and_nothing_is_once_the_baseline(tmp_path):
    engines = [ScriptedEngine("base", unavailable="no compiler"), ScriptedEngine("one"), ScriptedEngine("two", 40.0)]
    folder = finish(tmp_path, engines, ONE_WORKLOAD, plots=False)
    screen = first_screen(folder)
    assert "base has no measurement to compare with, so there is no ratio." in words(screen)
    assert TIMES not in words(screen)
    assert ("", "base", "no measurement") in rows_of(screen)
    assert check_figures(folder)


def test_an_engine_that_computes_another_model_is_not_shown_as_the_cheapest_and_keeps_no_tier(tmp_path):
    wrong = ScriptedEngine("wrong", ttft_ms=1.0, itl_ms=0.5, fidelity="fail")
    priced = {"usd_per_hour": 1, "tiers": {"batch": {"total_tokens_per_s": 1}}}
    folder = finish(tmp_path, [ScriptedEngine("right"), wrong], ONE_WORKLOAD, plots=False, business=priced)
    (cost,) = re.findall(r'aria-label="Cost">(.*?)</section>', first_screen(folder), re.DOTALL)
    assert "right" in words(cost) and "wrong" not in words(cost)
    tiers = {row[0]: row[2] for row in Page((folder / "report.html").read_text()).table("Tiers: ")}
    assert tiers["right"] == "kept" and tiers["wrong"].startswith("not ranked it does not compute the same")


def test_engines_that_are_not_ranked_have_no_cost_and_no_limit_is_said_to_be_missed(tmp_path):
    engines = [ScriptedEngine(name, fidelity="fail") for name in ("base", "other")]
    folder = finish(tmp_path, engines, ONE_WORKLOAD, plots=False, business={"usd_per_hour": 1})
    assert card_of(folder, "Cost").endswith("No engine with a known price can be ranked.")


def test_an_engine_alone_has_its_latency_on_its_card(tmp_path):
    folder = finish(tmp_path, [ScriptedEngine("alone")], ONE_WORKLOAD, plots=False)
    card = words(re.search(r'<section class="card workload".*?>(.*?)</section>', first_screen(folder), re.DOTALL)[1])
    value = read(folder, "summary.json")["answer"]["workloads"][0]["engines"][0]["value"]
    assert f"alone · {milliseconds(value)}" in card and "no answer" not in card


def test_a_campaign_without_any_measurement_is_one_screen_of_reasons(tmp_path):
    engines = [ScriptedEngine("base", unavailable="no compiler"), ScriptedEngine("other", unavailable="no driver")]
    page = (finish(tmp_path, engines, ONE_WORKLOAD) / "report.html").read_text()
    screen = re.search(r'<header class="page">(.*?)</header>', page, re.DOTALL)[1]
    assert "no compiler" in page and "no driver" in page
    assert 'class="card"' not in screen and "<table" not in screen
    assert 'id="comparison"' not in page.partition("<main>")[2]
    assert [place for place in re.findall(r'href="#([^"]+)"', page) if f'id="{place}"' not in page] == []


def test_what_speaks_for_the_answer_and_against_it_is_told(campaign):
    grounds = re.findall(r'<li class="(good|doubt|absent)">(.*?)</li>', first_screen(campaign), re.DOTALL)
    told = [(kind, words(text)[1:].strip()) for kind, text in grounds]
    assert ("doubt", "Same model: 3 of 3 engines agree") not in told
    assert any(kind == "good" and text.startswith("Control: pytorch_baseline against itself") for kind, text in told)
    assert ("good", "No launch was disturbed") in told
    assert ("doubt", "36 of 48 launches ended well, in a random order balanced for who follows whom") in told
    assert ("absent", "Not measured: GPU, energy, more than one request in flight, prompts beyond 64 tokens") in told


def test_differing_settings_are_named_with_their_engines(tmp_path):
    engines = [
        ScriptedEngine("base", loaded={"simd": "avx512"}, launch_spread=0.01),
        ScriptedEngine("other", 15.0, 8.0, loaded={"simd": "avx2"}, launch_spread=0.01),
    ]
    screen = words(first_screen(finish(tmp_path, engines, ONE_WORKLOAD, plots=False)))
    assert "Settings differ: SIMD (avx512: base; avx2: other)" in screen
    assert "No control ran: what this machine does by itself is not known" in screen


def test_an_engine_that_computes_something_else_is_in_the_plot_and_not_ranked(tmp_path):
    wrong = ScriptedEngine("wrong", 1.0, 0.5, fidelity="fail")
    screen = first_screen(finish(tmp_path, [ENGINES[0], ENGINES[1], wrong], ONE_WORKLOAD, plots=False))
    row = next(row for row in rows_of(screen) if row[1] == "wrong")
    assert row[0] == "" and row[2].endswith("not ranked")


def test_a_known_price_gives_the_cost_of_the_cheapest_engine(tmp_path):
    engines = [ScriptedEngine("base", 100.0, 100.0), replace(ENGINES[1], name="other", ttft_ms=50.0, itl_ms=50.0)]
    folder = finish(tmp_path, engines, ONE_WORKLOAD, plots=False, business={"usd_per_hour": 0.36})
    card = re.search(r'aria-label="Cost">(.*?)</section>', first_screen(folder), re.DOTALL)[1]
    assert "other" in words(card) and "at 0.36 USD an hour" in words(card)
    assert check_figures(folder)


@pytest.mark.parametrize(("high", "logarithmic"), [(2.5, False), (30.0, True)])
def test_ratios_keep_their_order_on_the_axis_and_the_ends_keep_a_margin(high, logarithmic):
    axis = Axis(0.5, high)
    places = [axis.place(ratio) for ratio in (0.5, 1.0, 2.0, high)]
    assert axis.logarithmic is logarithmic
    assert places == sorted(places) and places[0] == pytest.approx(4.0) and places[-1] == pytest.approx(96.0)
    assert 2 <= len(axis.ticks) <= 7
    assert [label for _, label in axis.ticks if label == f"1{TIMES}"]


def card_of(folder, label):
    """Text of one card."""
    return words(re.search(rf'aria-label="{label}[^"]*">(.*?)</section>', first_screen(folder), re.DOTALL)[1])


def test_engines_that_tie_exactly_are_all_named_and_none_is_once_as_fast_as_itself(tmp_path):
    folder = finish(tmp_path, [ScriptedEngine(name) for name in ("base", "alpha", "beta")], ONE_WORKLOAD, plots=False)
    assert card_of(folder, "Memory") == "Memory, peak base, alpha, beta · 1.00 GB The weights are 500 MB."
    assert "as fast as" not in card_of(folder, "reading")


def test_an_engine_that_ranks_last_though_it_is_quick_is_said_to_have_lost_launches(tmp_path):
    lossy = replace(ENGINES[1], name="lossy", statuses={("reading", 2): "timeout"})
    screen = first_screen(finish(tmp_path, [ENGINES[0], lossy], ONE_WORKLOAD, plots=False))
    assert rows_of(screen)[-1][1] == "lossy" and rows_of(screen)[-1][2].endswith("lost launches")


def test_engines_on_different_devices_are_no_tie(tmp_path):
    engines = [replace(ENGINES[0], device="cuda:0"), replace(ENGINES[1], device="cuda:0"), ScriptedEngine("home")]
    folder = finish(tmp_path, engines, ONE_WORKLOAD, plots=False)
    assert "devices are not compared" in card_of(folder, "reading") and "tie" not in card_of(folder, "reading")
    assert read(folder, "summary.json")["answer"]["not_sure"] is None


def test_a_baseline_that_was_measured_is_not_said_to_have_no_measurement(tmp_path):
    folder = finish(tmp_path, [ENGINES[0], ENGINES[1]], ONE_WORKLOAD, plots=False, launches=1)
    screen = words(first_screen(folder))
    assert "has no measurement" not in screen
    assert "There are too few launches or engines to compare with pytorch_baseline, so there is no ratio." in screen


@pytest.mark.parametrize(
    ("low", "high"), [(0.95, 2.82), (1.0, 6.04), (1.0, 30.0), (0.002, 900.0), (0.62, 1.0), (0.975, 1.022)]
)
def test_no_ratio_lies_beyond_the_last_tick(low, high):
    axis = Axis(low, high).to_a_tick()
    assert axis.low == low and axis.ticks[-1][0] >= axis.place(high)


def test_many_engines_of_equal_memory_are_counted_and_not_listed(tmp_path):
    engines = [ScriptedEngine(name) for name in ("base", "alpha", "beta", "gamma")]
    folder = finish(tmp_path, engines, ONE_WORKLOAD, plots=False)
    assert card_of(folder, "Memory").startswith("Memory, peak 4 engines within 2 % · 1.00 GB")


def test_a_tie_with_the_baseline_has_no_ratio_to_it(tmp_path):
    noisy = {"launch_spread": 0.05, "iteration_spread": 0.05}
    engines = [ScriptedEngine("base", **noisy), ScriptedEngine("near", ttft_ms=20.1, **noisy)]
    folder = finish(tmp_path, engines, ONE_WORKLOAD, plots=False)
    assert "not told apart" in card_of(folder, "reading") and "as fast as" not in card_of(folder, "reading")
