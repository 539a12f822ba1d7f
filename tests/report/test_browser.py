"""The report in a real browser: no error, no request, an answer on the first screen, tables that sort."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from benchmark_runner.display import TIMES, significant
from benchmark_runner.report.__main__ import main as report_main
from benchmark_runner.statistics.results import Cell, Results
from finished import finish, read, report_arguments, write_logs
from records import ScriptedEngine, ScriptedWorkload

from .conftest import WIDE, Visit

pytestmark = pytest.mark.browser

NARROW = {"width": 400, "height": 800}


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


def barriers(page):
    """Violations of level serious or critical that axe-core finds, with everything unfolded, each with its elements."""
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    found = Axe().run(page).response["violations"]
    return {
        one["id"]: [node["html"] for node in one["nodes"]] for one in found if one["impact"] in ("serious", "critical")
    }


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_page_is_a_barrier(visit, scheme, size):
    assert barriers(visit(color_scheme=scheme, viewport=size).page) == {}


def test_axe_would_find_a_barrier(visit):
    page = visit().page
    page.evaluate("document.querySelector('h1').style.color = 'color-mix(in srgb, currentColor 10%, transparent)'")
    assert "color-contrast" in barriers(page)


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


def test_the_charts_say_what_they_found_as_long_as_all_engines_are_shown(visit):
    page = visit().page
    latency, decode = page.locator(".chart svg").all_text_contents()
    assert re.search(r"Typically from \d+ ms \(candle_cuda\) to \S+ m?s \(pytorch_baseline\)", latency)
    assert "No decode rate changes by 0.5 % or more" in decode
    page.get_by_role("button", name="burn_cuda").first.click()
    page.wait_for_function("!document.querySelector('.chart svg').textContent.includes('Typically')")


def test_every_engine_has_its_mark_beside_its_colour(visit):
    page = visit().page
    of_each = "found => found.map((one) => one.getAttribute('href'))"
    assert page.locator("#filter-engines use").evaluate_all(of_each) == [
        "#mark-circle",
        "#mark-circle",
        "#mark-square",
        "#mark-triangle",
    ]
    assert page.evaluate(
        "[...document.querySelectorAll('use')].every((one) => document.querySelector(one.getAttribute('href')))"
    )
    assert set(
        page.locator(".forest tr", has_text="candle_cuda")
        .locator("use")
        .evaluate_all("found => found.map(one => one.getAttribute('href'))")
    ) == {"#mark-square"}


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


def test_the_caption_of_a_matrix_of_two_engines_is_one_line(visit):
    page = visit(viewport={"width": 1440, "height": 900}).page
    page.locator("#filter-engines").get_by_role("button", name="burn_cuda").click()
    assert page.locator("#matrix thead th").count() == 2
    height, line = page.evaluate(
        "(() => { const words = document.querySelector('#matrix caption span');"
        " return [words.getBoundingClientRect().height, parseFloat(getComputedStyle(words).lineHeight)]; })()"
    )
    assert height < 1.5 * line
    widths = "[...document.querySelectorAll('#matrix tbody td')].map((one) => one.getBoundingClientRect().width)"
    assert max(page.evaluate(widths)) < 250  # no column is stretched to the caption


def test_a_matrix_of_many_engines_has_no_intervals_and_fits_the_page(visit):
    page = visit().page
    assert page.locator("#matrix small").first.is_visible()
    page.evaluate(
        "(() => { for (let number = 0; number < 17; number += 1)"
        " told.engines.push({ ...told.engines[0], name: `some_engine_of_many_${number}` });"
        " drawers.forEach((draw) => draw()); })()"
    )
    assert page.locator("#matrix thead th").count() > 17
    assert not page.locator("#matrix small").first.is_visible()
    assert page.locator("#pair-sentence").inner_text() == "Press a cell for its interval and sentence."
    assert page.evaluate("document.querySelector('#matrix').scrollWidth <= document.body.clientWidth")


def test_the_matrix_shows_the_ratios_of_the_statistics_both_ways_round_and_tells_the_sentence(visit, campaign):
    page = visit().page
    results = Results(read(campaign, "analysis/statistical_summary.json"))
    one = results.between("candle_cuda", "pytorch_baseline", Cell("latency_test", "case_1"), "e2e_ms")
    low, point, high = (one["ratio"][key] for key in ("low", "point", "high"))

    def cell(first, second):
        return page.get_by_role("button", name=f"{first} against {second}")

    there, back = cell("candle_cuda", "pytorch_baseline"), cell("pytorch_baseline", "candle_cuda")
    shown = [button.inner_text().split("\n") for button in (there, back)]
    assert shown[0] == [f"▲▲ {significant(point)}{TIMES}", f"{significant(low)} to {significant(high)}"]
    assert shown[1] == [f"▼▼ {significant(1 / point)}{TIMES}", f"{significant(1 / high)} to {significant(1 / low)}"]
    back.focus()
    page.keyboard.press("Enter")
    assert one["sentence"] in page.locator("#pair-sentence").inner_text()
    assert back.get_attribute("aria-pressed") == "true"


def test_a_pair_whose_tests_point_in_opposite_directions_is_ahead_from_neither_side(visit):
    page = visit().page
    page.evaluate(
        """() => {
          for (const { pairs } of told.groups)
            for (const one of pairs) [one[5], one[6]] = ["significant_unconfirmed", null];
          for (const draw of drawers) draw();
        }"""
    )
    signs = {text.split(" ")[0] for text in page.locator("#matrix button b").all_inner_texts()}
    assert "△▽" in signs and not signs & {"△", "▽"}


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
    write_logs(folder, engines)
    assert report_main(report_arguments(folder, engines)) == 0
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=WIDE)
    drawing = found.page.locator("#monitor-timeline svg")
    assert drawing.get_attribute("aria-label") == "base: at most 300 MB; other: at most 300 MB"
    found.page.locator("#reading").select_option(label="GPU power, W")
    assert drawing.get_attribute("aria-label") == "base: at most 74.5 W; other: at most 74.5 W"
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
            return [...track.querySelectorAll('.mark, .interval')].some((mark) => {
                const box = mark.getBoundingClientRect();
                return box.left < room.left - 1 || box.right > room.right + 1;
            });
        }).length"""
    )
    assert page.locator(".forest .mark").count() > 0 and outside == 0
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


def long_names(count):
    """Engines with names as long as a path, the first the baseline."""
    named = [f"text_generation_server_of_a_long_name_quantised_to_4_bits_{number}" for number in range(count)]
    return [ScriptedEngine(name, 20.0 + number, launch_spread=0.01) for number, name in enumerate(named)]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_long_names_break_within_the_page(chromium, tmp_path, size):
    workload = ScriptedWorkload("summaries_of_legal_documents_in_three_languages_with_tables")
    folder = finish(tmp_path, long_names(3), (workload,), plots=False, launches=2)
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=size)
    assert found.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found.context.close()


@pytest.fixture(scope="module")
def twenty(tmp_path_factory):
    """A report of twenty engines in seven test cases."""
    engines = [ScriptedEngine(f"project_{number}_cuda", 20.0 + number, launch_spread=0.01) for number in range(20)]
    texts = tuple((tokens, 21) for tokens in range(16, 80, 16))
    workloads = ScriptedWorkload("chat"), ScriptedWorkload("summary", cases=texts[:2]), ScriptedWorkload("text", texts)
    return finish(tmp_path_factory.mktemp("twenty"), engines, workloads, plots=False, launches=2) / "report.html"


def test_the_answer_on_twenty_engines_in_seven_test_cases_ends_on_the_first_screen_of_a_desktop(chromium, twenty):
    found = Visit(chromium, twenty.as_uri(), viewport={"width": 1440, "height": 900})
    bottoms = [panel.bounding_box() for panel in found.page.locator(".card, .panel").all()]
    assert max(box["y"] + box["height"] for box in bottoms) <= 900
    rows = found.page.locator(".forest tbody tr")
    assert sum(row.is_visible() for row in rows.all()) < 20
    found.page.get_by_text("All 20 engines").click()
    assert sum(row.is_visible() for row in rows.all()) >= 20
    found.context.close()


def test_twenty_engines_in_seven_test_cases_are_printed_on_at_most_six_pages(chromium, twenty):
    found = Visit(chromium, twenty.as_uri(), viewport=WIDE)
    found.page.emulate_media(media="print")
    margins = dict.fromkeys(("top", "bottom", "left", "right"), "1cm")  # as chromium --print-to-pdf has them
    assert len(re.findall(rb"/Type\s*/Page[^s]", found.page.pdf(format="Letter", margin=margins))) <= 6
    found.page.evaluate("document.querySelector('main').style.width = '700px'")
    widths = "[...document.querySelectorAll('.chart svg')].map((drawn) => drawn.getBoundingClientRect().width)"
    assert max(found.page.evaluate(widths)) <= 700
    found.context.close()


def test_a_campaign_without_any_measurement_needs_no_scrolling_on_a_desktop(chromium, tmp_path):
    engines = [ScriptedEngine(f"engine_{number}", unavailable=f"no compiler {number}: " * 20) for number in range(6)]
    folder = finish(tmp_path, engines, (ScriptedWorkload("chat"),), plots=False, quick=True)
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport={"width": 1440, "height": 900})
    assert found.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert barriers(found.page) == {}
    found.context.close()


@pytest.mark.parametrize("controlled", [False, True], ids=["alone", "with its control"])
def test_an_engine_that_nothing_is_compared_with_has_its_charts(chromium, tmp_path, controlled):
    engines = [ScriptedEngine("lonely")]
    if controlled:
        engines.append(ScriptedEngine("lonely_control", control_of="lonely"))
    found = Visit(chromium, (finish(tmp_path, engines) / "report.html").as_uri(), viewport=WIDE)
    assert found.problems == []
    assert found.page.locator(".chart svg").count() == 2
    told = found.page.inner_text("body")
    assert "There is no pair to compare." in told and "could not be drawn" not in told
    found.context.close()
