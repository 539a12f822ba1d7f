"""Launches that fall into two groups are told, and verdicts on their engine have to hold in either."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.statistics.modes import (
    Modes,
    Seen,
    SeenModes,
    best_split,
    find_modes,
    mode_cautions,
    unseen_share,
    widest,
)
from benchmark_runner.statistics.results import Cell
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, slow_down, write_inputs

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH, BURN = ScriptedEngine("torch", **SPREAD), ScriptedEngine("burn", **SPREAD)
LATENCY, THROUGHPUT = ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test")


def _launches(seed: int, engines: int = 4, blocks: int = 10, *, block_sd: float = 0.0) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(seed)
    logs = rng.normal(0.0, 0.02, (engines, blocks)) + rng.normal(0.0, block_sd, blocks)
    return {
        f"e{row}": {block: 100.0 * math.exp(value) for block, value in enumerate(logs[row])} for row in range(engines)
    }


def _slowed(
    launches: Mapping[str, dict[int, float]], blocks: tuple[int, ...], factor: float
) -> dict[str, dict[int, float]]:
    slow = {block: value * (factor if block in blocks else 1.0) for block, value in launches["e1"].items()}
    return {**launches, "e1": slow}


@pytest.mark.parametrize("blocks", [(3,), (2, 6), (0, 1, 4, 8)])
@pytest.mark.parametrize("block_sd", [0.0, 0.1])
def test_an_engines_slow_launches_are_found_whatever_the_blocks_do(blocks: tuple[int, ...], block_sd: float) -> None:
    found = find_modes(_slowed(_launches(1, block_sd=block_sd), blocks, 1.25))
    assert found.keys() == {"e1"} and found["e1"].higher == len(blocks) and found["e1"].launches == 10
    assert found["e1"].apart == pytest.approx(math.log(1.25), abs=0.04)


def test_slow_blocks_are_no_modes() -> None:
    launches = {
        name: {b: v * (1.3 if b in (2, 5) else 1.0) for b, v in one.items()} for name, one in _launches(2).items()
    }
    assert find_modes(launches) == {}
    assert find_modes({name: launches[name] for name in ("e0", "e1")}) == {}


def test_of_two_engines_the_one_whose_own_times_split_has_the_modes() -> None:
    launches = _slowed(_launches(3, 2), (1, 4, 7), 1.4)
    assert find_modes(launches).keys() == {"e1"}
    assert find_modes({"only": launches["e1"]}) == {}


def test_lost_launches_few_launches_and_values_without_a_logarithm_are_no_obstacle() -> None:
    launches = _slowed(_launches(4), (3, 8), 1.25)
    del launches["e0"][3], launches["e2"][0], launches["e1"][5]
    assert find_modes(launches).keys() == {"e1"}
    assert find_modes({name: dict(list(one.items())[:4]) for name, one in launches.items()}) == {}
    assert find_modes({**launches, "e0": dict.fromkeys(range(10), 0.0)}).keys() == {"e1"}
    assert find_modes({name: dict.fromkeys(range(10), 5.0) for name in launches}) == {}
    assert find_modes({}) == {}


def test_the_best_split_is_the_one_that_a_reader_sees() -> None:
    modes, p = best_split(np.array([0.0, 0.01, -0.01, 0.4, 0.0, 0.41, 0.005]))
    assert (modes.higher, modes.launches) == (2, 7) and modes.apart == pytest.approx(0.404, abs=0.001)
    assert p < 0.002
    assert best_split(np.linspace(-1.0, 1.0, 9))[1] > 0.3


def test_what_launches_can_miss_follows_from_their_number() -> None:
    """A mode of a third of launches shows in none of 8 with (2/3)^8 = 0.039."""
    assert unseen_share(8) == pytest.approx(0.3123, abs=1e-4)
    assert (1.0 - unseen_share(20)) ** 20 == pytest.approx(0.05)


def test_modes_in_words() -> None:
    alone = Modes(1, 5, math.log(2.12)).words("burn", "chat")
    assert alone == "1 of 5 launches of burn on chat lies 112 % above its others"
    assert (
        Modes(2, 8, math.log(1.15)).words("burn", "chat") == "2 of 8 launches of burn on chat lie 15 % above its others"
    )
    assert (
        Modes(7, 8, math.log(1.25)).words("burn", "chat")
        == "1 of 8 launches of burn on chat lies 20 % below its others"
    )


def test_modes_seen_under_load_name_the_level() -> None:
    loads = {("chat", f"c{n}"): {"mode": "closed", "concurrency": n} for n in (1, 2)}
    found = [(Cell("chat", "c1"), "burn", Modes(1, 6, 0.3)), (Cell("chat", "c2"), "burn", Modes(2, 6, 0.1))]
    told = widest(found)["burn"].words("burn", loads)
    assert told == "1 of 6 launches of burn on chat with 1 request in flight lies 35 % above its others"
    (caution, *_) = mode_cautions(SeenModes(found, loads), [])
    other = "2 of 6 launches of burn on chat with 2 requests in flight lie 11 % above its others"
    assert caution["message"].startswith(f"{told}; {other}, too many or too far for chance; its verdicts there hold")
    (caution, *_) = mode_cautions(SeenModes([*found, (Cell("tale", "long"), "burn", Modes(1, 6, 0.2))], loads), [])
    assert [part.partition(" on ")[2][:11] for part in caution["message"].split("; ")[:-1]] == [
        "chat with 1",
        "tale lies 2",
    ]
    assert "its verdicts hold" in caution["message"]
    alone = Seen(Cell("tale", "long"), Modes(1, 6, 0.3)).words("burn", loads)
    assert alone == "1 of 6 launches of burn on tale lies 35 % above its others"


def _summary(folder: Path, engines: list[ScriptedEngine], slow: tuple[int, ...], factor: float) -> dict[str, Any]:
    """A campaign of ten launches in which candle takes longer on latency_test in some blocks."""
    workloads = [LATENCY, THROUGHPUT]
    raw, plan = make_raw_data(engines, workloads, launches=10, output_dir=str(folder))
    for launch in raw["candle"]["launches"]:
        if launch["workload"] == "latency_test" and launch["block"] in slow:
            slow_down(launch, factor)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    found: dict[str, Any] = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    return found


def _verdicts(summary: dict[str, Any], engine: str) -> dict[str, Any]:
    return {
        one["workload"]: one
        for one in summary["comparisons"]
        if one["kind"] == "primary" and one["reference"] == "torch" and one["engine"] == engine
    }


def test_a_small_difference_of_an_engine_with_modes_is_withheld_in_all_workloads_and_a_large_one_stands(
    tmp_path: Path,
) -> None:
    slightly = ScriptedEngine("candle", ttft_ms=20 / 1.06, itl_ms=10 / 1.06, **SPREAD)
    near = _summary(tmp_path / "near", [TORCH, slightly, BURN], (2, 7), 1.2)
    told = _verdicts(near, "candle")
    assert {one["verdict"] for one in told.values()} <= {"significant_unconfirmed", "inconclusive"}
    assert told["throughput_test"]["verdict"] == "significant_unconfirmed"
    seen = "2 of 10 launches of candle on latency_test lie"
    elsewhere = {name: "others, which may happen here too;" in one["sentence"] for name, one in told.items()}
    assert all(seen in one["sentence"] for one in told.values())
    assert elsewhere == {name: name != "latency_test" for name in told}
    assert all(one["mode_allowance"] == pytest.approx(0.2, abs=0.04) for one in told.values())
    assert all("slow_mode" not in one["qualifiers"] for one in _verdicts(near, "burn").values())
    kinds = {one["kind"]: one for one in near["warnings"]}
    assert kinds["slow_mode"]["engine"] == "candle"
    assert kinds["unseen_modes"]["message"].startswith("10 launches: a slow mode in fewer than 26 % of launches")
    twice = replace(slightly, ttft_ms=10.0, itl_ms=5.0)
    far = _verdicts(_summary(tmp_path / "far", [TORCH, twice, BURN], (2, 7), 1.2), "candle")
    assert {one["verdict"] for one in far.values()} == {"meaningfully_faster"}
    assert all("also allowing for the slow mode's" in one["sentence"] for one in far.values())


def test_engines_without_modes_are_judged_as_before(tmp_path: Path) -> None:
    slightly = ScriptedEngine("candle", ttft_ms=20 / 1.06, itl_ms=10 / 1.06, **SPREAD)
    quiet = _summary(tmp_path, [TORCH, slightly, BURN], (), 1.0)
    assert {one["verdict"] for one in _verdicts(quiet, "candle").values()} == {"meaningfully_faster"}
    assert all(one["mode_allowance"] == 0.0 for one in quiet["comparisons"] if one["metric"] == "e2e_ms")
    assert "slow_mode" not in {one["kind"] for one in quiet["warnings"]}


def test_modes_of_one_level_of_load_are_heeded_at_that_level_alone() -> None:
    alone, low, high = Cell("alone", "case_1"), Cell("serving", "c1"), Cell("serving", "c4")
    loads = {("serving", "c1"): {"mode": "closed", "concurrency": 1}, ("serving", "c4"): {"mode": "closed"}}
    seen = SeenModes([(low, "burn", Modes(1, 6, 0.3)), (low, "torch", Modes(1, 6, 0.2))], loads)
    assert [seen.apart(("burn", "torch"), place) for place in (alone, low, high)] == [0, 0.5, 0]
    everywhere = SeenModes([*seen.found, (alone, "burn", Modes(2, 6, 0.1))], loads)
    assert [everywhere.apart(("burn",), place) for place in (alone, low, high)] == [0.1, 0.3, 0.1]
    assert seen.at("candle", low) is None
