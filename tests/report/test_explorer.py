"""The cost explorer in a real browser: it begins with the business document's figures and computes as that does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmark_runner.business.tiers import limit_result
from benchmark_runner.display import significant
from finished import ENGINES, finish, read
from records import ScriptedEngine

from .conftest import WIDE, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def priced(chromium, tmp_path):
    """Opens the report of a campaign with a price, one engine of which computes something else; (visit, business)."""
    opened = []

    def open_page(**business):
        engines = [replace(engine, launch_spread=0.03) for engine in ENGINES if not engine.unavailable]
        engines.append(ScriptedEngine("wrong", ttft_ms=6.0, itl_ms=3.0, fidelity="fail", launch_spread=0.03))
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
    for place, case in (
        ("latency_test", "case_1"),
        *((f"throughput_test, {one}", one) for one in ("case_1", "case_2")),
    ):
        found.page.get_by_label("Workload").select_option(label=place)
        shown = costs_shown(found.page)
        rows = [row for row in business["costs"] if (row["workload"], row["case"]) == (place.partition(",")[0], case)]
        assert set(shown) == {row["engine"] for row in rows} == {"pytorch_baseline", "candle_cuda", "wrong"}
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
            word = next(word for word in ("missed", "not shown", "kept") if word in results)
            assert [kept, tier] == (["—", "—"] if row["engine"] == "wrong" else [word, judged["tier"] or "none"])
    assert shown["candle_cuda"][4] == "kept" and shown["pytorch_baseline"][4] == "not shown"
    assert list(shown)[-1] == "wrong"
    assert found.page.locator("#explorer-status").inner_text() == (
        "Limits kept: candle_cuda. Limits not shown: pytorch_baseline."
    )
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
        missing = {engine for engine, row in costs_shown(found.page).items() if row[4] not in ("kept", "—")}
        assert ruled_out == missing | {"wrong"}
    found.page.reload()
    chosen = found.page.get_by_label("Part of the demand").locator("option:checked")
    assert chosen.inner_text() == "bulk"
    fill(found.page, answer=41)
    assert chosen.inner_text() == "your own demand"


def test_the_cost_explorer_judges_limits_by_the_rule_of_the_business_document(visit):
    draw = random.Random(1)
    cases = [(None, 1.0, 1.0), ({"point": 2.0, "low": None, "high": None}, 3.0, 1.0)]
    for _ in range(500):
        low = draw.choice([1.0, 2.5, draw.uniform(0.1, 5.0)])
        high, factor = low + draw.choice([0.0, draw.expovariate(1.0)]), draw.choice([1.0, draw.uniform(0.1, 4.0)])
        limit = draw.choice([low * factor, high * factor, draw.uniform(0.1, 12.0)])  # the ends themselves too
        cases.append(({"point": low, "low": low, "high": high}, limit, factor))
    ruled = [limit_result(found, limit, "lower", factor) for found, limit, factor in cases]
    assert set(ruled) == {"kept", "missed", "not shown"}
    assert visit().page.evaluate("(cases) => cases.map((one) => judged(...one))", cases) == ruled


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
