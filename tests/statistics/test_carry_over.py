"""Times that depend on the engine that ran just before are told, with a remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from benchmark_runner.statistics.carry_over import carry_over
from benchmark_runner.statistics.inputs import MeasuredLaunch, launch_head
from benchmark_runner.statistics.samples import CellKey
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, slow_down, write_inputs

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
ENGINES = [ScriptedEngine(name, **SPREAD) for name in ("torch", "candle", "burn", "lm")]
LATENCY, THROUGHPUT = ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test")

Values = Mapping[tuple[CellKey, str], Mapping[int, float]]


def _in_order(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sorted((one for content in raw.values() for one in content["launches"]), key=lambda one: one["position"])


def _drawn(seed: int, hot: float, blocks: int = 10) -> tuple[list[MeasuredLaunch], Values, list[dict[str, Any]]]:
    """(launches, values, rows of engine, block, engine before, logarithm); who follows torch is slower by `hot`."""
    rng = np.random.default_rng(seed)
    launches = [launch_head(one) for one in _in_order(make_raw_data(ENGINES, launches=blocks, seed=seed)[0])]
    values: dict[tuple[CellKey, str], dict[int, float]] = {}
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(launches):
        before = launches[number - 1].engine if number else None
        log = rng.normal(0.0, 0.02) + 0.01 * one.block + (hot if before == "torch" else 0.0)
        values.setdefault(((one.engine, one.workload, "case_1"), "e2e_ms"), {})[one.block] = float(np.exp(log))
        rows.append({"engine": one.engine, "block": one.block, "before": before, "log": log})
    return launches, values, rows


@pytest.mark.parametrize("seed", range(5))
def test_the_test_is_the_analysis_of_variance_with_engine_and_block(seed: int) -> None:
    launches, values, rows = _drawn(seed, 0.01)
    fitted = [ols(f"log ~ C(engine) + C(block){more}", pd.DataFrame(rows[1:])).fit() for more in ("", " + C(before)")]
    expected = anova_lm(*fitted).iloc[1]
    found = carry_over(launches, values)
    assert found["statistic"] == pytest.approx(expected["F"], rel=1e-6) and found["n"] == len(rows) - 1
    assert found["p"] == pytest.approx(expected["Pr(>F)"], rel=1e-6)


def test_a_hot_engine_is_noticed_and_a_quiet_campaign_is_not() -> None:
    assert carry_over(*_drawn(1, 0.08)[:2])["carried"] is True
    assert carry_over(*_drawn(1, 0.0)[:2])["carried"] is False


def test_what_could_not_start_leaves_nothing_behind() -> None:
    launches, values, rows = _drawn(1, 0.0)
    absent = [replace(one, engine="none", status="unavailable", record={}) for one in launches]
    both = [one for two in zip(launches, absent, strict=True) for one in two]
    assert carry_over(both, values) == carry_over(launches, values)
    failed = [replace(one, status="failed") for one in absent]
    between = [one for two in zip(launches, failed, strict=True) for one in two]
    assert carry_over(between, values)["reason"] is not None and len(rows) == len(launches)


def test_what_cannot_be_tested_says_why() -> None:
    launches, values, _ = _drawn(2, 0.0)
    assert carry_over([], {})["reason"] == "no launch followed another"
    assert "too few launches" in carry_over(launches[:5], values)["reason"]
    level = {key: dict.fromkeys(found, 7.0) for key, found in values.items()}
    assert carry_over(launches, level)["reason"] == "all launch medians are equal"


def test_what_an_engine_leaves_behind_is_a_qualifier_with_a_remedy(tmp_path: Path) -> None:
    raw, plan = make_raw_data(ENGINES, [LATENCY, THROUGHPUT], launches=8, output_dir=str(tmp_path))
    before = ""
    for launch in _in_order(raw):
        if before == "torch":
            slow_down(launch, 1.1)
        before = launch["engine"]
    write_inputs(tmp_path, ENGINES, raw, plan)
    run_analysis(tmp_path, ENGINES, plan)
    summary = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    assert summary["carry_over"]["carried"] is True
    told = next(one for one in summary["warnings"] if one["kind"] == "carry_over")
    assert told["remedy"] == "Raise system.cool_down_seconds"
    primary = [one for one in summary["comparisons"] if one["kind"] == "primary"]
    assert all("carry_over" in one["qualifiers"] for one in primary)
