"""The plain numbers of a cell against scipy and pandas over the same rows of iterations.parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark_runner.statistics.samples import label_of
from records import ScriptedEngine, ScriptedWorkload, write_results

TORCH = ScriptedEngine("torch", launch_spread=0.04, iteration_spread=0.06, statuses={("latency_test", 3): "failed"})
CANDLE = ScriptedEngine("candle", ttft_ms=7.0, itl_ms=3.0, launch_spread=0.01, iteration_spread=0.2)
METRICS = ("e2e_ms", "ttft_ms", "tpot_ms", "decode_tokens_per_s", "prefill_tokens_per_s", "total_tokens_per_s")
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], pd.DataFrame]:
    folder: Path = tmp_path_factory.mktemp("described")
    write_results(folder, [TORCH, CANDLE], [ScriptedWorkload(iterations=17, warmups=2)], launches=6)
    summary = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    rows = pd.read_parquet(folder / "analysis" / "iterations.parquet")
    return summary, rows[~rows["warmup"]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("engine", "launches"), [("torch", 5), ("candle", 6)])
def test_a_cell_is_described_by_what_scipy_and_pandas_find(
    campaign: tuple[dict[str, Any], pd.DataFrame], engine: str, launches: int, metric: str
) -> None:
    summary, rows = campaign
    found = next(one for one in summary["cells"] if one["engine"] == engine and one["case"])["metrics"][metric]
    own = rows[rows["engine"] == engine]
    values, by_launch = own[metric].to_numpy(), own.groupby("block")[metric]
    assert (found["launches"], found["iterations"]) == (launches, 17 * launches)
    variations = by_launch.std() / by_launch.mean()
    medians = by_launch.median()
    witness = {
        "mean": values.mean(),
        "median": np.median(values),
        "sd": own[metric].std(),
        "mad": stats.median_abs_deviation(values),
        "min": values.min(),
        "max": values.max(),
        "cv_within": np.sqrt((variations**2).mean()),
        "cv_between": stats.variation(medians, ddof=1),
    }
    assert {name: found[name] for name in witness} == pytest.approx(witness, rel=1e-9)
    assert found["mean_interval"]["point"] == pytest.approx(by_launch.mean().mean(), rel=1e-9)
    assert found["median_interval"]["point"] == pytest.approx(stats.gmean(medians), rel=1e-9)
    for name, share in SHARES.items():
        assert found[name]["value"] == pytest.approx(own[metric].quantile(share), rel=1e-9)
    assert found["p99"]["value"] is None
    assert [one["value"] for one in found["launch_medians"]] == pytest.approx(list(medians), rel=1e-9)


def test_outliers_are_those_of_a_z_score_within_each_launch(
    campaign: tuple[dict[str, Any], pd.DataFrame],
) -> None:
    summary, rows = campaign
    for cell in (one for one in summary["cells"] if one["case"]):
        own = rows[rows["engine"] == cell["engine"]]
        scores = own.groupby("block")["e2e_ms"].transform(lambda values: stats.zscore(values, ddof=1))
        flagged = scores.abs() > 2.0
        metric = cell["metrics"]["e2e_ms"]
        assert metric["outliers"] == {"flagged": int(flagged.sum()), "of": len(own)} and flagged.any()
        assert metric["without_outliers"]["mean"] == pytest.approx(own["e2e_ms"][~flagged].mean(), rel=1e-9)
        assert metric["without_outliers"]["median"] == pytest.approx(own["e2e_ms"][~flagged].median(), rel=1e-9)


def test_a_cell_by_hand(tmp_path: Path) -> None:
    # Two launches of 120, 180, 240 and 360 ms: mean 225, median 210; distances from it 90, 30, 30, 150, median 60;
    # squares about the mean 31,500 a launch: sd sqrt(63000 / 7), within a launch sqrt(10500), 45.54 % of 225.
    slow = {(block, index): factor for block in (1, 2) for index, factor in enumerate((1.0, 1.5, 2.0, 3.0))}
    write_results(tmp_path, [ScriptedEngine("torch", slow_iterations=slow)], launches=2)
    summary = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    found = next(one for one in summary["cells"] if one["case"])["metrics"]["e2e_ms"]
    by_hand = {"mean": 225.0, "median": 210.0, "mad": 60.0, "min": 120.0, "max": 360.0, "cv_between": 0.0}
    assert {name: found[name] for name in by_hand} == by_hand
    assert found["sd"] == pytest.approx(94.8683, abs=1e-4)
    assert found["cv_within"] == pytest.approx(0.4554, abs=1e-4)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("gpu.utilization_percent_mean", "GPU utilisation"),
        ("gpu.utilization_percent_max", "highest GPU utilisation"),
        ("gpu.clock_sm_mhz_mean", "mean GPU clock SM"),
        ("gpu.memory_peak_bytes", "peak GPU memory"),
    ],
)
def test_what_the_monitor_records_is_named_as_its_metric_is(field: str, words: str) -> None:
    assert label_of(field) == words
