"""The moderated t test: limma's moments computed another way, and what its guard lets through."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.hypotheses import LogRatio, paired_log_ratio
from benchmark_runner.statistics.moderated import MOST_DF, Prior, moderate, prior_of, trigamma_inverse
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import judge_family
from benchmark_runner.statistics.wording import CERTAIN
from records import ScriptedEngine, write_results

LEVEL = 0.95


def _seen(variances: list[float], launches: int = 8) -> list[LogRatio]:
    return [LogRatio(0.01, math.sqrt(value / launches), launches - 1.0, launches, "", "") for value in variances]


def _pair(name: str, differences: FloatArray, reference: str = "base", **options: Any) -> Pair:
    """A pair whose log ratios of blocks are these; above 0 the engine is faster."""
    base = 100.0 * np.exp(0.01 * np.arange(len(differences)))
    return Pair(name, reference, base * np.exp(-differences), base, sign=-1.0, **options)


def _about(mean: float, sd: float, launches: int = 8) -> FloatArray:
    """Differences with exactly this mean and standard deviation."""
    shape = stats.norm.ppf((np.arange(launches) + 0.5) / launches)
    return mean + sd * shape / float(np.std(shape, ddof=1))


@pytest.mark.parametrize("x", [1e-3, 0.3, 1.0, 4.5, 60.0, 1e5])
def test_trigamma_is_inverted(x: float) -> None:
    assert trigamma_inverse(float(special.polygamma(1, x))) == pytest.approx(x, rel=1e-7)


def test_the_prior_is_that_of_limmas_moments() -> None:
    """Smyth 2004, section 6.2: the mean square of e about its mean, less trigamma(d / 2), is trigamma(d0 / 2)."""
    variances = [1.0e-4, 2.1e-3, 6.0e-4, 9.0e-3, 2.0e-4, 4.0e-3]
    e = np.log(variances) - special.psi(3.5) + math.log(3.5)
    target = sum((e - sum(e) / 6) ** 2) / 5 - float(special.polygamma(1, 3.5))
    df = 2.0 * optimize.brentq(lambda half: special.polygamma(1, half) - target, 1e-3, 1e3, xtol=1e-12)
    found = prior_of(_seen(variances))
    assert 1.0 < df < MOST_DF
    assert found.df == pytest.approx(df, rel=1e-7)
    assert found.variance == pytest.approx(sum(variances) / 6)


def test_variances_that_differ_by_chance_alone_count_for_the_most() -> None:
    assert prior_of(_seen([4e-4, 5e-4, 6e-4, 4.5e-4])) == Prior(pytest.approx(4.875e-4), MOST_DF)


def test_the_prior_finds_the_truth_of_many_pairs() -> None:
    """True variances 0.02 * 6 / chi-square(6), seen with 9 degrees of freedom."""
    rng = np.random.default_rng(11)
    true = 0.02 * 6.0 / rng.chisquare(6.0, 20_000)
    found = prior_of(_seen(list(true * rng.chisquare(9.0, 20_000) / 9.0), launches=10))
    assert found.df == pytest.approx(6.0, rel=0.1)
    assert found.variance == pytest.approx(0.02 * 6.0 / 4.0, rel=0.05)


def test_a_pair_that_hardly_varies_does_not_make_the_others_unlike() -> None:
    assert prior_of(_seen([4e-4, 5e-4, 6e-4, 4.5e-4, 1e-30])).df > 0.2


@pytest.mark.parametrize("count", [0, 1])
def test_one_pair_alone_keeps_its_own_t_test(count: int) -> None:
    own = _seen([4e-4])[0]
    shrunk = moderate(own, prior_of(_seen([4e-4])[:count]))
    assert (shrunk.standard_error, shrunk.df) == (pytest.approx(own.standard_error), own.df)


def test_shrinking_weighs_by_degrees_of_freedom() -> None:
    own = paired_log_ratio(_about(0.03, 0.02, 6))
    shrunk = moderate(own, Prior(9e-4, 15.0))
    variance = (5 * 4e-4 + 15 * 9e-4) / 20
    assert (shrunk.df, shrunk.standard_error) == (20.0, pytest.approx(math.sqrt(variance / 6)))
    p = 2.0 * stats.t.sf(0.03 / math.sqrt(variance / 6), 20)
    assert shrunk.test().p == pytest.approx(p, rel=1e-9)


QUIET = [_pair(f"e{number}", _about(0.0, 0.01), f"r{number}") for number in range(5)]


def test_what_the_own_launches_do_not_show_is_not_confirmed() -> None:
    """A pair that varies twice as much as the others: by their spread its difference is certain, by its own not."""
    found = judge_family([_pair("wild", _about(0.0165, 0.021)), *QUIET], LEVEL)[0]
    assert found.p_holm is not None and found.p_holm <= 0.05
    assert found.ratio is not None and found.ratio.holds_1
    assert (found.verdict, found.faster) == ("significant_unconfirmed", "wild")


def test_what_only_the_own_launches_show_is_not_confirmed() -> None:
    """A pair that varies a tenth as much as the others."""
    others = [_pair(f"e{number}", _about(0.0, 0.05), f"r{number}") for number in range(5)]
    found = judge_family([_pair("still", _about(0.015, 0.004)), *others], LEVEL)[0]
    assert found.p_holm is not None and found.p_holm > 0.05
    assert (found.verdict, found.faster) == ("significant_unconfirmed", "still")


def test_a_certain_verdict_has_both_intervals_on_its_side() -> None:
    rng = np.random.default_rng(3)
    certain = 0
    for _ in range(200):
        pairs = [_pair(str(one), rng.normal(0.05, rng.uniform(0.01, 0.1), 6), str(-one)) for one in range(1, 7)]
        for found in judge_family(pairs, LEVEL):
            assert found.ratio is not None and found.comparison is not None
            joint = found.comparison.simultaneous
            assert joint.low <= found.ratio.low and found.ratio.high <= joint.high
            certain += found.verdict in CERTAIN
            assert found.verdict not in CERTAIN or not found.ratio.holds_1
    assert certain > 100


def test_pairs_beside_the_family_count_for_the_spread_and_not_for_corrections() -> None:
    pairs = [_pair("fast", _about(0.02, 0.015)), _pair("other", _about(0.0, 0.03))]
    alone, beside = judge_family(pairs, LEVEL)[0], judge_family(pairs, LEVEL, beside=QUIET)[0]
    assert alone.comparison is not None and beside.comparison is not None
    assert beside.comparison.test.p < alone.comparison.test.p
    assert beside.p_holm == pytest.approx(2.0 * beside.comparison.test.p)


def test_launches_that_did_not_run_side_by_side_keep_welch_and_mann_whitney() -> None:
    one = _pair("fast", _about(0.5, 0.02, 6), paired=False)
    found, by_ranks = (
        judge_family([one, *QUIET], LEVEL, SCHEMES[name])[0] for name in ("moderated_t", "mann_whitney_u")
    )
    assert found.comparison == by_ranks.comparison and found.verdict == by_ranks.verdict == "meaningfully_faster"
    assert found.comparison is not None and found.comparison.test.method.startswith("Welch")
    few = replace(one, values=one.values[:3], reference_values=one.reference_values[:3])
    assert (
        judge_family([few], LEVEL)[0].reason == "too few launches: 3 cannot reach significance over 1 comparison, 4 can"
    )


def test_four_launches_have_no_verdict_and_five_have() -> None:
    four, five = (judge_family([_pair("fast", _about(0.7, 0.01, n)), *QUIET], LEVEL)[0] for n in (4, 5))
    assert (four.verdict, four.reason) == ("untestable", "too few launches: 4, at least 5 are needed")
    assert five.verdict == "meaningfully_faster"


def test_the_control_counts_for_the_spread_and_is_told_by_the_plain_t_test(tmp_path: Path) -> None:
    spread: dict[str, Any] = {"launch_spread": 0.02, "iteration_spread": 0.01}
    engines = [
        ScriptedEngine("torch", **spread),
        ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **spread),
        ScriptedEngine("torch_control", control_of="torch", **spread),
    ]
    write_results(tmp_path, engines, launches=8, analysis={"significance_test": "moderated_t"})
    summary = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    both = [one for one in summary["comparisons"] if one["metric"] == "e2e_ms"]
    assert {one["kind"] for one in both} == {"primary", "control"}
    assert all(one["tests"]["moderated_t"]["df"] > one["tests"]["paired_t"]["df"] == 7.0 for one in both)
    control = next(one for one in both if one["kind"] == "control")
    assert summary["control"]["alpha"] == 0.10
    assert summary["control"]["cells"][0]["p_holm"] == pytest.approx(control["tests"]["paired_t"]["p"])
