"""report.html: the same figures as the JSON files, hostile text harmless, nothing fetched."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import itertools
import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmark_runner.display import STRUCK, estimate_parts
from benchmark_runner.report import charts, overview
from benchmark_runner.report.events import events
from benchmark_runner.report.page import page_environment
from benchmark_runner.statistics.cautions import caution
from benchmark_runner.statistics.results import Cell, Results
from benchmark_runner.statistics.wording import VERDICTS
from finished import ENGINES, WORKLOADS, finish, make_environment, read
from records import ScriptedEngine, ScriptedWorkload

from .conftest import HOSTILE, Page

COMPARISON = "Typical values over launches"


def test_the_page_shows_no_picture_of_what_it_draws_itself(page):
    assert page.images == []


@pytest.fixture(scope="module")
def results(campaign):
    return Results(read(campaign, "analysis/statistical_summary.json"))


def row_of(page, engine, workload):
    return next(row for row in page.table(COMPARISON) if (row[0].split(" ")[0], row[1]) == (engine, workload))


def test_a_quick_look_says_so_and_what_the_comprehensive_campaign_adds(page):
    quick = re.search(r'id="quick-look">(.*?)</p>', page.text, re.DOTALL)[1]
    assert "This is a quick look." in quick
    assert "6 launches of each engine, which answers each test case 18 to 24 times in all:" in quick
    assert "10 launches instead of 6" in quick
    assert "50 to 100 answers to each test case; several requests at once;" in quick
    assert "the engines lm_rs, mistral_rs" in quick
    assert "llama-3.2-1b-instruct" in quick


def test_one_engine_that_the_comprehensive_campaign_adds_is_an_engine():
    workloads = [{"iterations_total": 10, "iterations": 10}]
    comprehensive = {
        "engines": [{"name": "a"}, {"name": "b"}],
        "benchmark": {"launches": 10, "model_path": "models/m"},
        "workloads": workloads,
    }
    plan = {"campaign": {"quick": True, "launches": 3}, "engines": [{"name": "a"}], "workloads": workloads}
    text = overview.quick_look(SimpleNamespace(plan=plan, comprehensive=comprehensive))
    assert "; the engine b; the model m." in (text or "")


def test_a_quick_look_under_load_counts_requests():
    case = {"load": {"requests": 24}}
    plan = {"campaign": {"quick": True, "launches": 3}, "engines": [{"name": "a"}]}
    plan["workloads"] = [{"iterations_total": 3, "cases": [case, case]}]
    text = overview.quick_look(SimpleNamespace(plan=plan, comprehensive=None))
    assert "3 launches of each engine, which answers each test case 72 times in all" in (text or "")
    case["load"]["requests"] = None
    text = overview.quick_look(SimpleNamespace(plan=plan, comprehensive=None))
    assert "3 launches of each engine: enough to see large differences" in (text or "")


def test_the_comparison_has_the_figures_of_the_statistics(page, results):
    for engine in ("pytorch_baseline", "candle_cuda", "pytorch_baseline_control"):
        row = row_of(page, engine, "latency_test")
        cell = Cell("latency_test", "case_1")
        for place, metric in ((2, "e2e_ms"), (3, "ttft_ms"), (4, "tpot_ms"), (5, "total_tokens_per_s")):
            unit = results.metric(engine, cell, metric)["unit"]
            text, span = estimate_parts(results.estimate(engine, cell, metric), unit)
            assert row[place] == f"{text} {span}".removesuffix(" None")


def test_a_row_stands_for_every_engine_and_case(page):
    assert len(page.table(COMPARISON)) == len(ENGINES) * 3
    assert row_of(page, "candle_cuda", "throughput_test, case_2")


def test_every_verdict_has_its_sentence_and_every_word_its_meaning(page, campaign):
    comparisons = read(campaign, "analysis/statistical_summary.json")["comparisons"]
    text = html.unescape(page.text)
    for one in comparisons:
        if one["kind"] == "primary":
            assert one["sentence"][1:] in text.replace("<wbr>", "")
    assert {verdict for one in comparisons if (verdict := one["verdict"])} <= set(VERDICTS)
    assert all(verdict.meaning in text for verdict in VERDICTS.values())


def test_an_engine_that_is_slower_is_called_slower(tmp_path):
    engines = [
        ScriptedEngine("base", launch_spread=0.01),
        ScriptedEngine("slow", ttft_ms=40.0, itl_ms=20.0, launch_spread=0.01),
    ]
    folder = finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), plots=False)
    found = Page((folder / "report.html").read_text())
    assert row_of(found, "slow", "latency_test")[7] in ("meaningfully slower", "confirmed slower")
    assert found.table("latency_test: end-to-end latency")[0][1].startswith(("meaningfully", "confirmed"))


def test_hostile_text_is_shown_and_never_run(page):
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert not any("alert('owned')" in script for script in page.scripts)
    reason = next(row for row in page.table("What each lacks, and what helps") if row[0] == "burn_cuda")[3]
    assert reason == HOSTILE


def test_nothing_is_fetched_and_the_policy_forbids_it(page):
    assert page.fetched == []
    assert "default-src 'none'" in page.text
    (sources,) = re.findall(r'http-equiv="Content-Security-Policy" content="[^"]*script-src ([^;"]*);', page.text)
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 7 and "unsafe-inline" not in sources
    assert sources.split() == [*(f"'sha256-{one}'" for one in hashes), "'unsafe-eval'"]
    assert not re.search(r"url\(|@import", page.text.partition("</style>")[0])


def data_of(page, name):
    """Content of the JSON that the page's scripts read."""
    (found,) = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', page.text, re.DOTALL)
    return json.loads(found)


def drawn(page):
    """Rows of each layer of the distributions."""
    chart = data_of(page, "distribution-chart")
    texts = [chart["datasets"][layer["data"]["name"]] for layer in chart["layer"]]
    return [list(csv.DictReader(io.StringIO(text))) for text in texts]


def test_the_distributions_hold_each_iteration_and_the_launches_of_what_no_iteration_has(page):
    launches, iterations, estimates, _ = drawn(page)
    # 3 measured engines x (6 launches x 4 iterations + 2 cases x 6 launches x 3 iterations)
    assert len(iterations) == 3 * (24 + 36)
    assert "e2e_ms" not in {row["metric"] for row in launches}
    memory = [row for row in launches if (row["metric"], row["where"]) == ("peak_rss_bytes", "throughput_test, case_2")]
    assert len(memory) == 3 * 6
    assert {"e2e_ms", "peak_rss_bytes"} <= {row["metric"] for row in estimates}


def test_too_many_iterations_are_drawn_by_launch_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "MOST_ITERATIONS", 5)
    folder = finish(tmp_path, [ScriptedEngine("base"), ScriptedEngine("other")], WORKLOADS[:1], plots=False)
    found = Page((folder / "report.html").read_text())
    assert "every mark is the median of one launch" in found.text
    launches, *_ = drawn(found)
    assert len([row for row in launches if row["metric"] == "e2e_ms"]) == 2 * 6


def test_the_matrix_has_every_pair_of_every_metric_that_was_measured(page, campaign):
    told = data_of(page, "page-data")
    names = [engine["name"] for engine in told["engines"]]
    comparisons = {
        (one["workload"], one["case"], one["metric"], one["engine"], one["reference"]): one
        for one in read(campaign, "analysis/statistical_summary.json")["comparisons"]
        if one["kind"] != "control"
    }
    seen = set()
    for group in told["groups"]:
        for engine, reference, point, low, high, verdict, faster, _ in group["pairs"]:
            key = (group["workload"], group["case"], group["metric"], names[engine], names[reference])
            one = comparisons[key]
            ratio = one["ratio"] or dict.fromkeys(("point", "low", "high"))
            assert [point, low, high] == [
                value and pytest.approx(value, rel=1e-5) for value in list(ratio.values())[:3]
            ]
            assert (verdict, faster and names[faster]) == (one["verdict"], one["faster"])
            seen.add(key)
    assert {key for key, one in comparisons.items() if one["ratio"] is not None} <= seen
    assert {metric["name"] for metric in told["metrics"]} == {key[2] for key in seen}


def test_the_timeline_has_every_launch_in_order_with_its_latency_against_its_engines_own(page, results):
    told = data_of(page, "page-data")
    launches = told["time"]["launches"]
    assert len(launches) == 6 * len(ENGINES) * len(WORKLOADS)
    assert [launch[3] for launch in launches] == sorted(launch[3] for launch in launches)
    place = [engine["name"] for engine in told["engines"]].index("candle_cuda")
    third = next(launch for launch in launches if launch[:3] == [place, "latency_test", 3])
    numbers = results.metric("candle_cuda", Cell("latency_test", "case_1"), "e2e_ms")
    (value,) = [one["value"] for one in numbers["launch_medians"] if one["block"] == 3]
    assert third[8] == [["case_1", pytest.approx(value / numbers["median"], rel=1e-5)]]


def test_the_tokens_are_those_of_the_first_measured_request(page, campaign):
    told = data_of(page, "page-data")
    table = pd.read_parquet(campaign / "analysis" / "iterations.parquet")
    for request in told["requests"]:
        name = told["engines"][request["engine"]]["name"]
        rows = table[(table["engine"] == name) & (table["workload"] == request["workload"]) & ~table["warmup"]]
        first = rows[(rows["case"] == request["case"]) & (rows["block"] == request["block"])].iloc[0]
        assert request["count"] == first["tokens"] == len(request["at"])
        assert request["at"][0] == pytest.approx(first["ttft_ms"], rel=1e-5)
        assert request["at"][-1] == pytest.approx(first["ttft_ms"] + sum(first["itl_ms"]), rel=1e-5)
    assert len(told["requests"]) == 3 * 3


def test_headings_do_not_skip_a_level_and_ids_are_unique(page):
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert len(page.ids) == len(set(page.ids))


def test_every_link_within_the_page_leads_somewhere(page):
    assert set(re.findall(r'href="#([a-z-]+)"', page.text)) <= set(page.ids)


def test_what_could_be_wrong_is_grouped_by_kind_and_keeps_every_sentence(page, campaign):
    warnings = read(campaign, "analysis/statistical_summary.json")["warnings"]
    kinds = list(dict.fromkeys((warning["kind"].replace("_", " "), warning["severity"]) for warning in warnings))
    rows = page.table(f"{len(warnings)} remarks of {len(kinds)} kinds")
    assert [(row[0], row[1]) for row in rows] == kinds
    assert sum(int(row[2]) for row in rows) == len(warnings)
    text = html.unescape(page.text)
    assert all(warning["message"][1:] in text and warning["remedy"][1:].rstrip(".") in text for warning in warnings)


def test_a_remedy_of_many_remarks_is_told_once():
    warnings = [caution("fidelity_unchecked", "warning", f"{name} is not known", "Run it") for name in "abc"]
    (kind,) = events(SimpleNamespace(statistics={"warnings": warnings}, signs={}, plan={"workloads": []}))
    assert (len(kind.sentences), kind.remedies) == (3, ["Run it."])


def test_control_fidelity_launches_and_environment_are_there(page):
    control = page.table("The control against its twin")
    assert control[0][0] == "latency_test"
    assert {row[0]: row[1] for row in page.table("Greedy tokens")}["candle_cuda"] == "pass"
    launches = page.table("All launches of this campaign")
    assert len(launches) == 6 * len(ENGINES) * len(WORKLOADS)
    machine = dict(row[:2] for row in page.table("The machine"))
    assert machine["Processor"] == "Scripted Processor 9000"
    assert machine["Turbo"] == "not known: no cpufreq driver"
    assert machine["GPU"] == "none: no GPU: the library is not there"
    assert dict(row[:2] for row in page.table("The software"))["Workflow"] == f"commit {'c' * 40}, unchanged"


def test_cost_that_is_not_known_says_what_would_make_it_known(page):
    assert "No cost in dollars is known." in page.text
    assert "Set business.usd_per_hour to what an hour of this machine costs" in page.text
    assert "A token of candle_cuda costs as much as one of pytorch_baseline when its machine costs" in page.text


def test_cost_that_is_known_is_in_the_table(tmp_path):
    engines = [ScriptedEngine("base", ttft_ms=100.0, itl_ms=100.0), ScriptedEngine("other")]
    workloads = (ScriptedWorkload("throughput_test", ((4, 10),)),)
    folder = finish(tmp_path, engines, workloads, plots=False, business={"usd_per_hour": 0.36, "utilisation": 0.5})
    rows = Page((folder / "report.html").read_text()).table("USD per million output tokens")
    # 10 tokens/s are 36,000 an hour for 0.36 USD: 10 USD a million, 20 at half the time
    assert [row[2:5] for row in rows if row[0] == "base"] == [["10.0", "10.0", "20.0"]]


def test_launches_of_other_configurations_are_listed_and_left_out(tmp_path):
    engines = [ScriptedEngine("base"), ScriptedEngine("other")]
    workloads = (ScriptedWorkload("latency_test"),)
    old = tmp_path / "launches" / "other" / "latency_test.0123456789ab" / "1"
    old.mkdir(parents=True)
    (old / "record.json").write_text("{}")
    folder = finish(tmp_path, engines, workloads, plots=False)
    found = Page((folder / "report.html").read_text())
    assert found.table("Launches of other configurations") == [["other", "latency_test", "0123456789ab", "1"]]


def test_launches_of_another_machine_are_pointed_out(tmp_path):
    environment = make_environment(host={"hostname": "elsewhere"})
    engines = [ScriptedEngine("base"), ScriptedEngine("other")]
    folder = finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), plots=False, environment=environment)
    text = (folder / "report.html").read_text()
    assert "Launches ran on other machines too:</strong> scripted-host" in text


@pytest.mark.parametrize("launches", [1, 2])
def test_too_few_launches_give_no_winner_and_no_advice(tmp_path, launches):
    engines = [ScriptedEngine("base"), ScriptedEngine("other", itl_ms=5.0)]
    folder = finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), plots=False, launches=launches)
    text = (folder / "report.html").read_text()
    assert "No difference in end-to-end latency between the engines was confirmed." in text
    assert '<span class="badge open">not told apart</span>' in text
    assert "The data do not say which of other and base answers fastest" in text and ">undecided<" in text


def test_synthetic_weights_are_owned_up_to_beside_the_answer_and_in_the_facts(tmp_path):
    source = {"kind": "synthetic", "shape": "llama-3.2-1b"}
    environment = make_environment()
    environment["model"]["source"] = source
    text = Page((finish(tmp_path, plots=False, source=source, environment=environment) / "report.html").read_text())
    words = "The model's weights are synthetic: random numbers in the shape of llama-3.2-1b."
    assert words in html.unescape(text.text)
    rows = dict(row[:2] for row in text.tables["The software"])
    assert "scripted, synthetic: random weights in the shape of llama-3.2-1b" in rows["Model"]


def test_a_campaign_without_any_measurement_still_has_a_report(tmp_path):
    engines = [ScriptedEngine("base", unavailable="no compiler"), ScriptedEngine("other", unavailable="no driver")]
    folder = finish(tmp_path, engines, (ScriptedWorkload("latency_test"),))
    found = Page((folder / "report.html").read_text())
    assert "Nothing was measured, so there is no answer." in found.text
    assert [row[3] for row in found.table("What each lacks, and what helps")] == ["no compiler", "no driver"]


def test_one_engine_alone_has_nothing_to_be_compared_with(tmp_path):
    folder = finish(tmp_path, [ScriptedEngine("base")], (ScriptedWorkload("latency_test"),), plots=False)
    text = (folder / "report.html").read_text()
    assert "Only base was measured, so there is nothing to compare it with." in text


def test_an_engine_that_failed_the_fidelity_check_is_struck_in_the_comparison(tmp_path):
    wrong = ScriptedEngine("wrong", ttft_ms=1.0, itl_ms=0.5, fidelity="fail")
    engines = [ScriptedEngine("base", ttft_ms=100.0, itl_ms=100.0), wrong]
    page = Page((finish(tmp_path, engines, plots=False) / "report.html").read_text())
    rows = {row[0].split(" ")[0]: row for row in page.table(COMPARISON)}
    assert rows["wrong"][0] == f"wrong {STRUCK}"
    assert "ms" in rows["wrong"][2]
    checked = {row[0]: row for row in page.table("Greedy tokens")}["wrong"]
    assert (checked[1], checked[5], checked[6]) == ("fail", "0.00012 1e-05 on average", "1e-11")
    assert checked[7] == "not asked no workload draws at a temperature"


def test_settings_are_in_a_table_and_differing_ones_beside_the_verdicts_of_their_pair(tmp_path):
    engines = [
        ScriptedEngine("torch", launch_spread=0.01, loaded={"simd": "avx2"}),
        ScriptedEngine(
            "other", 10.0, 5.0, launch_spread=0.01, busy_threads=2, loaded={"kv_cache_dtype": "f16", "batch_size": None}
        ),
    ]
    page = Page((finish(tmp_path, engines) / "report.html").read_text(encoding="utf-8"))
    rows = {row[0].removesuffix(" the engine's word"): row[1:] for row in page.table("Settings in latency_test")}
    assert rows["threads threads that computed at once, counted in /proc"] == ["differs", "1", "2"]
    assert rows["KV cache"] == ["differs", "f32", "f16"]
    assert rows["weights"] == ["same", "f32", "f32"]
    assert rows["batch size"] == ["not known of all", "1", "unknown"]
    assert rows["compiled graph"] == ["same", "no", "no"]
    note = "settings differ: threads 2 / 1, KV cache f16 / f32"
    ((pair, verdict, _, words, _, _),) = page.table("latency_test: end-to-end latency")
    assert (pair, words.endswith(note)) == ("other against torch", True)
    assert "settings differ" not in verdict
    compared = next(row for row in page.table(COMPARISON) if row[0].startswith("other"))
    assert note in " ".join(compared)


def test_settings_that_do_not_differ_are_no_footnote(page):
    assert "settings differ" not in page.text
    (rows,) = [rows for caption, rows in page.tables.items() if caption.startswith("Settings in")]
    assert all(row[1] != "differs" for row in rows[1:] if row)


def test_what_a_browser_would_hide_or_turn_round_is_shown_as_an_escape():
    words = page_environment().from_string("{{ words }}|{{ words | tojson }}|{{ html | safe }}")
    shown = words.render(words="a\x1b[31m\u202e\u2028<", html="<b>\n\u00a0</b>")
    assert shown == 'a\\x1b[31m\\u202e\\u2028&lt;|"a\\u001b[31m\\u202e\\u2028\\u003c"|<b>\n\u00a0</b>'


def test_a_baseline_that_was_not_measured_is_nowhere_once_as_fast_as_itself(tmp_path):
    engines = [ScriptedEngine("base", unavailable="no compiler"), ScriptedEngine("one"), ScriptedEngine("two", 40.0)]
    folder = finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), plots=False)
    (row,) = (one for one in Page((folder / "report.html").read_text()).table("Typical values") if "base" in one[0])
    assert row[6] == "—"


def test_a_reader_sees_labels_and_names_as_they_are(campaign, page):
    told = {row[0]: row[3] for row in page.table("remarks of")}
    assert "quick look" in told and "quick campaign" not in told
    assert told["few measurements"].startswith("latency_test: each engine answers each test case 24 times")
    assert "highest CPU temperature: " in told["not measured"] and "package energy: " in told["not measured"]
    assert "_celsius" not in told["not measured"] and "_joules" not in told["not measured"]
    table = (campaign / "comparison_table.md").read_text(encoding="utf-8")
    assert "in 3 test cases by end-to-end latency: " in table and "e2e_ms" not in table
