"""Intervals of an engine's own times where launches depend on each other, and the test of carry-over.

300 campaigns by default; BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check. docs/method.md states what that found.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.campaign.order import balanced_blocks
from benchmark_runner.statistics.carry_over import carry_over
from benchmark_runner.statistics.dependence import widen
from benchmark_runner.statistics.diagnostics import intraclass_correlation
from benchmark_runner.statistics.estimates import typical_estimate
from benchmark_runner.statistics.inputs import MeasuredLaunch
from benchmark_runner.statistics.percentiles import percentile
from benchmark_runner.statistics.samples import CellKey
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, quiet, told

LEVEL = 1.0 - ALPHA
FEWEST_COVERED = int(stats.binom.ppf(0.005, CAMPAIGNS, LEVEL))
ENGINES, LAUNCHES = 6, 10


def _resembling(rng: np.random.Generator, correlation: float, engines: int, launches: int) -> FloatArray:
    """Logarithms by campaign, engine and launch, each launch resembling the one before."""
    values = rng.standard_normal((CAMPAIGNS, engines, launches))
    for launch in range(1, launches):
        fresh = math.sqrt(1.0 - correlation**2) * values[..., launch]
        values[..., launch] = correlation * values[..., launch - 1] + fresh
    return 0.04 * values


def _covered(logs: FloatArray) -> tuple[int, int, int]:
    """Campaigns in which the first engine's interval covers as it is, once it is widened, and that have none then."""
    plain = wide = untold = 0
    for campaign in logs:
        cells = []
        for own in np.exp(campaign):
            found = typical_estimate(own, LEVEL)
            assert found is not None
            numbers = {"median_interval": found.to_json(), "mean_interval": None, "without_outliers": None}
            cells.append((numbers, dict(enumerate(own.tolist()))))
        first = cells[0][0]["median_interval"]
        plain += first is not None and first["low"] <= 1.0 <= first["high"]
        widen(cells, LEVEL)
        last = cells[0][0]["median_interval"]
        assert last is not None
        untold += last["low"] is None
        wide += last["low"] is not None and last["low"] <= 1.0 <= last["high"]
    return plain, wide, untold


@pytest.mark.parametrize(
    ("correlation", "engines", "launches", "before"),
    [
        (0.0, 6, 10, None),
        (0.3, 6, 10, 0.9),
        (0.7, 6, 10, 0.65),
        (0.7, 1, 10, 0.65),
        (0.9, 1, 10, 0.4),
        (0.9, 1, 20, 0.4),
    ],
)
def test_typical_values_are_covered_where_launches_resemble_the_one_before(
    correlation: float, engines: int, launches: int, before: float | None
) -> None:
    """before is what the same intervals reach without widening: the negative control. No interval makes no claim."""
    logs = _resembling(np.random.default_rng(301), correlation, engines, launches)
    plain, wide, untold = _covered(logs)
    told(f"typical values covered as they are, {engines} x {launches} launches correlated by {correlation}", plain)
    told("… widened", wide)
    told("… without an interval", untold)
    # Two standard errors of CAMPAIGNS below the promise: 93 %, near a correlation of 1 by the launches.
    least = LEVEL - 0.02 if correlation < 0.8 else {10: 0.85, 20: 0.9}[launches]
    assert wide + untold >= stats.binom.ppf(0.01, CAMPAIGNS, least)
    assert before is None or plain <= before * CAMPAIGNS


@pytest.mark.parametrize(("engines", "launches"), [(1, 5), (1, 6), (2, 6), (6, 6), (1, 10)])
def test_independent_launches_keep_their_interval_and_its_coverage(engines: int, launches: int) -> None:
    _, wide, untold = _covered(_resembling(np.random.default_rng(303), 0.0, engines, launches))
    told(f"typical values covered, {engines} x {launches} independent launches", wide)
    told("… without an interval", untold)
    assert untold <= 0.01 * CAMPAIGNS
    assert wide >= FEWEST_COVERED


@pytest.mark.parametrize("between", [0.0, 0.02, 0.2])
def test_a_percentile_of_the_tail_is_covered_or_has_no_interval(between: float) -> None:
    """p99 of 20 launches of 40 iterations that vary by 10 %; where launches vary by 20 % they alone decide it."""
    rng = np.random.default_rng(307)
    truth = math.exp(float(stats.norm.ppf(0.99)) * math.hypot(between, 0.1))
    plain = told_of = given = 0
    for _ in range(CAMPAIGNS):
        launches = list(np.exp(rng.normal(0.0, between, (20, 1)) + rng.normal(0.0, 0.1, (20, 40))))
        ordered = np.sort(np.concatenate(launches))
        effective = intraclass_correlation(launches)["effective_n"]
        for worth in (None, effective):
            found = percentile(launches, ordered, 0.99, LEVEL, worth)
            covers = (found["low"] is None or found["low"] <= truth) and (
                found["high"] is None or truth <= found["high"]
            )
            plain += worth is None and covers
            told_of += worth is not None and covers
            given += worth is not None and not (found["reason"] or "").startswith("no interval")
    told(f"p99 covered as it is, launches varying by {between}", plain)
    told(f"… or without an interval (given in {given / CAMPAIGNS:.0%})", told_of)
    assert told_of >= FEWEST_COVERED
    assert between < 0.2 or plain <= 0.92 * CAMPAIGNS, "the check has no teeth"


def _carried(rng: np.random.Generator, size: float, launches: int) -> float:
    """p of the test in one campaign of six engines and two workloads, in which who follows the first is slower."""
    engines, workloads = [f"e{number}" for number in range(ENGINES)], ["chat", "batch"]
    cells = [(engine, workload) for engine in engines for workload in workloads]
    order = balanced_blocks([cells] * launches, int(rng.integers(1 << 30)))
    logs = quiet(rng, (1, 1, len(order)))[0, 0]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    measured: list[MeasuredLaunch] = []
    values: dict[tuple[CellKey, str], dict[int, float]] = {}
    for place, (block, (engine, workload)) in enumerate(order):
        hot = size if measured and measured[-1].engine == engines[0] else 0.0
        begin = start + timedelta(minutes=place)
        end = begin + timedelta(seconds=30)
        measured.append(MeasuredLaunch(engine, workload, block, place, "ok", "host", "boot", begin, end, {}))
        values.setdefault(((engine, workload, "case"), "e2e_ms"), {})[block] = math.exp(logs[place] + hot)
    return float(carry_over(measured, values)["p"])


def test_carry_over_is_seen_no_more_often_than_stated_where_there_is_none_and_mostly_where_it_is() -> None:
    rng = np.random.default_rng(311)
    false = sum(_carried(rng, 0.0, 10) <= ALPHA for _ in range(CAMPAIGNS))
    told("carry-over in campaigns without any", false)
    found = {launches: sum(_carried(rng, 0.03, launches) <= ALPHA for _ in range(100)) for launches in (10, 20)}
    print(f"carry-over of 3 % seen in 100 campaigns, by launches: {found}")
    assert false <= MOST_FALSE_POSITIVES
    assert found[20] >= 60
