"""The fleet for a stated demand, from a scripted campaign whose times are known."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.business.__main__ import main
from finished import NOW, REPOSITORY, finish, read
from records import ScriptedEngine, ScriptedWorkload

BUSINESS = "analysis/business_recommendations.json"
# 4 tokens of prompt in 100 ms and 9 gaps of 100 ms: 1 s a request; the second engine takes half the time
ENGINES = (
    ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0),
    ScriptedEngine("candle_cuda", ttft_ms=50.0, itl_ms=50.0),
)
WORKLOADS = (ScriptedWorkload("throughput_test", ((4, 10),)),)
POOL = {"name": "chat", "requests_per_day": 86_400, "peak_factor": 3.0, "prompt_tokens": 4, "answer_tokens": 10}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("demand"), ENGINES, WORKLOADS, plots=False)


@pytest.fixture
def advised(finished, tmp_path):
    def advise(business):
        plan = read(finished, "plan.json")
        plan["config"]["business"] = {"usd_per_hour": 0.36, **business}
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        flags = ["--plan", f"{tmp_path}/plan.json", "--statistics", f"{finished}/analysis/statistical_summary.json"]
        flags += ["--performance", f"{finished}/analysis/performance_analysis.json"]
        flags += ["--environment", f"{finished}/environment.json", "--manifest", f"{finished}/manifest.json"]
        flags += ["--prices", str(REPOSITORY / "config/prices.yaml")]
        flags += [
            "--facts",
            str(REPOSITORY / "config/engine_facts.yaml"),
            "--now",
            NOW,
            "--out",
            f"{tmp_path}/out.json",
        ]
        assert main(flags) == 0
        return json.loads((tmp_path / "out.json").read_text())

    return advise


def test_the_quicker_engine_needs_half_the_machines(advised):
    # 3 requests/s at the peak; 2 requests/s a machine of which a quarter stays free: 2 machines of 0.36 USD
    found = advised({"demand": {"spare": 0.25, "pools": [POOL]}})["cost_optimization"]
    (machine,) = found["fleet"]["machines"]
    assert (machine["engine"], machine["count"]) == ("candle_cuda", 2)
    assert machine["basis"] == "measured throughput_test (4 + 10 tokens)"
    assert found["fleet"]["usd_per_month"]["point"] == pytest.approx(2 * 0.36 * 730.5)
    (other,) = found["next_best"]["machines"]
    assert (other["engine"], other["count"]) == ("pytorch_baseline", 4)
    assert found["next_best"]["times_as_dear"] == pytest.approx(2.0)
    assert "one request in flight" in found["load"]


def test_other_lengths_than_the_measured_ones_are_marked_as_an_estimate(advised):
    # 8 tokens of prompt take 100 ms and 18 further tokens 900 ms
    pool = POOL | {"prompt_tokens": 8, "answer_tokens": 19}
    (machine,) = advised({"demand": {"spare": 0.0, "pools": [pool]}})["cost_optimization"]["fleet"]["machines"]
    assert machine["requests_per_s_each"] == pytest.approx(1.0)
    assert machine["basis"].startswith("estimate from throughput_test")


def test_what_misses_the_limits_of_a_pool_is_ruled_out_by_name(advised):
    found = advised({"demand": {"spare": 0.0, "pools": [POOL | {"slo": {"ttft_ms": 80.0}}]}})["cost_optimization"]
    (out,) = found["ruled_out"]
    assert (out["engine"], out["constraint"]) == ("pytorch_baseline", "slo.ttft_ms")
    assert found["next_best"] is None


def test_a_limit_on_the_first_token_is_held_against_the_prompts_that_are_asked(advised):
    # 50 ms for 4 tokens of prompt are 100 ms for 8
    pool = POOL | {"prompt_tokens": 8, "slo": {"ttft_ms": 80.0}}
    found = advised({"demand": {"spare": 0.0, "pools": [pool]}})["cost_optimization"]
    told = {one["engine"]: one["reason"] for one in found["ruled_out"]}
    assert "is up to 100 ms, asked are 80 ms" in told["candle_cuda"]


def test_a_demand_that_nothing_serves_names_what_holds_it_back(advised):
    found = advised({"demand": {"spare": 0.0, "pools": [POOL | {"slo": {"tpot_ms": 10.0}}]}})["cost_optimization"]
    assert found["fleet"] is None
    assert "held back by slo.tpot_ms" in found["reason"]
    limited = {"spare": 0.0, "machines_of_a_price": 1, "pools": [POOL]}
    found = advised({"demand": limited})["cost_optimization"]
    assert found["fleet"] is None and "needed are 2" in found["reason"]
    found = advised({"usd_per_hour": None, "demand": {"pools": [POOL]}})["cost_optimization"]
    assert "held back by price" in found["reason"] and "business.usd_per_hour" in found["remedy"]


def test_without_a_demand_nothing_is_chosen_and_it_says_how_to_ask(advised):
    found = advised({})["cost_optimization"]
    assert (found["fleet"], found["reason"]) == (None, "no demand is stated")


def test_tiers_are_the_first_whose_limits_are_all_kept(advised):
    tiers = {
        "interactive": {"ttft_ms": 80, "tpot_ms": 60},
        "standard": {"ttft_ms": 80},
        "batch": {"total_tokens_per_s": 1},
    }
    found = advised({"tiers": tiers})["performance_tiers"]
    assert {row["engine"]: row["tier"] for row in found["engines"]} == {
        "candle_cuda": "interactive",
        "pytorch_baseline": "batch",
    }
    assert found["thresholds"] == tiers
