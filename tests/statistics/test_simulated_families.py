"""The promise in families of machines: equal engines are ordered for certain in at most one campaign of twenty,
whatever disturbs them, and intervals cover.

Five engines and a control at ten launches with the default test; 300 campaigns a family by default, 2,000 with
BENCHMARK_RUNNER_CAMPAIGNS=2000. docs/method.md states what the full check found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.arrays import FloatArray
from benchmark_runner.statistics.estimates import negligible_spread
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.hypotheses import paired_log_ratio
from benchmark_runner.statistics.losses import loss_allowance
from benchmark_runner.statistics.moderated import prior_from
from benchmark_runner.statistics.modes import STEPS_APART, find_modes
from benchmark_runner.statistics.power import FIRST_SHARE
from benchmark_runner.statistics.schemes import DEFAULT_SCHEME, PAIRED_T
from benchmark_runner.statistics.verdicts import Judgement, judge_evidence
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import (
    ALPHA,
    CAMPAIGNS,
    Family,
    bimodal,
    blocks,
    drift,
    heavy_tails,
    lost_at_random,
    lost_when_slow,
    quiet,
    resembling,
    slow_mode,
    slow_tail,
    ticks,
    told,
    unlike_spreads,
)

ENGINES, LAUNCHES = 5, 10
MOST_FALSE: Final = int(stats.binom.ppf(0.99, CAMPAIGNS, ALPHA))
FEWEST_COVERED: Final = int(stats.binom.ppf(0.01, CAMPAIGNS, 1.0 - ALPHA))


def _evidence(own: FloatArray, other: FloatArray) -> Evidence:
    """What weigh() finds, without the exact tests, which do not decide here; a test holds the two together."""
    differences = other - own
    if negligible_spread(differences):
        return Evidence("launches do not vary at all", {}, {})
    return Evidence(
        None, {PAIRED_T: paired_log_ratio(differences)}, {}, sd_of_log_ratios=float(np.std(differences, ddof=1))
    )


def judged(logs: Sequence[FloatArray], *, resolution: float = 0.0, guarded: bool = True) -> list[Judgement]:
    """All pairs of one campaign's engines, given by workload and the control last, as the stage judges them; guarded
    says that modes and losses count."""
    rows = range(len(logs[0]))
    apart: dict[str, float] = {}
    for place in logs if guarded else ():
        values = {str(row): _by_block(place[row]) for row in rows}
        for name, modes in find_modes(values).items():
            if modes.apart > STEPS_APART * resolution:
                apart[name] = max(apart.get(name, 0.0), modes.apart)
    pairs, evidence = [], []
    for place in logs:
        lost = np.isnan(place).mean(axis=1) * guarded
        for a, b in itertools.combinations(rows[:-1], 2):
            own, other = _both(place[b], place[a])
            found = _evidence(own, other)
            one = Pair(
                str(b),
                str(a),
                np.exp(own),
                np.exp(other),
                sign=-1.0,
                share=FIRST_SHARE,
                modes=apart.get(str(a), 0.0) + apart.get(str(b), 0.0),
                losses=loss_allowance(max(lost[a], lost[b]), found.sd_of_log_ratios or 0.0, len(own)),
                resolution=resolution,
            )
            pairs.append(one)
            evidence.append(found)
    controls = [_evidence(*_both(place[-1], place[0])) for place in logs]
    return judge_evidence(pairs, evidence, 1.0 - ALPHA, DEFAULT_SCHEME, prior_from([*evidence, *controls]))


def _both(own: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Launches of two engines in the blocks that both have."""
    shared = ~np.isnan(own) & ~np.isnan(other)
    return own[shared], other[shared]


def _by_block(logs: FloatArray) -> dict[int, float]:
    return {block: math.exp(value) for block, value in enumerate(logs) if not math.isnan(value)}


def certain(found: Sequence[Judgement]) -> bool:
    return any(one.verdict in CERTAIN for one in found)


def false_claims(what: str, workloads: Sequence[FloatArray], **options: float) -> int:
    """Campaigns with a verdict that orders two equal engines."""
    false = sum(certain(judged(one, **options)) for one in zip(*workloads, strict=True))  # type: ignore[arg-type]
    told(what, false)
    return false


def uncorrected(logs: FloatArray) -> int:
    """The negative control: campaigns in which some pair's paired t test alone reaches alpha."""
    least = np.ones(len(logs))
    for a, b in itertools.combinations(range(ENGINES), 2):
        p = stats.ttest_rel(logs[:, a], logs[:, b], axis=1, nan_policy="omit").pvalue
        least = np.minimum(least, p)
    return int(np.sum(least <= ALPHA))


FAMILIES: Final[dict[str, Family]] = {
    "quiet": quiet,
    "unlike spreads, 1 to 10 %": unlike_spreads,
    "t with 3 degrees of freedom": heavy_tails,
    "every engine bimodal": bimodal,
    "one engine 8 % slower in a third": lambda rng, shape: quiet(rng, shape) + slow_mode(rng, shape, 1.08, 1 / 3),
    "one engine 15 % slower in a fifth": lambda rng, shape: quiet(rng, shape) + slow_mode(rng, shape, 1.15, 1 / 5),
    "one engine with an exponential tail": lambda rng, shape: quiet(rng, shape) + slow_tail(rng, shape),
    "blocks that vary by 10 %": blocks,
    "drift of 10 %": drift,
    "launches correlated by 0.9": resembling,
    "launches lost at random": lost_at_random,
    "one engine's slower half lost": lost_when_slow,
    "a clock of 1 ms": lambda rng, shape: ticks(quiet(rng, shape), 1.0),
    "a clock of 15.6 ms": lambda rng, shape: ticks(quiet(rng, shape), 15.6),
}
UNBIASED: Final = [name for name in FAMILIES if "slower half" not in name]


@cache
def campaigns(name: str) -> tuple[FloatArray, tuple[tuple[Judgement, ...], ...]]:
    """The launches of a family and the judgements of each of its campaigns."""
    logs = FAMILIES[name](np.random.default_rng(211), (CAMPAIGNS, ENGINES + 1, LAUNCHES))
    return logs, tuple(tuple(judged([one], resolution=RESOLUTIONS.get(name, 0.0))) for one in logs)


RESOLUTIONS: Final = {"a clock of 1 ms": 1.0 / 200.0, "a clock of 15.6 ms": 15.6 / 200.0}


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_engines_are_ordered_in_one_campaign_of_twenty_at_most(name: str) -> None:
    logs, found = campaigns(name)
    false = sum(map(certain, found))
    told(f"{name}, campaigns with a verdict that is certain", false)
    assert false <= MOST_FALSE
    assert uncorrected(logs) > 2 * MOST_FALSE, "the check has no teeth"


@pytest.mark.parametrize("name", UNBIASED)
def test_plain_and_simultaneous_intervals_cover_equal_engines(name: str) -> None:
    _, found = campaigns(name)
    # A coarse clock may show no spread in a pair, which then has no interval.
    plain = sum(one[0].ratio is None or one[0].ratio.holds_1 for one in found)
    together = sum(
        all(pair.comparison is None or pair.comparison.simultaneous.holds_1 for pair in campaign) for campaign in found
    )
    told(f"{name}, intervals of one ratio that cover it", plain)
    told(f"{name}, simultaneous intervals that cover all ratios", together)
    assert plain >= FEWEST_COVERED and together >= CAMPAIGNS - MOST_FALSE


def test_the_verdicts_here_are_those_of_the_stage() -> None:
    logs = quiet(np.random.default_rng(7), (20, ENGINES + 1, LAUNCHES)) + np.linspace(0.0, 0.1, ENGINES + 1)[:, None]
    for one in logs:
        found = judged([one])
        whole = [weigh(judgement.pair, 1.0 - ALPHA) for judgement in found]
        control = weigh(Pair("control", "0", np.exp(one[-1]), np.exp(one[0]), sign=-1.0), 1.0 - ALPHA)
        pairs, prior = [judgement.pair for judgement in found], prior_from([*whole, control])
        again = judge_evidence(pairs, whole, 1.0 - ALPHA, DEFAULT_SCHEME, prior)
        assert [judgement.outcome for judgement in found] == [judgement.outcome for judgement in again]
        assert [judgement.p_holm for judgement in found] == pytest.approx([judgement.p_holm for judgement in again])


def _steady_machine(rng: np.random.Generator, factor: float, share: float) -> list[FloatArray]:
    """Two workloads on a machine whose launches vary by 1 %, in which a mode is as large as all other noise."""
    shape = (CAMPAIGNS, ENGINES + 1, LAUNCHES)
    return [quiet(rng, shape, launch_sd=0.01, iterations=10) + slow_mode(rng, shape, factor, share) for _ in range(2)]


@pytest.mark.parametrize(("factor", "share"), [(1.08, 1 / 3), (1.15, 1 / 5)])
def test_a_slow_mode_on_a_steady_machine_makes_hardly_a_false_claim(factor: float, share: float) -> None:
    logs = _steady_machine(np.random.default_rng(223), factor, share)
    what = f"one engine {factor - 1.0:.0%} slower in {share:.0%} of launches that vary by 1 %"
    assert false_claims(what, logs) <= int(stats.binom.ppf(0.99, CAMPAIGNS, 0.06))


def test_a_slow_mode_that_nobody_heeds_fails_the_same_check() -> None:
    """The negative control."""
    logs = _steady_machine(np.random.default_rng(223), 1.15, 1 / 5)
    assert false_claims("a slow mode that nobody heeds", logs, guarded=False) > int(
        stats.binom.ppf(0.99, CAMPAIGNS, 0.06)
    )


def test_hardly_a_quiet_engine_is_said_to_have_modes_and_most_slow_modes_are_found() -> None:
    rng = np.random.default_rng(227)
    shape = (CAMPAIGNS, ENGINES + 1, 20)
    still = quiet(rng, shape)
    slow = quiet(rng, shape, launch_sd=0.01, iterations=10) + slow_mode(rng, shape, 1.15, 1 / 5)
    named = [
        [find_modes({str(row): _by_block(one[row]) for row in range(ENGINES + 1)}) for one in logs]
        for logs in (still, slow)
    ]
    false = sum(map(len, named[0]))
    found = sum("0" in one for one in named[1])
    told("engines of quiet campaigns said to have modes, of six each", false)
    told("engines 15 % slower in a fifth of 20 launches whose modes are found", found)
    assert false <= 0.01 * CAMPAIGNS * (ENGINES + 1) and found >= 0.9 * CAMPAIGNS


def test_looking_for_modes_costs_hardly_a_true_difference() -> None:
    """One of five engines is slower by what ten launches find in four of five campaigns."""
    logs = quiet(np.random.default_rng(231), (CAMPAIGNS, ENGINES + 1, LAUNCHES))
    logs[:, 1] += math.log(1.08)
    found = {
        guarded: sum(
            one.verdict in CERTAIN and one.faster != "1"
            for campaign in logs
            for one in judged([campaign], guarded=guarded)
            if "1" in (one.pair.engine, one.pair.reference)
        )
        for guarded in (True, False)
    }
    print(f"of {4 * CAMPAIGNS} true differences found: {found[True]}, if nobody looked for modes {found[False]}")
    assert found[True] >= 0.98 * found[False] > 0.0


@pytest.mark.parametrize("launches", [7, 20])
def test_survivors_are_hardly_ever_said_to_be_faster(launches: int) -> None:
    logs = lost_when_slow(np.random.default_rng(229), (CAMPAIGNS, ENGINES + 1, launches))
    what = f"the slower half of {launches} launches lost"
    assert false_claims(what, [logs]) <= MOST_FALSE


def test_survivors_at_their_face_value_fail_the_same_check() -> None:
    """The negative control."""
    logs = lost_when_slow(np.random.default_rng(229), (CAMPAIGNS, ENGINES + 1, 20))
    assert false_claims("the slower half lost and nobody heeds it", [logs], guarded=False) > 2 * MOST_FALSE


@pytest.mark.parametrize("ratio", [1.019, 1.02, 1.021])
def test_claims_at_the_margin_are_rare_on_its_wrong_side(ratio: float) -> None:
    """Two engines alone, and so many launches that about half of the point estimates lie on the wrong side."""
    rng = np.random.default_rng(233)
    logs = quiet(rng, (CAMPAIGNS, 3, 20), launch_sd=0.01, iterations=10)
    logs[:, 1] += math.log(ratio)
    found = [judged([one])[0] for one in logs]
    beyond = sum(one.verdict == "meaningfully_faster" for one in found)
    equal = sum(bool(one.equivalent) for one in found)
    told(f"claims beyond the margin at {ratio}", beyond)
    told(f"claims of equivalence at {ratio}", equal)
    points = sum(one.ratio is not None and one.ratio.point > 1.0 / 1.02 for one in found)
    told(f"point estimates within the margin at {ratio}, which must fail", points)
    assert ratio > 1.02 or beyond <= MOST_FALSE
    assert ratio < 1.02 or equal <= MOST_FALSE < points


@pytest.mark.parametrize("step_ms", [1.0, 15.6])
def test_a_coarse_clock_shows_no_equivalence_that_is_not_there(step_ms: float) -> None:
    """Engines that differ by 2.1 % of 300 ms, on a machine so quiet that 15.6 ms often round both to the same step."""
    rng = np.random.default_rng(239)
    logs = quiet(rng, (CAMPAIGNS, 3, 20), launch_sd=0.005, iteration_sd=0.0)
    logs[:, 1] += math.log(1.021)
    rounded = ticks(logs + rng.uniform(0.0, 0.1, (CAMPAIGNS, 1, 1)), step_ms, 300.0)
    varying = [one for one in rounded if np.ptp(one[1] - one[0]) > 0.0]
    equal = sum(bool(judged([one], resolution=step_ms / 300.0)[0].equivalent) for one in varying)
    unheeded = sum(bool(judged([one], guarded=False)[0].equivalent) for one in varying)
    told(f"equivalence at 1.021 by a clock of {step_ms} ms", equal)
    told(f"… if nobody heeds its steps (of {len(varying)} that vary)", unheeded)
    assert equal <= MOST_FALSE
    assert step_ms < 10.0 or unheeded > 2 * MOST_FALSE, "the check has no teeth"
