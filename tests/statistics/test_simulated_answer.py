"""The leading group holds the truly best engines in 19 campaigns of 20, however many of them are equally good.

Five engines and a control at ten launches; 300 campaigns a family by default, BENCHMARK_RUNNER_CAMPAIGNS=2000 is the
full check.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from benchmark_runner.arrays import FloatArray
from benchmark_runner.performance.ranking import standing
from benchmark_runner.statistics.evidence import Evidence, Pair
from benchmark_runner.statistics.hypotheses import paired_log_ratio
from benchmark_runner.statistics.moderated import prior_from
from benchmark_runner.statistics.power import FIRST_SHARE
from benchmark_runner.statistics.results import Cell, Results
from benchmark_runner.statistics.schemes import DEFAULT_SCHEME, PAIRED_T
from benchmark_runner.statistics.verdicts import Judgement, judge_evidence
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, blocks, told

LAUNCHES = 10
FAMILIES = {
    0: (1.0, 1.01, 1.03, 1.1, 1.3),
    1: (1.0, 1.0, 1.03, 1.1, 1.3),
    3: (1.0, 1.0, 1.0, 1.0, 1.3),
}
"""Times of the engines over that of the best, by the number of true ties with it."""


class Judged(Results):
    """What a ranking asks of results, from judgements of simulated launches."""

    def __init__(self, points: Sequence[float], found: Sequence[Judgement]) -> None:
        self._points = {str(name): point for name, point in enumerate(points)}
        self._beats = {
            (one.faster, one.pair.engine if one.faster == one.pair.reference else one.pair.reference)
            for one in found
            if one.verdict in CERTAIN
        }

    @property
    def engines(self) -> dict[str, Mapping[str, Any]]:
        return {name: {"lost_launches": None} for name in self._points}

    def unranked(self, *_: Any) -> dict[str, str]:
        return {}

    def point(self, engine: str, *_: Any) -> float | None:
        return self._points[engine]

    def is_faster(self, a: str, b: str, *_: Any) -> bool:
        return (a, b) in self._beats


def evidence(own: FloatArray, other: FloatArray) -> Evidence:
    found = paired_log_ratio(other - own)
    return Evidence(None, {PAIRED_T: found}, {}, sd_of_log_ratios=found.standard_error * math.sqrt(found.n))


def leading(logs: FloatArray) -> list[str]:
    """The leading group of a campaign's launches (engine, block), the control last; the best point first."""
    pairs, seen = [], []
    for a, b in itertools.combinations(range(len(logs) - 1), 2):
        pairs.append(Pair(str(b), str(a), np.exp(logs[b]), np.exp(logs[a]), sign=-1.0, share=FIRST_SHARE))
        seen.append(evidence(logs[b], logs[a]))
    prior = prior_from([*seen, evidence(logs[-1], logs[0])])
    found = judge_evidence(pairs, seen, 1.0 - ALPHA, DEFAULT_SCHEME, prior)
    return standing(Judged(logs[:-1].mean(axis=1), found), Cell("chat", "case_1")).leading


def campaigns(ties: int) -> list[list[str]]:
    rng = np.random.default_rng(1700 + ties)
    logs = blocks(rng, (CAMPAIGNS, 6, LAUNCHES)) + np.log([*FAMILIES[ties], 1.0])[None, :, None]
    return [leading(one) for one in logs]


@pytest.mark.parametrize("ties", FAMILIES)
def test_the_leading_group_holds_the_truly_best(ties: int) -> None:
    best = {str(name) for name in range(ties + 1)}
    groups = campaigns(ties)
    without = sum(not best <= set(group) for group in groups)
    told(f"leading group without a truly best engine, {ties} ties", without)
    print(f"leading group, {ties} ties: {np.mean([len(group) for group in groups]):.1f} of 5 engines")
    assert without <= MOST_FALSE_POSITIVES
    assert np.mean([len(group) for group in groups]) < 5.0, "a group of all engines would hold the best as well"


def test_the_engine_that_merely_looks_best_fails_the_same_check() -> None:
    """The negative control."""
    missed = sum(group[0] != "0" for group in campaigns(0))
    told("the first by its point is not the best, which must fail", missed)
    assert missed > 2 * MOST_FALSE_POSITIVES
