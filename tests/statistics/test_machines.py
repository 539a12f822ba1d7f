"""The machine is a stratum: its speed is no spread, and a verdict holds on each machine or is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.statistics.estimates import less_machines, mean_estimate, typical_estimate
from benchmark_runner.statistics.machines import levelled, ratios_apart
from records import ScriptedEngine, make_raw_data, run_analysis, slow_down, write_inputs
from simulated_campaigns import told

CAMPAIGNS = 300
SPREAD: dict[str, Any] = {"launch_spread": 0.02, "iteration_spread": 0.01}
SLOW = ScriptedEngine("slow", **SPREAD)
FAST = ScriptedEngine("fast", ttft_ms=16.0, itl_ms=8.0, **SPREAD)


def on_two_machines(folder: Path, factor: Callable[[str], float], launches: int = 10) -> dict[str, Any]:
    """Statistics of a campaign whose later half ran on another machine, which takes each engine `factor` as long."""
    engines = [SLOW, FAST]
    raw, plan = make_raw_data(engines, launches=launches, output_dir=str(folder))
    for document in raw.values():
        for launch in document["launches"]:
            if launch["block"] > launches // 2:
                slow_down(launch, factor(launch["engine"]))
                launch["host"] = {"hostname": "other-host", "boot_id": "another boot"}
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    found: dict[str, Any] = read_json(folder / "analysis" / "statistical_summary.json")
    return found


def primary(found: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in found["comparisons"] if one["kind"] == "primary")


def test_a_machine_that_is_twice_as_slow_changes_neither_the_ratio_nor_what_is_said_of_the_engines(tmp_path):
    found = on_two_machines(tmp_path, lambda _: 2.0)
    one = primary(found)
    assert one["verdict"] == "meaningfully_faster" and one["faster"] == "fast"
    assert one["ratio"]["low"] < 1.25 < one["ratio"]["high"] and one["ratio"]["high"] / one["ratio"]["low"] < 1.1
    kinds = {warning["kind"] for warning in found["warnings"]}
    assert "several_machines" in kinds
    assert not kinds & {"noisy", "drift", "slow_mode", "unlike_launches"}
    assert "machine_ratios" not in one and "machines_differ" not in one["qualifiers"]


def test_an_engines_own_interval_is_that_within_machines_and_its_times_are_told_of_each(tmp_path):
    found = on_two_machines(tmp_path, lambda _: 2.0)
    cell = next(one for one in found["cells"] if one["engine"] == "slow" and one["case"])
    numbers = cell["metrics"]["e2e_ms"]
    assert numbers["cv_between"] < 0.05
    assert "within machines" in numbers["median_interval"]["method"]
    assert numbers["median_interval"]["high"] / numbers["median_interval"]["low"] < 1.1
    here, there = cell["by_machine"]
    assert (here["machine"], there["machine"]) == ("scripted-host", "other-host")
    assert here["launches"] == there["launches"] == 5
    assert there["typical"] / here["typical"] == pytest.approx(2.0, rel=0.1)


def test_engines_that_change_places_from_machine_to_machine_are_given_no_order(tmp_path):
    """Over both machines fast is 6 % faster and the interval excludes 1, but on the other machine it is slower."""
    found = on_two_machines(tmp_path, lambda engine: 1.4 if engine == "fast" else 1.0, launches=30)
    one = primary(found)
    assert one["machine_ratios"]["scripted-host"] > 1.2 and one["machine_ratios"]["other-host"] < 0.95
    assert one["verdict"] not in ("confirmed_faster", "meaningfully_faster", "equivalent")
    assert "machines_differ" in one["qualifiers"] and "other-host" in one["sentence"]


def test_engines_that_are_equal_over_two_machines_and_differ_on_each_are_not_called_equal(tmp_path):
    found = on_two_machines(tmp_path, lambda engine: 1.25**2 if engine == "fast" else 1.0, launches=40)
    assert primary(found)["verdict"] not in ("equivalent", "confirmed_faster", "meaningfully_faster")


def test_a_campaign_of_one_machine_is_as_it_was(tmp_path):
    raw, plan = make_raw_data([SLOW, FAST], launches=6, output_dir=str(tmp_path))
    for launch in raw["fast"]["launches"] + raw["slow"]["launches"]:
        launch["host"]["boot_id"] = f"boot {launch['block'] > 3}"  # restarted
    write_inputs(tmp_path, [SLOW, FAST], raw, plan)
    run_analysis(tmp_path, [SLOW, FAST], plan)
    found = json.dumps(read_json(tmp_path / "analysis" / "statistical_summary.json"))
    assert "several_machines" not in found and "within machines" not in found and "by_machine" not in found


@pytest.mark.parametrize("each", [2, 5])
def test_intervals_within_machines_hold_the_mean_as_often_as_they_say(each):
    rng = np.random.default_rng(4)
    machines = ["a"] * each + ["b"] * each
    levels = np.log([100.0] * each + [200.0] * each)
    held = {"typical": 0, "mean": 0, "without strata": 0}
    for _ in range(CAMPAIGNS):
        values = np.exp(levels + rng.normal(0.0, 0.03, 2 * each))
        typical, mean = typical_estimate(values, 0.95, machines), mean_estimate(values, 0.95, machines)
        wide = typical_estimate(values, 0.95)
        assert typical is not None and mean is not None and wide is not None
        assert wide.high / wide.low > 1.4
        held["typical"] += typical.low <= 100.0 * math.sqrt(2.0) <= typical.high
        held["mean"] += mean.low <= 150.0 * math.exp(0.03**2 / 2) <= mean.high
    for name in ("typical", "mean"):
        told(f"{name} of {each} launches on each of two machines held", held[name])
        assert 0.92 * CAMPAIGNS <= held[name] <= 0.99 * CAMPAIGNS


@pytest.mark.parametrize(("gap", "least", "most"), [(0.0, 0.02, 0.09), (0.1, 0.95, 1.0)])
def test_machines_are_said_to_differ_as_seldom_as_promised_and_where_they_do(gap, least, most):
    rng = np.random.default_rng(5)
    machines = ["a"] * 6 + ["b"] * 6
    found = 0
    for _ in range(CAMPAIGNS):
        logs = rng.normal(0.2, 0.03, 12) + gap * np.array([0.0] * 6 + [1.0] * 6)
        found += ratios_apart(logs, machines) is not None
    assert least * CAMPAIGNS <= found <= most * CAMPAIGNS


def test_one_block_on_each_machine_tells_nothing_of_their_differences():
    assert ratios_apart(np.array([0.1, 0.4, 0.2]), ["a", "b", "c"]) is None
    assert typical_estimate(np.array([1.0, 2.0]), 0.95, ["a", "b"]) is None


def test_values_of_one_machine_stay_as_they_are():
    values = {1: 10.0, 2: 11.0}
    assert levelled(values, {}) is values
    assert levelled(values, {1: "a", 2: "a"}) is values
    assert less_machines(np.array([1.0, 2.0]), []).tolist() == [1.0, 2.0]
    assert list(levelled({1: 10.0, 2: 20.0}, {1: "a", 2: "b"}).values()) == pytest.approx([math.sqrt(200.0)] * 2)
