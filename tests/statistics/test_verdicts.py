"""Verdicts: when one may be given, when none, and that nothing odd ever ends in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import Judgement, decide, family_tests, judge_family
from benchmark_runner.statistics.wording import CERTAIN


def _pair(values: Sequence[float], reference: Sequence[float], **options: object) -> Pair:
    return Pair("fast", "slow", np.array(values, float), np.array(reference, float), sign=-1.0, **options)  # type: ignore[arg-type]


def _judge(values: Sequence[float], reference: Sequence[float], **options: object) -> Judgement:
    return judge_family([_pair(values, reference, **options)], 0.95)[0]


def _judge_by(scheme: str, *pairs: Pair, level: float = 0.95) -> list[Judgement]:
    return judge_family(pairs, level, SCHEMES[scheme])


BASE = [100.0, 102.0, 99.0, 101.0, 100.5, 98.5, 101.5, 100.2]
WOBBLE = [1.0, 1.002, 0.998, 1.001, 0.999, 1.0015, 0.9985, 1.0005]


def _times(ratio: float, launches: int = 8) -> list[float]:
    """Latencies that make the engine `ratio` times as fast as BASE, give or take 0.2 %."""
    return [base * wobble / ratio for base, wobble in zip(BASE, WOBBLE, strict=True)][:launches]


def test_a_clear_difference_beyond_the_margin_is_meaningful() -> None:
    found = _judge(_times(2.0), BASE)
    assert (found.verdict, found.faster) == ("meaningfully_faster", "fast")
    assert found.ratio is not None and found.ratio.point == pytest.approx(2.0, rel=1e-3)
    assert (found.evidence.cliffs_delta, found.reason) == (1.0, None)
    assert found.evidence.hedges_g is not None and found.evidence.hedges_g > 10
    assert found.evidence.shift is not None and found.evidence.shift < -40


def test_the_slower_engine_names_the_reference() -> None:
    found = _judge(_times(0.5), BASE)
    assert (found.verdict, found.faster) == ("meaningfully_faster", "slow")
    assert found.ratio is not None and found.ratio.point == pytest.approx(0.5, rel=1e-3)
    assert found.evidence.cliffs_delta == -1.0


def test_higher_is_better_turns_the_ratio_round() -> None:
    pair = replace(_pair(_times(0.5), BASE), sign=1.0)
    found = judge_family([pair], 0.95)[0]
    assert found.ratio is not None and found.ratio.point == pytest.approx(2.0, rel=1e-3)
    assert found.faster == "fast"


def test_a_sure_but_small_difference_is_confirmed_and_equivalent_at_once() -> None:
    quiet = [100.0 + 0.01 * number for number in range(8)]
    found = _judge([value / 1.01 * wobble**0.1 for value, wobble in zip(quiet, WOBBLE, strict=True)], quiet)
    assert (found.verdict, found.faster, found.equivalent) == ("confirmed_faster", "fast", True)


def test_engines_within_the_margin_are_equivalent() -> None:
    found = _judge(_times(1.0005), BASE)
    assert (found.verdict, found.faster, found.equivalent) == ("equivalent", None, True)


def test_a_difference_that_only_pairs_show_is_confirmed_where_the_level_of_blocks_is_known() -> None:
    # Blocks vary by half, the engine gains 3 % in each: pairs see it, ranks only without what blocks have in common.
    blocks = np.array([1.5 ** (number % 4) for number in range(8)])
    pair = _pair(100.0 * blocks / 1.03 * np.array(WOBBLE), 100.0 * blocks * np.array(WOBBLE[::-1]))
    (known,) = _judge_by("mann_whitney_u", replace(pair, block_levels=np.log(blocks)))
    assert (known.verdict, known.faster) == ("meaningfully_faster", "fast")
    assert known.p_bonferroni["mann_whitney_u"] == pytest.approx(2 / math.comb(16, 8))
    (found,) = _judge_by("mann_whitney_u", pair)
    assert (found.verdict, found.faster) == ("significant_unconfirmed", "fast")
    assert found.p_holm is not None and found.p_holm < 0.05
    assert found.p_bonferroni["mann_whitney_u"] > 0.05


def test_noise_is_inconclusive() -> None:
    found = _judge([90, 110, 95, 105, 80, 120, 99, 101], [110, 90, 105, 96, 121, 79, 102, 98])
    assert (found.verdict, found.faster, found.equivalent) == ("inconclusive", None, False)


@pytest.mark.parametrize("launches", [0, 1, 2])
def test_hardly_any_launches_are_untestable(launches: int) -> None:
    found = _judge(_times(2.0, launches), BASE[:launches])
    assert (found.verdict, found.faster) == ("untestable", None)
    assert found.reason is not None and "launch" in found.reason


def test_three_launches_cannot_reach_significance_but_have_an_interval() -> None:
    (found,) = _judge_by("mann_whitney_u", _pair(_times(2.0, 3), BASE[:3]))
    assert found.verdict == "untestable"
    assert found.reason == "too few launches: 3 cannot reach significance over 1 comparison, 4 can"
    assert found.ratio is not None and found.ratio.low > 1.5


def test_four_launches_are_the_fewest_for_one_pair() -> None:
    (found,) = _judge_by("mann_whitney_u", _pair(_times(2.0, 4), BASE[:4]))
    assert found.verdict == "meaningfully_faster"


def test_a_larger_family_needs_more_launches() -> None:
    pairs = [_pair(_times(2.0, 5), BASE[:5]) for _ in range(10)]
    assert {one.verdict for one in _judge_by("mann_whitney_u", *pairs)} == {"untestable"}
    assert {one.verdict for one in _judge_by("mann_whitney_u", *pairs[:2])} == {"meaningfully_faster"}


@pytest.mark.parametrize("paired", [True, False])
def test_launches_without_any_spread_are_untestable_but_have_their_ratio(paired: bool) -> None:
    found = _judge([50.0] * 5, [100.0] * 5, paired=paired)
    assert found.verdict == "untestable"
    assert found.reason is not None and "do not vary" in found.reason
    assert found.ratio is not None and found.ratio.point == 2.0


def test_the_same_ratio_in_every_block_is_no_spread_either() -> None:
    assert _judge([value / 3 for value in BASE], BASE).verdict == "untestable"


def test_all_launches_equal_on_both_sides_are_untestable() -> None:
    assert _judge([7.0] * 8, [7.0] * 8).verdict == "untestable"


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -3.0])
def test_values_that_are_no_times_are_untestable(bad: float) -> None:
    found = _judge([bad, *_times(2.0)[1:]], BASE)
    assert found.verdict == "untestable"
    assert found.reason is not None and ("not a number" in found.reason or "not positive" in found.reason)
    assert (found.ratio, found.evidence.cliffs_delta, found.evidence.hedges_g) == (None, None, None)


def test_an_excluded_pair_has_estimates_but_no_verdict_and_no_place_in_the_family() -> None:
    excluded = _pair(_times(2.0), BASE, excluded="ran on another device")
    sound = _pair(_times(2.0), BASE)
    assert family_tests([excluded, sound]) == 1
    first, second = judge_family([excluded, sound], 0.95)
    assert (first.verdict, first.reason) == ("untestable", "ran on another device")
    assert first.ratio is not None and first.p_holm is None
    assert second.p_bonferroni["mann_whitney_u"] == pytest.approx(2 / math.comb(16, 8))


def test_a_pair_with_a_side_that_never_ran_leaves_the_family() -> None:
    pairs = [_pair([], BASE), _pair(_times(2.0), BASE)]
    assert family_tests(pairs) == 1
    assert judge_family(pairs, 0.95)[0].reason == "no launch of fast ended ok here with a value"


def test_a_measured_but_untestable_pair_stays_in_the_family() -> None:
    pairs = [_pair([50.0] * 8, [100.0] * 8), _pair(_times(2.0), BASE)]
    assert family_tests(pairs) == 2
    found = judge_family(pairs, 0.95)[1]
    assert found.comparison is not None and found.p_holm == pytest.approx(2 * found.comparison.test.p)
    assert found.comparison.simultaneous.level == pytest.approx(0.975)


def test_unequal_numbers_of_launches_are_compared_unpaired() -> None:
    found = _judge(_times(2.0), BASE[:5], paired=False)
    assert found.verdict == "meaningfully_faster"
    assert found.comparison is not None and found.comparison.test.method.startswith("Welch")


def test_the_level_of_confidence_decides() -> None:
    reference, values = BASE[:5], [100.2, 99.0, 98.0, 99.5, 98.0]
    pair = _pair(values, reference)
    strict, lax = (_judge_by("mann_whitney_u", pair, level=level)[0] for level in (0.999, 0.5))
    assert strict.verdict == "untestable"
    assert lax.verdict in (*CERTAIN, "significant_unconfirmed", "equivalent")


@pytest.mark.parametrize(
    ("t", "u", "same", "beyond", "equivalent", "expected"),
    [
        (True, True, True, True, False, "meaningfully_faster"),
        (True, True, True, False, False, "confirmed_faster"),
        (True, True, True, False, True, "confirmed_faster"),
        (True, True, False, True, False, "significant_unconfirmed"),
        (True, False, True, True, False, "significant_unconfirmed"),
        (False, True, True, False, False, "significant_unconfirmed"),
        (True, False, True, False, True, "equivalent"),
        (False, False, True, False, True, "equivalent"),
        (False, False, True, False, False, "inconclusive"),
    ],
)
def test_the_table_of_verdicts(t: bool, u: bool, same: bool, beyond: bool, equivalent: bool, expected: str) -> None:
    found = decide(t_significant=t, u_significant=u, same_direction=same, beyond_margin=beyond, equivalent=equivalent)
    assert found == expected


def test_an_empty_family_is_judged_empty() -> None:
    assert judge_family([], 0.95) == []


@pytest.mark.parametrize("ratio", [2.0, 1.0])
def test_passes_of_a_server_that_was_not_restarted_show_nothing_for_certain(ratio: float) -> None:
    sure, hint = _judge(_times(ratio), BASE), _judge(_times(ratio), BASE, passes=("fast",))
    assert sure.verdict in ("meaningfully_faster", "equivalent")
    assert hint.verdict == ("significant_unconfirmed" if ratio > 1 else "inconclusive")
    assert (hint.faster, hint.ratio) == (sure.faster, sure.ratio)
