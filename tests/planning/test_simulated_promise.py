"""What the plan promises is what the recipe that judges finds, in campaigns that are simulated apart from it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from benchmark_runner.planning.promise import launches_for, smallest_ratio
from benchmark_runner.statistics.design import Design
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.hypotheses import paired_log_ratio
from benchmark_runner.statistics.power import DEFAULT_POWER, FIRST_SHARE
from benchmark_runner.statistics.schemes import PAIRED_T, SCHEMES
from benchmark_runner.statistics.verdicts import judge_evidence
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS

RUNS = CAMPAIGNS if CAMPAIGNS >= 2000 else 200
TOLERANCE = max(0.05, 3.0 * math.sqrt(DEFAULT_POWER * (1.0 - DEFAULT_POWER) / RUNS))
SPREAD = math.sqrt(2.0) * 0.04
"""Of log differences: launches vary by 4 %, blocks apart."""

RECIPES = ("mann_whitney_u", "moderated_t")
DESIGNS = ((7, 5), (10, 2), (10, 5), (20, 5))


def design(engines: int, launches: int, scheme: str = "mann_whitney_u", cells: int = 1) -> Design:
    return Design(engines, cells, launches, ALPHA, SCHEMES[scheme], False)


def found(engines: int, launches: int, scheme: str, ratio: float, blocks: float) -> float:
    """Share of campaigns in which the recipe is certain of the pair that differs by this ratio."""
    rng, certain = np.random.default_rng(31), 0
    for _ in range(RUNS):
        logs = rng.normal(0.0, 0.04, (engines, launches)) + rng.normal(0.0, blocks, launches)
        equal = logs.copy()  # of the other pairs only the variance counts
        logs[0] += math.log(ratio)
        names = list(itertools.combinations(range(engines), 2))
        level = logs.mean(axis=0)
        pairs = [
            Pair(str(a), str(b), np.exp(logs[a]), np.exp(logs[b]), 1.0, share=FIRST_SHARE, block_levels=level)
            for a, b in names
        ]
        evidence = [weigh(pairs[0], 1.0 - ALPHA)]
        seconds = evidence[0].seconds
        evidence += [Evidence(None, {PAIRED_T: paired_log_ratio(equal[a] - equal[b])}, seconds) for a, b in names[1:]]
        judged = judge_evidence(pairs[:1] + pairs[1:], evidence, 1.0 - ALPHA, SCHEMES[scheme])
        certain += judged[0].verdict in CERTAIN
    return certain / RUNS


@pytest.mark.parametrize(("launches", "engines", "blocks"), [*((*one, 0.04) for one in DESIGNS), (10, 5, 0.0)])
@pytest.mark.parametrize("scheme", RECIPES)
def test_the_difference_that_the_plan_promises_is_found_as_often(
    scheme: str, launches: int, engines: int, blocks: float
) -> None:
    ratio = smallest_ratio(design(engines, launches, scheme), SPREAD, DEFAULT_POWER, controls=0)
    assert ratio is not None
    share = found(engines, launches, scheme, ratio, blocks)
    print(f"{scheme}, {launches} x {engines}, blocks {blocks:.0%}: {100 * (ratio - 1):.1f} % found in {share:.1%}")
    assert share == pytest.approx(DEFAULT_POWER, abs=TOLERANCE)


def test_too_few_launches_promise_nothing() -> None:
    assert smallest_ratio(design(5, 5), SPREAD, DEFAULT_POWER) is None


def test_what_does_not_vary_is_found_however_small() -> None:
    assert smallest_ratio(design(2, 10), 0.0, DEFAULT_POWER) == 1.0


@pytest.mark.parametrize("scheme", [*RECIPES, "paired_t"])
def test_the_launches_for_a_difference_are_the_fewest_that_promise_it(scheme: str) -> None:
    needed = launches_for(design(5, 10, scheme, cells=2), SPREAD, 1.05, DEFAULT_POWER)
    assert needed is not None
    at, below = (smallest_ratio(design(5, n, scheme, cells=2), SPREAD, DEFAULT_POWER) for n in (needed, needed - 1))
    assert at is not None and below is not None
    assert at <= 1.05 < below


def test_a_difference_that_no_campaign_finds_has_no_launches() -> None:
    assert launches_for(design(5, 10), SPREAD, 1.001, DEFAULT_POWER) is None
    assert launches_for(design(2, 10), SPREAD, 3.0, DEFAULT_POWER) == 4
