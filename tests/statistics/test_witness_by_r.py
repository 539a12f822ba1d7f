"""Every statistic that R has, on twenty data sets, against R's own answer in witness.json."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.arrays import FloatArray
from benchmark_runner.records.tabulate import outlier_flags
from benchmark_runner.statistics import diagnostics, effects, hypotheses, power
from benchmark_runner.statistics.estimates import Estimate, mean_estimate, typical_estimate
from benchmark_runner.statistics.percentiles import (
    PERCENTILES,
    fewest_values,
    ordered_quantile,
    percentile,
    share_standard_error,
)
from conftest import Lacking
from witness_data import DataSet, data_sets

HERE = Path(__file__).parent
SCRIPT, FIXTURE = HERE / "witness.R", HERE / "witness.json"
R = json.loads(FIXTURE.read_text(encoding="utf-8"))
LEVELS = (0.95, 0.99)
TOLERANCE = 1e-9
"""Relative; and absolute for what is near 0 on a scale of 1 (logarithms, p-values, shares)."""
AT_TWO_LAUNCHES = 1e-7
"""The integrand of the power has a kink at one degree of freedom (power.QUADRATURE_POINTS); no verdict rests on it."""
OF_ROUNDED_QUANTILES = 1e-8
"""scipy computes the weights of Shapiro-Wilk from normal quantiles of nine digits (AS 111), R from exact ones: W then
agrees to 6e-10 and p, a steep function of it, to 4e-9."""

each_set = pytest.mark.parametrize("one", data_sets(), ids=lambda one: one.name)


def same(found: Any, said: Any, tolerance: float = TOLERANCE, scale: float = 1.0) -> bool:
    """Whether two numbers, or lists of them, agree; null only with None. scale is the data's, 0 where nothing is
    near 0."""
    if isinstance(said, list):
        return len(found) == len(said) and all(same(*two, tolerance, scale) for two in zip(found, said, strict=True))
    if said is None or found is None:
        return said is None and found is None
    return math.isclose(found, said, rel_tol=tolerance, abs_tol=tolerance * scale)


def by_r(one: DataSet) -> dict[str, Any]:
    said: dict[str, Any] = R["sets"][one.name]
    return said


def sides(one: DataSet) -> tuple[FloatArray, FloatArray]:
    return np.array(one.a), np.array(one.b)


def iterations(one: DataSet) -> list[FloatArray]:
    return [np.array(launch) for launch in one.launches]


def assert_estimate(found: Estimate, point: float, interval: Sequence[float], level: float, scale: float) -> None:
    assert same([found.point, found.low, found.high], [point, *interval], scale=scale)
    assert found.level == level


def assert_t_test(found: hypotheses.LogRatio, said: Mapping[str, Any]) -> None:
    test = found.test()
    assert same([test.statistic, found.df, test.p], [said["statistic"], said["df"], said["p"]])
    assert same(found.equivalence_p(), said["equivalence_p"])
    for level in LEVELS:
        low, high = said["interval"][str(level)]
        estimate = found.estimate(level)
        # Logarithms: some intervals of two launches reach from 1e-3 to 1e3.
        assert same([math.log(estimate.low), math.log(estimate.high)], [low, high])
        assert same(math.log(estimate.point), (low + high) / 2)


def test_r_saw_every_data_set() -> None:
    assert list(R["sets"]) == [one.name for one in data_sets()]
    assert len(R["sets"]) == 20
    assert R["made_by"].startswith("R version")


def test_the_data_sets_have_what_goes_wrong() -> None:
    """Ties, two launches, unequal numbers, tiny and huge scales."""
    sets = data_sets()
    assert sum(one.tied for one in sets) >= 5
    assert sum(len(one.a) != len(one.b) for one in sets) >= 5
    counts = {count for one in sets for count in (len(one.a), len(one.b))}
    assert (min(counts), max(counts)) == (2, 30)
    values = [value for one in sets for value in one.a]
    assert min(values) < 1e-8 and max(values) > 1e11


def test_the_fixture_is_what_r_says(lacking: Lacking, repository: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        lacking("Rscript is missing; on Debian and Ubuntu: apt-get install r-base-core")
        return
    program = repository / "tests" / "witness_data.py"
    data = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True).stdout
    ended = subprocess.run([rscript, str(SCRIPT)], input=data, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said.keys() == R.keys()

    def assert_same(here: Any, there: Any, path: str) -> None:
        assert type(here) is type(there) or {type(here), type(there)} == {int, float}, path
        if isinstance(here, dict):
            assert list(here) == list(there), path
        children = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        for key, value in children:
            assert_same(value, there[key], f"{path}/{key}")
        if isinstance(here, int | float):
            # Another version of R, or of the mathematics library, may differ in the last digits.
            assert math.isclose(here, there, rel_tol=1e-10, abs_tol=1e-12), path

    for part in ("sets", "corrected", "designs"):
        assert_same(said[part], R[part], part)


@each_set
def test_the_paired_t_test_its_intervals_and_equivalence(one: DataSet) -> None:
    a, b = sides(one)
    log_ratios = np.log(a[: one.blocks] / b[: one.blocks])
    assert_t_test(hypotheses.paired_log_ratio(log_ratios), by_r(one)["paired"])


@each_set
def test_welchs_t_test_its_intervals_and_equivalence(one: DataSet) -> None:
    a, b = sides(one)
    assert_t_test(hypotheses.welch_log_ratio(np.log(a), np.log(b)), by_r(one)["welch"])


@each_set
def test_mann_whitney(one: DataSet) -> None:
    found, said = hypotheses.mann_whitney(*sides(one)), by_r(one)["mann_whitney"]
    assert found.statistic == said["u"]
    # R has no exact test of ties: test_hypotheses.py lists their orders.
    assert (said["p"] is None) == one.tied
    assert said["p"] is None or same(found.p, said["p"])


@each_set
def test_effect_sizes(one: DataSet) -> None:
    (a, b), said = sides(one), by_r(one)
    u = hypotheses.mann_whitney(a, b).statistic
    assert same(effects.cliffs_delta(u, len(a), len(b)), said["cliffs_delta"])
    assert same(effects.hedges_g(np.log(a), np.log(b)), said["hedges_g"])
    assert same(effects.hodges_lehmann(a, b), said["hodges_lehmann"], scale=float(np.ptp(np.concatenate((a, b)))))


@each_set
def test_means_and_typical_values(one: DataSet) -> None:
    a, said = np.array(one.a), by_r(one)
    for level in LEVELS:
        mean, typical = mean_estimate(a, level), typical_estimate(a, level)
        assert mean is not None and typical is not None
        scale = float(np.ptp(a))
        assert_estimate(mean, said["mean"]["point"], said["mean"]["interval"][str(level)], level, scale)
        assert_estimate(typical, said["typical"]["point"], said["typical"]["interval"][str(level)], level, 0.0)


@each_set
def test_coefficients_of_variation(one: DataSet) -> None:
    said = by_r(one)
    assert same(diagnostics.cv_between(np.array(one.a)), said["cv_between"])
    assert same(diagnostics.cv_within(iterations(one)), said["cv_within"])


@each_set
def test_normality(one: DataSet) -> None:
    found, said = diagnostics.normality(np.array(one.a)), by_r(one)["normality"]
    assert (said is None) == (found["p"] is None) == (len(one.a) < 3)
    if said is not None:
        assert same(found["statistic"], said["statistic"])
        assert same(found["p"], said["p"], OF_ROUNDED_QUANTILES)


@each_set
def test_drift(one: DataSet) -> None:
    found, said = diagnostics.drift(np.array(one.a), np.arange(float(len(one.a)))), by_r(one)["drift"]
    assert (said is None) == (found["p"] is None) == (len(one.a) < 4)
    if said is not None:
        assert same([found["tau"], found["p"]], [said["tau"], said["p"]])


@each_set
def test_autocorrelation(one: DataSet) -> None:
    found, said = diagnostics.ljung_box(iterations(one)), by_r(one)["ljung_box"]
    assert (said is None) == (found["p"] is None)
    if said is not None:
        assert same([found["lag1"], found["p"]], [said["lag1"], said["p"]])


@each_set
def test_intraclass_correlation_and_effective_size(one: DataSet) -> None:
    found, said = diagnostics.intraclass_correlation(iterations(one)), by_r(one)["intraclass"]
    assert same([found["icc"], found["effective_n"]], [said["icc"], said["effective_n"]])


@each_set
def test_steps(one: DataSet) -> None:
    assert [diagnostics.step_at(values) for values in iterations(one)] == by_r(one)["step_at"]


@each_set
def test_outliers(one: DataSet) -> None:
    found = [list(np.flatnonzero(outlier_flags(values, 2.0))) for values in iterations(one)]
    assert found == by_r(one)["outliers"]


@each_set
def test_percentiles_and_their_intervals(one: DataSet) -> None:
    launches = iterations(one)
    ordered = np.sort(np.concatenate(launches))
    for name, share in PERCENTILES.items():
        for level in LEVELS:
            said = by_r(one)["percentiles"][name][str(level)]
            value = ordered_quantile(ordered, share)
            assert same(value, said["value"], scale=0.0)
            assert same(share_standard_error(launches, value, share), said["error"])
            found = percentile(launches, ordered, share, level)
            if len(ordered) < fewest_values(share):
                assert found["value"] is None
                continue
            assert same([found["value"], found["low"], found["high"]], [said["value"], *said["interval"]], scale=0.0)


@pytest.mark.parametrize("first", range(1, 21))
def test_corrections_over_a_family(first: int) -> None:
    said = R["corrected"]
    p_values = said["p"][:first]
    for more, family in ((0, "same"), (3, "larger")):
        corrected = said["families"][first - 1][family]
        tests = first + more
        assert same(hypotheses.holm([*p_values, *[None] * more], tests)[:first], corrected["holm"])
        assert same([hypotheses.bonferroni(p, tests) for p in p_values], corrected["bonferroni"])


@pytest.mark.parametrize("design", R["designs"]["power"], ids=str)
def test_power_of_the_paired_t_test(design: dict[str, float]) -> None:
    launches = int(design["launches"])
    found = power.paired_t_power(design["effect"], 1.0, launches, design["alpha"])
    assert same(found, design["power"], AT_TWO_LAUNCHES if launches == 2 else TOLERANCE)


@pytest.mark.parametrize("design", R["designs"]["detectable"], ids=str)
def test_smallest_detectable_ratio(design: dict[str, float]) -> None:
    found = power.detectable_ratio(int(design["launches"]), design["sd"], int(design["tests"]))
    assert found is not None
    assert same(math.log(found), design["log_ratio"])


@pytest.mark.parametrize("design", R["designs"]["fewest_launches"], ids=str)
def test_fewest_launches(design: dict[str, float]) -> None:
    assert power.fewest_launches(int(design["tests"]), design["alpha"]) == design["launches"]
