"""Machines that were not measured: marked estimates by published figures, from a GPU to others with the memory."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from benchmark_runner.business.cost import Rate
from benchmark_runner.business.estimates import Step, cost_of, estimated
from benchmark_runner.business.infrastructure import ELSEWHERE, _estimates
from benchmark_runner.business.prices import Figures, read_catalogue
from finished import finish, make_environment, read
from records import ScriptedEngine, ScriptedWorkload
from tiny_campaign import REPOSITORY

BUSINESS = "analysis/business_recommendations.json"
OLD, NEW = Figures("A100-SXM", 80, 2e12, 300e12), Figures("H100-SXM", 80, 3e12, 900e12)
H100 = {"index": 0, "name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 * 2**20}


def measured_on(tmp_path, gpu, **engine):
    engines = [ScriptedEngine("pytorch_baseline", ttft_ms=100.0, itl_ms=100.0, **engine)]
    devices = {"devices": [gpu], "driver_version": "1", "cuda_driver_version": "13.2"}
    environment = make_environment(gpu=devices if gpu else None)
    workloads = (ScriptedWorkload("throughput_test", ((4, 10),)),)
    return read(finish(tmp_path, engines, workloads, plots=False, environment=environment), BUSINESS)


def test_one_request_is_bound_by_memory_and_many_by_arithmetic():
    rate, weights_bytes = Rate(100.0, 90.0, 110.0, 0.95, 9), 2e9
    one = estimated(rate, Step(weights_bytes, 2e9), OLD, NEW)
    assert (one.point, one.low, one.high) == pytest.approx((150.0, 90.0 * 1.5, 110.0 * 3.0))
    # 2e12 operations take 6.67 and 2.22 ms, the weights 1 and 0.67
    many = estimated(rate, Step(weights_bytes, 2e12), OLD, NEW)
    assert (many.point, many.low, many.high) == pytest.approx((300.0, 90.0 * 1.5, 110.0 * 3.0))


def test_arithmetic_that_nobody_publishes_bounds_nothing_and_widens_nothing():
    unknown = OLD._replace(flop_per_s=None)
    found = estimated(Rate(100.0, None, None, None, 2), Step(2e9, 2e12), unknown, unknown._replace(bytes_per_s=1e12))
    assert (found.point, found.low, found.high) == pytest.approx((50.0, 50.0, 50.0))


def test_its_cost_reaches_from_the_lowest_price_at_the_quickest_to_the_highest_at_the_slowest():
    found = cost_of(Rate(10.0, 5.0, 20.0, None, 9), (3.6, 1.8, 7.2))
    assert found == pytest.approx({"point": 100.0, "low": 25.0, "high": 400.0})


def test_other_gpus_of_the_catalogue_are_estimated_marked_and_in_no_ranking(tmp_path):
    business = measured_on(tmp_path, H100, device="cuda:0")
    (row,) = business["infrastructure_costs"]
    found = {one["price_id"]: one for one in row["estimates"]}
    assert {one["basis"] for one in found.values()} == {"estimate"} and "nothing ran" in row["estimates_basis"]
    gpus = {one["gpu"] for one in found.values()}
    assert {"A100-SXM", "H200", "B200"} <= gpus
    assert not gpus & {"H100-SXM", "GH200"}  # what was measured, and what nobody published figures of
    a100 = next(one for one in found.values() if one["gpu"] == "A100-SXM" and "40gb" not in one["price_id"].lower())
    # 10 tokens/s were measured; 2,039 of 3,350 GB/s, and 312 of 989 TFLOP/s at the least
    assert a100["tokens_per_s"]["point"] == pytest.approx(10 * 2039 / 3350)
    assert a100["tokens_per_s"]["low"] < 10 * 312 / 989 * 1.01
    costs = {one["price"]["price_id"] for one in business["costs"] if one["price"]}
    assert not costs & set(found)  # the headline and the fleet are made from these alone


@pytest.mark.parametrize(
    ("gpu", "engine", "reason"),
    [
        (None, {"device": "cpu"}, "of a rented share of a processor's cores no memory bandwidth is published"),
        ({**H100, "name": "NVIDIA GH200 480GB"}, {"device": "cuda:0"}, "no memory bandwidth .* of the GPU"),
    ],
)
def test_where_nothing_can_be_estimated_the_reason_is_told(tmp_path, gpu, engine, reason):
    (row,) = measured_on(tmp_path, gpu, **engine)["infrastructure_costs"]
    assert row["estimates"] == [] and row["estimates_basis"] is None
    assert re.search(reason, row["estimates_reason"])


def test_an_engine_without_a_rate_and_a_server_elsewhere_say_why_they_have_no_estimate():
    inputs = SimpleNamespace(is_elsewhere=lambda name: name == "far", gpu_of=lambda _: H100)
    inputs.catalogue = read_catalogue(REPOSITORY / "config" / "prices.yaml")
    rate = {"point": 10.0, "low": 9.0, "high": 11.0, "level": 0.95, "launches": 9}
    for name, rows, reason in (
        ("near", [{"tokens_per_s": None, "reason": "all launches failed"}], "all launches failed"),
        ("near", [], "cargo is missing"),
        ("far", [{"tokens_per_s": rate, "reason": None}], ELSEWHERE),
    ):
        engine = {"name": name, "device": "cuda:0", "reason": "cargo is missing"}
        found = _estimates(inputs, engine, rows, 1, {})
        assert (found["estimates"], found["estimates_reason"]) == ([], reason)


def test_each_published_figure_is_of_a_part_that_the_catalogue_offers():
    catalogue = read_catalogue(REPOSITORY / "config" / "prices.yaml")
    offered = {(entry.gpu["model"], entry.gpu["vram_gb"]) for entry in catalogue.entries if entry.gpu}
    published = [(one.model, one.vram_gb) for one in catalogue.figures]
    assert len(published) == len(set(published)) and set(published) <= offered
    assert all(2e11 < one.bytes_per_s < 1e13 for one in catalogue.figures)
