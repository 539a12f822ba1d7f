"""The report in a real browser: no error, no request, an answer on the first screen, tables that sort."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from benchmark_runner.display import TIMES, significant
from benchmark_runner.doctor.tools import find_chromium
from benchmark_runner.report.__main__ import main as report_main
from benchmark_runner.statistics.results import Cell, Results
from finished import ENGINES, finish, read, report_arguments
from records import ScriptedEngine, ScriptedWorkload

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 400, "height": 800}
MOST_SECONDS_TO_DRAW = 30


@pytest.fixture(scope="module")
def chromium(request):
    """A browser, or a skip with the remedy; under --require-all a failure."""
    found = find_chromium()
    if found is None:
        reason = "there is no Chromium: apt-get install chromium"
        if request.config.getoption("--require-all", default=False):
            pytest.fail(f"{reason} (--require-all)", pytrace=False)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=list(FLAGS))
        yield browser
        browser.close()


class Visit:
    """One opened report with what the browser said and asked for meanwhile."""

    def __init__(self, browser, address, **options):
        self.problems, self.requests = [], []
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        self.page.wait_for_function(
            "document.querySelectorAll('.chart').length === document.querySelectorAll('.chart svg').length",
            timeout=MOST_SECONDS_TO_DRAW * 1000,
        )

    def column(self, place):
        cells = self.page.locator(f"table.sortable >> nth=0 >> tbody tr:not([hidden]) >> td:nth-child({place})")
        return [text.split("\n")[0] for text in cells.all_inner_texts()]


@pytest.fixture
def visit(chromium, campaign):
    opened = []

    def open_page(**options):
        opened.append(Visit(chromium, (campaign / "report.html").as_uri(), **({"viewport": WIDE} | options)))
        return opened[-1]

    yield open_page
    for found in opened:
        found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_an_error_and_asks_for_nothing_but_itself(visit, campaign, scheme):
    found = visit(color_scheme=scheme)
    assert found.problems == []
    assert [url for url in found.requests if not url.startswith("data:")] == [(campaign / "report.html").as_uri()]
    assert found.page.locator(".chart svg").count() == 2


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_answer_and_the_quick_look_are_on_the_first_screen(visit, size):
    page = visit(viewport=size).page
    for place in ("#answer", "#quick-look"):
        box = page.locator(place).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= size["height"]
        assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"]


def test_a_narrow_page_does_not_scroll_sideways(visit):
    page = visit(viewport=NARROW).page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_heading_sorts_up_then_down_and_leaves_the_unmeasured_last(visit):
    found = visit()
    button = found.page.get_by_role("button", name="TTFT")
    heading = found.page.locator("th", has=button)
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    up = found.column(4)
    button.click()
    assert heading.get_attribute("aria-sort") == "descending"
    down = found.column(4)
    absent = [text for text in up if text == "—"]
    assert absent and up[-len(absent) :] == absent == down[-len(absent) :]
    measured = [float(text.split()[0]) for text in up[: -len(absent)]]
    assert measured == sorted(measured)
    assert [float(text.split()[0]) for text in down[: -len(absent)]] == sorted(measured, reverse=True)
    assert found.problems == []


def test_sorting_works_from_the_keyboard_and_is_announced(visit):
    found = visit()
    button = found.page.get_by_role("button", name="Engine").first
    button.focus()
    found.page.keyboard.press("Enter")
    assert found.page.locator("#sort-status").inner_text() == "Sorted by Engine, ascending"
    names = found.page.locator("table.sortable >> nth=0 >> tbody tr:not([hidden]) >> th").all_inner_texts()
    assert [name.split("\n")[0] for name in names] == sorted(name.split("\n")[0] for name in names)


def test_what_is_below_follows_the_filters_and_the_address_keeps_them(visit):
    found = visit()
    page = found.page
    page.get_by_label("Metric").select_option(label="time to first token")
    page.get_by_label("Workload").select_option(label="throughput_test, case_2")
    page.get_by_role("button", name="burn_cuda").first.click()

    def looks_chosen():
        page.wait_for_function("document.querySelector('.chart svg').textContent.includes('Time to first token, ms')")
        assert page.locator("#matrix caption").inner_text().startswith("time to first token, throughput_test, case_2")
        assert page.locator("#matrix tbody th").all_inner_texts() == ["pytorch_baseline", "candle_cuda"]
        rows = page.locator("tr[data-engine]:visible")
        assert {row.get_attribute("data-where") for row in rows.all()} == {"throughput_test, case_2"}
        assert rows.count() == 3
        assert page.locator("#token-timeline svg").get_attribute("aria-label").count("first token") == 3

    looks_chosen()
    page.reload()
    looks_chosen()
    page.locator("nav.contents a[href='#warnings']").click()
    assert "where=throughput_test" in page.url and "at=warnings" in page.url
    looks_chosen()
    assert found.problems == []


def test_the_matrix_shows_the_ratios_of_the_statistics_both_ways_round_and_tells_the_sentence(visit, campaign):
    page = visit().page
    results = Results(read(campaign, "analysis/statistical_summary.json"))
    one = results.between("candle_cuda", "pytorch_baseline", Cell("latency_test", "case_1"), "e2e_ms")
    low, point, high = (one["ratio"][key] for key in ("low", "point", "high"))

    def cell(first, second):
        return page.get_by_role("button", name=f"{first} against {second}")

    there, back = cell("candle_cuda", "pytorch_baseline"), cell("pytorch_baseline", "candle_cuda")
    shown = [button.inner_text().split("\n") for button in (there, back)]
    assert shown[0] == [f"▲ {significant(point)}{TIMES}", f"{significant(low)} to {significant(high)}"]
    assert shown[1] == [f"▼ {significant(1 / point)}{TIMES}", f"{significant(1 / high)} to {significant(1 / low)}"]
    back.focus()
    page.keyboard.press("Enter")
    assert one["sentence"] in page.locator("#pair-sentence").inner_text()
    assert back.get_attribute("aria-pressed") == "true"


def test_a_link_opens_what_its_target_is_folded_in(visit):
    page = visit().page
    heading = page.locator("h2#glossary")
    assert page.locator("dl.legend:visible", has_text="inter-token latency").count() == 0
    page.evaluate("location.hash = 'glossary'")
    page.wait_for_function("document.getElementById('glossary').closest('details').open")
    assert heading.is_visible()


def test_readings_are_drawn_by_the_one_that_is_chosen(chromium, tmp_path):
    engines = [ScriptedEngine("base"), ScriptedEngine("other")]
    folder = finish(tmp_path, engines, (ScriptedWorkload("chat"),), plots=False)
    for engine in engines:
        (path,) = folder.glob(f"launches/{engine.name}/chat.*/1")
        begin_ns = json.loads((path / "record.json").read_text())["load"]["start_ns"]
        samples = [
            {"event": "sample", "time_ns": begin_ns + at, "engine_rss_bytes": 3e8, "gpu_power_watts": 70.5 + at / 1e8}
            for at in range(0, 500_000_000, 100_000_000)
        ]
        (path / "metrics.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    assert report_main(report_arguments(folder, engines)) == 0
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=WIDE)
    drawing = found.page.locator("#monitor-timeline svg")
    assert drawing.get_attribute("aria-label") == "base: at most 300; other: at most 300"
    found.page.locator("#reading").select_option(label="GPU power, W")
    assert drawing.get_attribute("aria-label") == "base: at most 74.5; other: at most 74.5"
    assert drawing.locator("polyline").count() == 2
    assert found.problems == []
    found.context.close()


def test_every_launch_is_in_the_timeline(visit):
    page = visit().page
    assert page.locator("#launch-timeline rect > title").count() == 6 * 4 * 2


def test_hostile_names_run_nothing(visit):
    found = visit()
    assert found.page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert "alert('owned')" in found.page.locator("body").inner_text()


def test_a_script_that_is_not_the_pages_own_does_not_run(chromium, campaign, tmp_path):
    text = (campaign / "report.html").read_text()
    foreign = "<script>window.foreign = 1</script><p onclick='window.foreign = 2' id='trap'>here</p>"
    (tmp_path / "report.html").write_text(text.replace("<main>", f"<main>{foreign}"))
    found = Visit(chromium, (tmp_path / "report.html").as_uri(), viewport=WIDE)
    found.page.locator("#trap").click()
    assert found.page.evaluate("window.foreign === undefined")
    assert found.problems and all("Content Security Policy" in problem for problem in found.problems)
    assert found.page.locator(".chart svg").count() == 2
    found.context.close()


def test_chart_text_is_legible_in_the_dark(visit):
    page = visit(color_scheme="dark").page
    colours = page.evaluate(
        "[...document.querySelectorAll('.chart svg text')].map((text) => getComputedStyle(text).fill)"
    )
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert colours and set(colours) == {ink}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_whole_answer_fits_on_the_first_screen_of_a_desktop(visit, scheme):
    page = visit(viewport={"width": 1440, "height": 900}, color_scheme=scheme).page
    for panel in page.locator(".card, .panel").all():
        box = panel.bounding_box()
        assert box["y"] + box["height"] <= 900 and box["x"] + box["width"] <= 1440


def test_the_plot_keeps_its_marks_within_their_tracks_on_a_telephone(visit):
    page = visit(viewport=NARROW).page
    outside = page.evaluate(
        """[...document.querySelectorAll('.forest .track svg')].filter((track) => {
            const room = track.getBoundingClientRect();
            return [...track.querySelectorAll('circle, .interval')].some((mark) => {
                const box = mark.getBoundingClientRect();
                return box.left < room.left - 1 || box.right > room.right + 1;
            });
        }).length"""
    )
    assert page.locator(".forest circle").count() > 0 and outside == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_folded_away_is_left_out_of_a_print_of_at_most_six_pages(visit):
    page = visit().page
    page.emulate_media(media="print")
    folded = page.locator("details:not([open])")
    assert folded.count() > 0 and not any(part.is_visible() for part in folded.all())
    assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4"))) <= 6


def test_paper_is_white_whatever_the_screen_likes(visit):
    page = visit(color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    styles = "getComputedStyle(document.body)"
    assert page.evaluate(f"[{styles}.backgroundColor, {styles}.color]") == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]


@pytest.fixture
def priced(chromium, tmp_path):
    """Opens the report of a campaign with a price, some engine of which is near a limit; gives its folder beside."""
    opened = []

    def open_page(**business):
        engines = [replace(engine, launch_spread=0.03) for engine in ENGINES if not engine.unavailable]
        folder = finish(tmp_path, engines, plots=False, business={"usd_per_hour": 0.36, **business})
        opened.append(Visit(chromium, (folder / "report.html").as_uri(), viewport=WIDE))
        return opened[-1], read(folder, "analysis/business_recommendations.json")

    yield open_page
    for found in opened:
        found.context.close()


def costs_shown(page):
    """Cells of the explorer's table by engine, each with its interval after a blank."""
    rows = page.locator("#explorer-table tbody tr").all()
    cells = [[" ".join(cell.inner_text().split()) for cell in row.locator("th, td").all()] for row in rows]
    return {row[0].split(" ")[0]: row[1:] for row in cells}


def fill(page, **figures):
    for name, value in figures.items():
        page.locator(f"#explorer-{name}").fill(str(value))


def as_shown(point, low, high):
    return f"{significant(point)} {significant(low)} to {significant(high)}"


def test_the_cost_explorer_begins_with_the_figures_of_the_business_document(priced):
    found, business = priced(utilisation=0.4, tiers={"interactive": {"ttft_ms": 120, "tpot_ms": 61}})
    limits = business["performance_tiers"]["engines"]
    for place in ("latency_test, case_1", "throughput_test, case_1", "throughput_test, case_2"):
        found.page.get_by_label("Workload").select_option(label=place)
        shown = costs_shown(found.page)
        rows = [row for row in business["costs"] if f"{row['workload']}, {row['case']}" == place]
        assert set(shown) == {row["engine"] for row in rows} == {"pytorch_baseline", "candle_cuda"}
        for row in rows:
            rate, million, machines, month, kept, tier = shown[row["engine"]]
            cost = row["usd_per_million_output_tokens"]["user_utilisation"]
            (machine,) = next(one for one in business["infrastructure_costs"] if one["engine"] == row["engine"])[
                "machines"
            ]
            (judged,) = (one for one in limits if all(one[key] == row[key] for key in ("engine", "workload", "case")))
            results = {one["result"] for one in judged["limits"]}
            assert rate == as_shown(*(row["tokens_per_s"][key] for key in ("point", "low", "high")))
            assert million == as_shown(*(cost[key] for key in ("point", "low", "high")))
            assert (machines, month) == ("1", significant(machine["usd_per_month"]["point"]))
            assert kept == next(word for word in ("missed", "not shown", "kept") if word in results)
            assert tier == (judged["tier"] or "none")
    assert shown["candle_cuda"][4] == "kept" and shown["pytorch_baseline"][4] == "not shown"
    assert "Limits not shown: pytorch_baseline." in found.page.locator("#explorer-status").inner_text()
    assert found.problems == []


def test_the_cost_explorer_computes_anew_from_the_readers_figures_and_the_address_keeps_them(priced):
    found, business = priced()
    page = found.page
    fill(page, price=2.5, utilisation=25, requests=500_000, peak=2, spare=50)
    rate = business["costs"][0]["tokens_per_s"]
    assert business["costs"][0]["engine"] == "pytorch_baseline"
    # 120 ms and 10 gaps of 60 ms are 0.72 s a request, of 11.6 a second at the peak: 16.67 machines' worth by half
    million = [2.5 * 1e6 / (3600 * rate[key] * 0.25) for key in ("point", "high", "low")]

    def looks_computed():
        _, shown, machines, month, *_ = costs_shown(page)["pytorch_baseline"]
        assert shown == as_shown(*million)
        assert machines.split(" ")[0] == "17"
        assert month.split(" ")[0] == significant(17 * 2.5 * 730.5)

    looks_computed()
    page.reload()
    looks_computed()
    fill(page, prompt=80, answer=21, requests=1)
    # The nearest case has 64 + 21 tokens: 120 ms become 150 ms, and 20 gaps of 60 ms stay
    rate, *_ = costs_shown(page)["pytorch_baseline"]
    assert float(rate.split(" ")[0]) == pytest.approx(21 / 1.35, rel=0.02)
    assert "estimate from throughput_test, case_2 (64 + 21 tokens)" in page.locator("#explorer-table").inner_text()
    page.get_by_role("button", name="Back to the campaign's figures").press("Enter")
    assert page.locator("#explorer-price").input_value() == "0.36" and "explorer-" not in page.url
    assert found.problems == []


def test_the_cost_explorer_needs_as_many_machines_as_the_fleet_of_the_stated_demand(priced):
    pool = {"name": "chat", "requests_per_day": 400_000, "peak_factor": 3.0, "prompt_tokens": 16, "answer_tokens": 11}
    other = {"name": "bulk", "requests_per_day": 30_000, "prompt_tokens": 64, "answer_tokens": 40}
    found, business = priced(demand={"spare": 0.2, "pools": [pool | {"slo": {"ttft_ms": 150}}, other]})
    for name in ("chat", "bulk"):
        found.page.get_by_label("Part of the demand").select_option(label=name)
        (machine,) = (one for one in business["cost_optimization"]["fleet"]["machines"] if one["pool"] == name)
        _, _, machines, month, *_ = costs_shown(found.page)[machine["engine"]]
        assert machines.split(" ")[0] == str(machine["count"])
        assert month.split(" ")[0] == significant(machine["count"] * 0.36 * 730.5)
        assert machine["basis"] in found.page.locator("#explorer-table").inner_text()
        ruled_out = {one["engine"] for one in business["cost_optimization"]["ruled_out"] if one["pool"] == name}
        assert ruled_out == {engine for engine, row in costs_shown(found.page).items() if row[4] not in ("kept", "—")}


def test_without_a_price_the_cost_explorer_says_what_to_fill_in(visit):
    found = visit()
    status = found.page.locator("#explorer-status")
    assert found.page.locator("#explorer-price").input_value() == ""
    assert "No price: fill in what an hour of this machine costs you." in status.inner_text()
    assert {row[1] for row in costs_shown(found.page).values()} == {"—"}
    fill(found.page, price="0.5", utilisation="300")
    assert status.inner_text().startswith("Utilisation for the cost of tokens, %: a number from 0 to 100.")
    fill(found.page, utilisation="30")
    assert costs_shown(found.page)["candle_cuda"][1] != "—" == costs_shown(found.page)["burn_cuda"][1]
    assert found.problems == []
