"""business_recommendations.json of a scripted campaign: what arithmetic says, and null with a reason for the rest."""

from __future__ import annotations

import pytest

from benchmark_runner.business.__main__ import main
from benchmark_runner.errors import BenchmarkError
from finished import finish, make_environment, read
from records import ScriptedEngine, ScriptedWorkload

BUSINESS = "analysis/business_recommendations.json"
# 10 tokens at 100 ms and 9 gaps of 100 ms: 1 s a request, so 10 tokens/s; the second engine takes half the time
EXACT = (
    ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0),
    ScriptedEngine("candle_cuda", ttft_ms=50.0, itl_ms=50.0),
    ScriptedEngine("burn_cuda", unavailable="cargo is missing"),
)
WORKLOADS = (ScriptedWorkload("throughput_test", ((4, 10),)),)


@pytest.fixture(scope="module")
def without_price(tmp_path_factory):
    return read(finish(tmp_path_factory.mktemp("unpriced"), EXACT, WORKLOADS, plots=False), BUSINESS)


@pytest.fixture(scope="module")
def with_price(tmp_path_factory):
    business = {"usd_per_hour": 0.36, "utilisation": 0.25, "prices": None}
    return read(finish(tmp_path_factory.mktemp("priced"), EXACT, WORKLOADS, plots=False, business=business), BUSINESS)


def cost_of(document, engine):
    return next(row for row in document["costs"] if row["engine"] == engine)


def test_a_machine_that_no_catalogue_knows_has_no_cost_in_dollars_but_a_rate(without_price):
    row = cost_of(without_price, "pytorch_baseline")
    assert row["usd_per_million_output_tokens"] is None
    assert row["reason"] == "no price is known for the machine that was measured"
    assert "business.usd_per_hour" in row["remedy"]
    assert row["tokens_per_s"]["point"] == pytest.approx(10.0)


def test_every_entry_of_the_catalogue_says_why_it_does_not_apply(without_price):
    entries = without_price["prices"]["entries"]
    assert entries and not any(entry["applies"] for entry in entries)
    assert all(entry["mismatch"]["cpu"] for entry in entries)
    too_old = next(entry for entry in entries if "c7i" in entry["price_id"])
    assert (too_old["state"], too_old["age_days"]) == ("too_old", 631)


def test_the_stated_price_gives_the_cost_at_full_and_at_the_user_s_utilisation(with_price):
    # 0.36 USD over 36,000 tokens an hour are 10 USD a million
    usd = cost_of(with_price, "pytorch_baseline")["usd_per_million_output_tokens"]
    assert usd["full_utilisation"]["point"] == pytest.approx(10.0)
    assert usd["user_utilisation"]["point"] == pytest.approx(40.0)
    assert cost_of(with_price, "candle_cuda")["usd_per_million_output_tokens"]["full_utilisation"][
        "point"
    ] == pytest.approx(5.0)


def test_without_a_utilisation_the_second_figure_is_null_with_its_reason(without_price):
    utilisation = without_price["basis"]["utilisation"]
    assert (utilisation["full"], utilisation["user"]) == (1.0, None)
    assert "business.utilisation is not set" in utilisation["reason"]


def test_a_stated_price_holds_the_electricity(with_price):
    row = cost_of(with_price, "pytorch_baseline")
    assert row["energy_usd_per_million_output_tokens"] is None
    assert "holds the electricity" in row["energy_reason"]


def test_break_even_needs_no_price(without_price):
    row = next(row for row in without_price["break_even"] if row["engine"] == "candle_cuda")
    assert row["ratio"]["point"] == pytest.approx(2.0)
    assert "2.00 times as much an hour" in row["sentence"] or "2 times as much an hour" in row["sentence"]


def test_an_engine_that_was_not_measured_has_nulls_with_its_own_reason(without_price):
    row = cost_of(without_price, "burn_cuda")
    assert row["tokens_per_s"] is None and row["price"] is None
    assert row["reason"] == "cargo is missing"
    broken_even = next(row for row in without_price["break_even"] if row["engine"] == "burn_cuda")
    assert broken_even["ratio"] is None and broken_even["reason"]


@pytest.fixture(scope="module")
def on_an_h100(tmp_path_factory):
    engines = [ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0, device="cuda:0")]
    device = {"index": 0, "name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 * 2**20}
    gpu = {"devices": [device], "driver_version": "1", "cuda_driver_version": "13.2"}
    folder = finish(
        tmp_path_factory.mktemp("h100"), engines, WORKLOADS, plots=False, environment=make_environment(gpu=gpu)
    )
    return read(folder, BUSINESS)


def test_a_gpu_of_the_catalogue_is_priced_with_range_and_source(on_an_h100):
    rows = {row["price"]["price_id"]: row for row in on_an_h100["costs"]}
    assert set(rows) == {
        "lambda.1x-h100-sxm.on_demand",
        "runpod.h100-sxm.secure",
        "runpod.h100-sxm.community",
        "nebius.h100.on_demand",
        "crusoe.h100.on_demand",
        "voltage-park.h100.on_demand",
    }
    secure = rows["runpod.h100-sxm.secure"]
    assert secure["price"]["usd_per_hour"] == {"point": 3.99, "low": 3.49, "high": 3.99}
    assert secure["price"]["as_of"] == "2026-11-09" and secure["price"]["sources"]
    found = secure["usd_per_million_output_tokens"]["full_utilisation"]
    assert found["point"] == pytest.approx(3.99e6 / 36_000)
    assert found["from_price"] == [pytest.approx(3.49e6 / 36_000), pytest.approx(3.99e6 / 36_000)]


def test_each_engine_has_its_memory_and_the_smallest_machines_that_hold_it(without_price):
    rows = {row["engine"]: row for row in without_price["hardware_requirements"]}
    assert set(rows) == {"pytorch_baseline", "candle_cuda", "burn_cuda"}
    row = rows["pytorch_baseline"]
    # 2 x 4 layers x 2 heads x 16 values of 4 bytes
    assert row["kv_cache"]["bytes_per_token"] == 1024
    assert row["kv_cache"]["bytes_per_request"] == {"14": 14 * 1024, "2048": 2048 * 1024}
    assert row["weights"] == {"bytes": 500_000_000, "dtype": "bf16"}
    needs = {(m["context_tokens"], m["requests_in_flight"]): m["need_bytes"] for m in row["machines"]}
    assert needs[2048, 8] - needs[2048, 1] == 7 * 2048 * 1024
    for machines in row["machines"]:
        sizes = [machine["memory_bytes"] for machine in machines["smallest"]]
        assert sizes == sorted(sizes) and all(size >= machines["need_bytes"] for size in sizes)
    assert rows["burn_cuda"]["machines"] == [] and rows["burn_cuda"]["reason"] == "cargo is missing"


def test_each_engine_has_its_costs_or_why_it_has_none(with_price, without_price):
    row = next(row for row in with_price["infrastructure_costs"] if row["engine"] == "pytorch_baseline")
    (machine,) = row["machines"]
    assert (machine["price_id"], machine["basis"], row["requests_in_flight"]) == (
        "business.usd_per_hour",
        "measured",
        1,
    )
    assert machine["usd_per_month"]["point"] == pytest.approx(0.36 * 730.5)
    assert machine["usd_per_million_output_tokens"]["point"] == pytest.approx(10.0)
    assert row["estimates"] == [] and row["estimates_reason"]
    unpriced = {row["engine"]: row for row in without_price["infrastructure_costs"]}
    assert unpriced["pytorch_baseline"]["reason"] == "no price is known for the machine that was measured"
    assert unpriced["burn_cuda"]["reason"] == "cargo is missing"


@pytest.mark.parametrize(
    ("price_id", "usd_per_hour", "usd_per_million"),
    [
        # 10 tokens/s are 36,000 an hour, so a million takes 27.777… hours
        ("lambda.1x-h100-sxm.on_demand", 4.29, 119.1667),
        ("nebius.h100.on_demand", 4.5, 125.0),
        ("crusoe.h100.on_demand", 3.9, 108.3333),
    ],
)
def test_three_machines_cost_what_a_calculation_by_hand_gives(on_an_h100, price_id, usd_per_hour, usd_per_million):
    (row,) = on_an_h100["infrastructure_costs"]
    machine = next(machine for machine in row["machines"] if machine["price_id"] == price_id)
    assert machine["usd_per_million_output_tokens"]["point"] == pytest.approx(usd_per_million, abs=1e-3)
    assert machine["usd_per_month"]["point"] == pytest.approx(usd_per_hour * 730.5)


@pytest.mark.parametrize(("now", "message"), [("2026-11-23T17:00:00", "has no zone"), ("today", "no ISO time")])
def test_a_time_that_does_not_say_when_is_refused(tmp_path, now, message):
    inputs = ("plan", "statistics", "performance", "environment", "manifest", "prices", "facts")
    flags = [f"--{name}={tmp_path}" for name in inputs]
    with pytest.raises(BenchmarkError, match=message):
        main([*flags, f"--out={tmp_path}/x", "--now", now])
