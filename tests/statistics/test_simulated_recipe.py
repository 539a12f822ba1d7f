"""The recipes that judge: false verdicts where engines vary unequally, and the smallest differences found.

The first engine is the baseline, the last the control; 300 campaigns a check by default, 2,000 with
BENCHMARK_RUNNER_CAMPAIGNS=2000. test_simulated_families.py has what disturbs machines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.evidence import Pair, weigh
from benchmark_runner.statistics.hypotheses import mann_whitney
from benchmark_runner.statistics.moderated import Prior
from benchmark_runner.statistics.power import FIRST_SHARE
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import Judgement, judge_evidence, judge_family
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, quiet, told

LEVEL = 1.0 - ALPHA
FEWEST_FOUND = float(stats.binom.ppf(0.01, CAMPAIGNS, 0.8)) / CAMPAIGNS


def _pair(logs: FloatArray, engine: int, reference: int) -> Pair:
    levels = logs.mean(axis=0)
    times = np.exp(logs)
    return Pair(
        str(engine), str(reference), times[engine], times[reference], -1.0, share=FIRST_SHARE, block_levels=levels
    )


def judged(logs: FloatArray, scheme: str) -> list[Judgement]:
    """All pairs of one campaign's engines; the control's pair counts for the spread."""
    control = len(logs) - 1
    pairs = [_pair(logs, b, a) for a, b in itertools.combinations(range(control), 2)]
    return judge_family(pairs, LEVEL, SCHEMES[scheme], beside=[_pair(logs, control, 0)])


def _unlike(spreads: Sequence[float], launches: int, seed: int) -> Iterator[FloatArray]:
    shape = (CAMPAIGNS, len(spreads), launches)
    rng = np.random.default_rng(seed)
    yield from quiet(rng, shape, launch_sd=np.array(spreads)[:, None]) + rng.normal(0.0, 0.04, (CAMPAIGNS, 1, launches))


@pytest.mark.parametrize("scheme", ["moderated_t", "mann_whitney_u"])
@pytest.mark.parametrize("launches", [5, 7])
@pytest.mark.parametrize("engines", [3, 5])
def test_engines_that_vary_by_1_to_10_per_cent_are_ordered_in_one_campaign_of_twenty_at_most(
    engines: int, launches: int, scheme: str
) -> None:
    spreads = np.linspace(0.01, 0.1, engines + 1)[::-1]
    false = sum(
        any(one.verdict in CERTAIN for one in judged(logs, scheme)) for logs in _unlike(list(spreads), launches, 17)
    )
    told(f"{scheme}, {engines} engines that vary by 10 to 1 %, {launches} launches: false verdicts", false)
    assert false <= MOST_FALSE_POSITIVES


def test_one_spread_for_all_pairs_fails_the_check() -> None:
    """The negative control: a prior that counts for everything, and no guard."""
    false = 0
    for logs in _unlike([0.01, 0.1, 0.01, 0.01], 7, 19):
        pairs = [_pair(logs, b, a) for a, b in itertools.combinations(range(3), 2)]
        evidence = [weigh(pair, LEVEL) for pair in pairs]
        pooled = float(np.mean([(one.sd_of_log_ratios or 0.0) ** 2 for one in evidence]))
        found = judge_evidence(pairs, evidence, LEVEL, SCHEMES["moderated_t"], Prior(pooled, 1e6))
        false += any(one.p_holm is not None and one.p_holm <= one.alpha for one in found)
    told("one spread for all pairs, without a guard: false verdicts", false)
    assert false > MOST_FALSE_POSITIVES


def _found(ratio: float, launches: int, scheme: str) -> float:
    """Share of the pairs of five engines, of which one is slower by a ratio, whose order is found."""
    rng = np.random.default_rng(23)
    found = 0
    for _ in range(CAMPAIGNS):
        logs = rng.normal(0.0, 0.04, (6, launches)) + rng.normal(0.0, 0.04, launches)
        logs[2] += math.log(ratio)
        found += sum(
            one.verdict in CERTAIN and one.faster != "2"
            for one in judged(logs, scheme)
            if "2" in (one.pair.engine, one.pair.reference)
        )
    share = found / (4 * CAMPAIGNS)
    print(f"{scheme}, five engines, {launches} launches: {ratio - 1:.1%} found in {share:.1%}")
    return share


@pytest.mark.parametrize(("launches", "ratio"), [(7, 1.091), (10, 1.075), (20, 1.05)])
def test_four_of_five_differences_of_the_size_stated_are_found(launches: int, ratio: float) -> None:
    """Launches vary by 4 %, iterations included, and blocks by 4 %."""
    assert _found(ratio, launches, "moderated_t") >= FEWEST_FOUND


def test_two_tests_that_must_agree_find_less() -> None:
    assert _found(1.075, 10, "mann_whitney_u") < FEWEST_FOUND


@pytest.mark.parametrize(("engines", "most"), [(3, 0.12), (6, 0.085)])
def test_ranks_less_the_level_of_blocks_call_more_than_their_exact_test_says_and_never_more_than_t(
    engines: int, most: float
) -> None:
    """What is taken off is shared, so the values depend on each other: 9 to 10 % of three, 6 to 7 % of six at 5 %."""
    rng = np.random.default_rng(29)
    ranks = both = 0
    for _ in range(CAMPAIGNS):
        logs = rng.normal(0.0, 0.04, (engines, 10))
        aligned = logs - logs.mean(axis=0)
        p = mann_whitney(aligned[0], aligned[1]).p
        ranks += p <= ALPHA
        both += p <= ALPHA and stats.ttest_rel(logs[0], logs[1]).pvalue <= ALPHA
    told(f"Mann-Whitney less the level of blocks, {engines} engines, alone", ranks)
    told(f"Mann-Whitney less the level of blocks, {engines} engines, together with the paired t test", both)
    assert ranks <= int(stats.binom.ppf(0.99, CAMPAIGNS, most))
    assert both <= MOST_FALSE_POSITIVES
