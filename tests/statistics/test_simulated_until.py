"""Until decided: groups of launches, a look after each, what is decided left out of the next, and alpha kept.

300 campaigns by default; BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.evidence import Evidence, Pair
from benchmark_runner.statistics.hypotheses import paired_log_ratio
from benchmark_runner.statistics.moderated import prior_from
from benchmark_runner.statistics.planned import GIVE_UP_BELOW, PlannedLook, planned_looks
from benchmark_runner.statistics.schemes import PAIRED_T, SCHEMES
from benchmark_runner.statistics.until import chance_to_decide
from benchmark_runner.statistics.verdicts import Judgement, judge_evidence
from benchmark_runner.statistics.wording import CERTAIN, EQUIVALENCE_MARGIN, SHOWN
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, told

SCHEME = SCHEMES["moderated_t"]
AT_MOST = 20


def launches(
    rng: np.random.Generator,
    ratios: Sequence[float],
    cvs: Sequence[float],
    *,
    blocks: float = 0.0,
    number: int = AT_MOST,
) -> FloatArray:
    """Launch values (engine, block); engines are so many times as slow as the first one."""
    level = rng.normal(0.0, blocks, number)[None, :] + np.log(ratios)[:, None]
    return np.exp(level + rng.normal(0.0, 1.0, (len(ratios), number)) * np.array(cvs)[:, None])


@dataclass
class Ended:
    """What a campaign until decided came to: its judgements by pair, and the launches of each engine."""

    judged: dict[tuple[int, int], Judgement]
    launches: list[int]

    def false(self, ratios: Sequence[float]) -> bool:
        """Whether equal engines were told apart, or unlike ones called equivalent."""
        return any(
            one.verdict in CERTAIN
            if ratios[a] == ratios[b]
            else one.verdict == "equivalent" and not _alike(ratios, a, b)
            for (a, b), one in self.judged.items()
        )


def _alike(ratios: Sequence[float], a: int, b: int) -> bool:
    return abs(math.log(ratios[b] / ratios[a])) <= math.log1p(EQUIVALENCE_MARGIN)


def _evidence(pair: Pair) -> Evidence:
    found = paired_log_ratio(np.log(pair.reference_values / pair.values))
    return Evidence(None, {PAIRED_T: found}, {}, sd_of_log_ratios=found.standard_error * math.sqrt(found.n))


def until_decided(
    values: FloatArray, looks: Sequence[PlannedLook], share: Callable[[PlannedLook], float] = lambda look: look.share
) -> Ended:
    """One campaign: engines (the last one the control) leave when no comparison needs them any more."""
    engines = range(len(values) - 1)
    ended = Ended({}, [looks[0].launches] * len(values))
    standing: dict[tuple[int, int], Judgement] = {}
    for look, following in itertools.zip_longest(looks, looks[1:]):
        pairs = {}
        for a, b in itertools.combinations(engines, 2):
            seen = min(ended.launches[a], ended.launches[b])
            sides = values[b, :seen], values[a, :seen]
            settled = (a, b) in standing and standing[a, b].verdict in CERTAIN
            pairs[a, b] = Pair(str(b), str(a), *sides, sign=-1.0, share=share(look), settled=settled)
        evidence = [_evidence(pair) for pair in pairs.values()]
        twins = ended.launches[-1]
        control = _evidence(Pair("control", "0", values[-1, :twins], values[0, :twins], sign=-1.0))
        prior = prior_from([*evidence, control])
        judged = dict(
            zip(pairs, judge_evidence(list(pairs.values()), evidence, 1.0 - ALPHA, SCHEME, prior), strict=True)
        )
        judged |= standing
        standing |= {at: one for at, one in judged.items() if one.verdict in SHOWN}
        ended.judged = judged
        told_apart = sum(one.verdict in CERTAIN for one in judged.values())
        wanted = {
            engine
            for at, one in judged.items()
            if at not in standing
            and chance_to_decide(one, looks[-1].launches, ALPHA * looks[-1].share, len(pairs) - told_apart)
            >= GIVE_UP_BELOW
            for engine in at
        }
        if following is None or not wanted:
            return ended
        for engine in {*wanted, 0, len(values) - 1}:
            ended.launches[engine] = following.launches
    return ended


FAMILIES = {
    "all equal": ([1.0] * 6, [0.04] * 6, 0.0),
    "all equal, two engines": ([1.0] * 3, [0.04] * 3, 0.0),
    "one engine slower by 5 %": ([1.0, 1.0, 1.0, 1.0, 1.05, 1.0], [0.04] * 6, 0.0),
    "blocks of 10 %": ([1.0, 1.0, 1.0, 1.0, 1.3, 1.0], [0.04] * 6, 0.10),
    "CVs of 1 to 10 %": ([1.0] * 6, [0.01, 0.02, 0.04, 0.07, 0.10, 0.01], 0.0),
}


def campaigns(family: str) -> list[tuple[Sequence[float], FloatArray]]:
    ratios, cvs, blocks = FAMILIES[family]
    rng = np.random.default_rng(sum(map(ord, family)))
    return [(ratios, launches(rng, ratios, cvs, blocks=blocks)) for _ in range(CAMPAIGNS)]


def looks_for(engines: int) -> tuple[PlannedLook, ...]:
    return planned_looks(math.comb(engines, 2), AT_MOST, ALPHA, SCHEME.second, SCHEME.fewest)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_looks_together_are_wrong_no_more_often_than_one_may_be(family: str) -> None:
    made = campaigns(family)
    looks = looks_for(len(made[0][0]) - 1)
    found = [until_decided(values, looks) for _, values in made]
    wrong = sum(one.false(ratios) for one, (ratios, _) in zip(found, made, strict=True))
    told(f"until decided, {family}: wrong", wrong)
    print(f"until decided, {family}: {np.mean([one.launches[:-1] for one in found]):.1f} of {AT_MOST} launches")
    assert wrong <= MOST_FALSE_POSITIVES


def test_all_of_alpha_at_every_look_fails_the_same_check() -> None:
    """The negative control."""
    made = campaigns("all equal, two engines")
    found = [until_decided(values, looks_for(2), share=lambda _: 1.0) for _, values in made]
    assert sum(one.false(ratios) for one, (ratios, _) in zip(found, made, strict=True)) > 1.5 * MOST_FALSE_POSITIVES


@pytest.mark.parametrize(
    ("ratios", "launches_needed", "most"),
    [((1.0, 1.1, 1.3, 1.6, 2.5), 5.0, 7.0), ((1.0, 1.05, 1.1, 1.15, 1.2), 10.0, 17.8)],
)
def test_unlike_engines_are_decided_with_fewer_launches_as_surely(
    ratios: Sequence[float], launches_needed: float, most: float
) -> None:
    rng = np.random.default_rng(5)
    looks, fixed = looks_for(len(ratios)), [PlannedLook(AT_MOST, 0.8)]
    used, decided, at_once = [], [], []
    for _ in range(CAMPAIGNS):
        values = launches(rng, [*ratios, 1.0], [0.04] * (len(ratios) + 1), blocks=0.04)
        ended = until_decided(values, looks)
        used.append(np.mean(ended.launches[:-1]))
        decided += [one.verdict in CERTAIN for one in ended.judged.values()]
        at_once += [one.verdict in CERTAIN for one in until_decided(values, fixed).judged.values()]
    print(
        f"until decided, ratios {ratios}: {np.mean(used):.1f} of {AT_MOST} launches, {np.mean(decided):.1%} of pairs "
        f"told apart; all {AT_MOST} at once {np.mean(at_once):.1%}"
    )
    assert launches_needed <= np.mean(used) <= most
    assert np.mean(decided) >= np.mean(at_once) - 0.05


def test_what_cannot_be_decided_is_given_up_early_and_seldom_in_error() -> None:
    rng = np.random.default_rng(6)
    found = {1.0: [], 1.05: []}
    without = []
    for ratio, ended in found.items():
        for _ in range(CAMPAIGNS):
            values = launches(rng, [1.0, ratio, 1.0], [0.04] * 3)
            ended.append(until_decided(values, looks_for(2)))
            if ratio > 1.0:
                every = replace(until_decided(values, [PlannedLook(AT_MOST, 0.8)]))
                without.append(every.judged[0, 1].verdict in CERTAIN)
    equal = np.mean([one.launches[0] for one in found[1.0]])
    power = np.mean([one.judged[0, 1].verdict in CERTAIN for one in found[1.05]])
    print(
        f"equal engines are given up after {equal:.1f} of {AT_MOST} launches; 5 % found {power:.1%}, "
        f"at once {np.mean(without):.1%}"
    )
    assert equal < 0.8 * AT_MOST
    assert power >= np.mean(without) - 0.10
