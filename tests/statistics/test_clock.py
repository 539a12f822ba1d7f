"""A clock whose steps are seen in the times: a qualifier, and no equivalence below what it resolves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.statistics.clock import resolution, step_ns
from records import ScriptedEngine, make_raw_data, run_analysis, write_inputs

QUIET: dict[str, Any] = {"launch_spread": 0.0005, "iteration_spread": 0.0005}
TORCH, CANDLE = ScriptedEngine("torch", **QUIET), ScriptedEngine("candle", **QUIET)


def _by_clock(folder: Path, step_ns: int) -> Any:
    """The comparison of two equal engines whose stamps a clock of this step rounds, by metric."""
    raw, plan = make_raw_data([TORCH, CANDLE], launches=8, output_dir=str(folder))
    for content in raw.values():
        for launch in content["launches"]:
            for one in launch["iterations"]:
                for name in ("start_ns", "end_ns"):
                    one[name] = one[name] // step_ns * step_ns
                one["token_ns"] = [time // step_ns * step_ns for time in one["token_ns"]]
    write_inputs(folder, [TORCH, CANDLE], raw, plan)
    run_analysis(folder, [TORCH, CANDLE], plan)
    found = json.loads((folder / "analysis" / "statistical_summary.json").read_text())["comparisons"]
    return {one["metric"]: one for one in found}


def test_a_fine_clock_leaves_no_word(tmp_path: Path) -> None:
    one = _by_clock(tmp_path, 1)["e2e_ms"]
    assert one["verdict"] == "equivalent" and "coarse_clock" not in one["qualifiers"]
    assert one["equivalence"]["margin"] == 0.02


def test_steps_of_a_millisecond_narrow_the_margin_by_what_they_are_of_the_time(tmp_path: Path) -> None:
    found = _by_clock(tmp_path, 1_000_000)
    assert "coarse_clock" in found["e2e_ms"]["qualifiers"]
    assert "in steps of 0.83 % of these times" in found["e2e_ms"]["qualifier_words"]["coarse_clock"]
    assert found["e2e_ms"]["equivalence"]["margin"] == pytest.approx(1.02 / np.exp(1 / 120) - 1, abs=1e-4)
    assert "coarse_clock" not in found["load_ms"]["qualifiers"]


def test_nothing_is_equal_below_the_step_of_a_slow_clock(tmp_path: Path) -> None:
    found = _by_clock(tmp_path, 15_625_000)
    judged = [found[name] for name in ("e2e_ms", "ttft_ms", "total_tokens_per_s")]
    assert all("coarse_clock" in one["qualifiers"] for one in judged)
    assert all(one["verdict"] != "equivalent" for one in judged)
    assert all(one["equivalence"] is None or one["equivalence"]["margin"] == 0.0 for one in judged)


@pytest.mark.parametrize(
    ("times_ms", "step"),
    [([[1.0, 2.5], [4.0]], 500_000), ([[1.0, 2.000001]], 1), ([[0.0, 0.0]], 0), ([], 0), ([[], [3.0]], 3_000_000)],
)
def test_the_step_is_what_all_times_are_whole_multiples_of(times_ms: list[list[float]], step: int) -> None:
    assert step_ns([np.array(launch) for launch in times_ms]) == step


def test_a_step_is_coarse_by_the_time_that_a_metric_rests_on() -> None:
    described = {"e2e_ms": {"median": 1000.0}, "ttft_ms": {"median": 100.0}, "itl_ms": {"median": 10.0}}
    found = {
        metric: resolution(metric, described, 1_000_000)
        for metric in ("e2e_ms", "ttft_ms", "itl_ms", "tpot_ms", "decode_tokens_per_s", "load_ms")
    }
    assert found == {
        "e2e_ms": 0.0,
        "ttft_ms": 0.01,
        "itl_ms": 0.1,
        "tpot_ms": 0.0,
        "decode_tokens_per_s": 0.0,
        "load_ms": 0.0,
    }
    assert resolution("e2e_ms", {name: {"median": None} for name in described}, 1_000_000) == 0.0
