"""What a design can find before anything is measured: reachable significance and detectable ratios.

numpy and scipy are imported inside the functions that need them, so that a stage which only asks for the
fewest launches starts at once.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Final, Literal

SecondTest = Literal["mann_whitney_u", "permutation"]
"""Exact test that must agree with the t test."""
MANN_WHITNEY: Final = "mann_whitney_u"
PERMUTATION: Final = "permutation"

FEWEST_LAUNCHES: Final = 3
"""Two differences have one degree of freedom: their 95 % interval reaches nine standard deviations to either side."""

DEFAULT_ALPHA: Final = 0.05
DEFAULT_POWER: Final = 0.80
"""Chosen: the usual promise; one true difference in five of exactly the stated size is missed."""

MOST_VALUES_COUNTED: Final = 32
"""Chosen: to count more values as they are would take seconds. Signs of more are counted after rounding, exchanges of
labels are drawn."""

ARRANGEMENTS_DRAWN: Final = 9_999
"""With the one observed 10,000, so that p is 2e-4 or more (Phipson & Smyth 2010, Stat. Appl. Genet. 9, 39)."""

FIRST_SHARE: Final = 0.8
"""Share of alpha that the first look may spend. Chosen: it costs a campaign of ten launches less than one launch, and
leaves 0.005 of the usual 0.05 to a second look and half as much to each further one."""

MOST_LAUNCHES_SEARCHED: Final = 1000
"""Chosen: beyond this a campaign takes days, and the answer 'more than that' is as good as the number."""

LARGEST_LOG_RATIO: Final = math.log(100.0)
"""Chosen: a difference above 100 times needs no power calculation."""

NORMAL_REACH: Final = 9.0
"""Standard deviations that the quadrature covers; the mass beyond is 2e-19."""

QUADRATURE_POINTS: Final = 4001
"""Steps of 0.0045: error below 1e-5 at 2 launches (the integrand has a kink there), below 1e-9 from 4 on."""

SMOOTH_DF: Final = range(40, 501)
"""Where a tenth of the points gives the same to a double's last digit; ten thousand comparisons ask for it. Beyond, the
integrand becomes a step between two of the points: at 5,000 degrees of freedom they would be wrong by 1e-4."""


def share_of_alpha(look: int) -> float:
    """Share of alpha that this look at a campaign, counted from 1, may spend.

    Whoever looks, adds launches and looks again has two chances to be wrong. So the first look may spend FIRST_SHARE,
    and each further one half of what is left: 0.8, 0.1, 0.05, 0.025 … of alpha, together never more than all of it,
    however often one looks and however the launches to be added were chosen (Bonferroni over looks; spending alpha over
    looks is the idea of Lan & DeMets 1983, Biometrika 70, 659-663).
    """
    return FIRST_SHARE if look == 1 else (1.0 - FIRST_SHARE) * 0.5 ** (look - 1)


def smallest_p(
    launches_a: int, launches_b: int, second: SecondTest | None = MANN_WHITNEY, *, paired: bool = True
) -> float:
    """Smallest two-sided p that the test beside the t test can give; 0 where there is none, 1 where a sample is empty.

    Exact Mann-Whitney without ties, and the exchange of labels: complete separation is 2 of the C(a + b, a) equally
    likely orders. Flipping signs within blocks: 2 of 2^n. These are counted in whole numbers, which no number of
    launches is too large for; a p below what a double holds is 0.
    """
    if launches_a < 1 or launches_b < 1:
        return 1.0
    if second is None:
        return 0.0
    blocks = second == PERMUTATION and paired
    values = min(launches_a, launches_b) if blocks else launches_a + launches_b
    arrangements = 2**values if blocks else math.comb(values, launches_a)
    drawn = second == PERMUTATION and not paired and values > MOST_VALUES_COUNTED
    return min(1.0, 2 / (ARRANGEMENTS_DRAWN + 1) if drawn else 2 / arrangements)


def can_reach(
    launches_a: int,
    launches_b: int,
    tests: int,
    alpha: float = DEFAULT_ALPHA,
    second: SecondTest | None = MANN_WHITNEY,
    *,
    paired: bool = True,
) -> bool:
    """Whether the test beside the t test, with Bonferroni over `tests`, can fall to alpha at these launches."""
    return smallest_p(launches_a, launches_b, second, paired=paired) * max(tests, 1) <= alpha


def fewest_launches(tests: int, alpha: float = DEFAULT_ALPHA, second: SecondTest | None = MANN_WHITNEY) -> int:
    """Fewest launches an engine at which a verdict over `tests` comparisons can reach alpha.

    The exact test beside the t test sets it; never below FEWEST_LAUNCHES. Raises ValueError unless tests >= 1 and
    0 < alpha < 1.
    """
    if tests < 1 or not 0.0 < alpha < 1.0:
        raise ValueError(f"tests {tests} must be at least 1 and alpha {alpha} between 0 and 1")
    launches = FEWEST_LAUNCHES
    while not can_reach(launches, launches, tests, alpha, second):
        launches += 1
    return launches


def family_size(engines: int, cells: int) -> int:
    """Comparisons in the primary family: all pairs of engines (control excluded) in each cell.

    A cell is a test case of a workload."""
    return math.comb(max(engines, 0), 2) * max(cells, 0)


def log_sd(cv: float) -> float:
    """Standard deviation of the logarithm of a log-normal quantity with this CV (0.04 = 4 %)."""
    return math.sqrt(math.log1p(cv * cv))


def paired_t_power(
    log_ratio: float, sd_of_differences: float, launches: int, alpha: float, further_df: float = 0.0
) -> float:
    """Power of a two-sided paired t test on log ratios.

    further_df are degrees of freedom of its variance beside those of the launches, as other pairs give them.
    """
    return t_power(log_ratio / sd_of_differences * math.sqrt(launches), launches - 1 + further_df, alpha)


def t_power(noncentrality: float, df: float, alpha: float) -> float:
    """Power of a two-sided t test, by quadrature over the normal numerator.

    P(|Z + d| > t s) with s^2 chi-square over its degrees of freedom, so it is the mean over Z of the
    chi-square distribution function at df (Z + d)^2 / t^2. The same quantity as statsmodels' TTestPower (a
    test compares them), which answers nan for many effects at a campaign's small n and alpha.
    """
    import numpy as np
    from scipy.special import chdtr, stdtrit

    critical = float(stdtrit(df, 1.0 - alpha / 2.0))
    steps = (QUADRATURE_POINTS - 1) // (10 if SMOOTH_DF[0] <= df <= SMOOTH_DF[-1] else 1)
    z = np.linspace(-NORMAL_REACH, NORMAL_REACH, steps + 1)
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return float(np.trapezoid(density * chdtr(df, df * ((z + noncentrality) / critical) ** 2), z))


@cache
def noncentrality_for(power: float, df: float, alpha: float) -> float:
    """Noncentrality at which a two-sided t test with these degrees of freedom has this power.

    A difference of log ratios enters by its noncentrality alone, difference / deviation * sqrt(launches), so that all
    pairs of a family ask for the same few of these.
    """
    from scipy.optimize import brentq
    from scipy.special import chdtri, stdtrit

    critical = float(stdtrit(df, 1.0 - alpha / 2.0))
    # There the denominator is small enough more often than asked, however far down the numerator is.
    most = NORMAL_REACH + critical * math.sqrt(float(chdtri(df, (1.0 - power) / 2.0)) / df)

    def shortfall(noncentrality: float) -> float:
        return t_power(noncentrality, df, alpha) - power

    return float(brentq(shortfall, 0.0, most, xtol=1e-9))


def detectable_ratio(
    launches: int,
    sd_of_log_ratios: float,
    tests: int = 1,
    alpha: float = DEFAULT_ALPHA,
    power: float = DEFAULT_POWER,
    further_df: float = 0.0,
) -> float | None:
    """Smallest ratio that a paired t test finds with this power when log ratios of blocks vary with this deviation.

    alpha is divided by `tests`, which is Holm's first and strictest step. 1.0 where nothing varies; None where no ratio
    up to 100 can be found (one launch, or hardly more at a strict alpha).
    """
    if launches < 2:
        return None
    if sd_of_log_ratios == 0.0:
        return 1.0
    needed = noncentrality_for(power, launches - 1 + further_df, alpha / max(tests, 1))
    log_ratio = needed * sd_of_log_ratios / math.sqrt(launches)
    return math.exp(log_ratio) if log_ratio < LARGEST_LOG_RATIO else None


def launches_to_detect_ratio(
    ratio: float,
    sd_of_log_ratios: float,
    tests: int = 1,
    alpha: float = DEFAULT_ALPHA,
    power: float = DEFAULT_POWER,
    second: SecondTest | None = MANN_WHITNEY,
    further_df: float = 0.0,
) -> int | None:
    """Fewest launches at which the exact test can reach alpha and paired t has the power for this ratio.

    None where more than MOST_LAUNCHES_SEARCHED are needed, or the ratio is 1, which no number separates.
    """
    effect = abs(math.log(ratio))
    least = fewest_launches(max(tests, 1), alpha, second)
    if effect == 0.0:
        return None
    if sd_of_log_ratios == 0.0:
        return least
    level = alpha / max(tests, 1)

    def enough(launches: int) -> bool:
        reached = effect / sd_of_log_ratios * math.sqrt(launches)
        return reached >= noncentrality_for(power, launches - 1 + further_df, level)

    return fewest_that(least, enough)


def launches_to_order(
    wins: float, tests: int = 1, alpha: float = DEFAULT_ALPHA, power: float = DEFAULT_POWER
) -> int | None:
    """Fewest launches of each at which Mann-Whitney tells two engines apart with this power, where a launch of one
    exceeds one of the other with the chance `wins` (Noether 1987, J. Am. Stat. Assoc. 82, 645-647).

    None where more than MOST_LAUNCHES_SEARCHED are needed, and where it wins no more often than not.
    """
    from scipy.special import ndtr, ndtri

    if wins <= 0.5:
        return None
    critical = float(ndtri(1.0 - alpha / max(tests, 1) / 2.0))

    def enough(launches: int) -> bool:
        return float(ndtr(math.sqrt(6.0 * launches) * (wins - 0.5) - critical)) >= power

    return fewest_that(fewest_launches(max(tests, 1), alpha), enough)


def fewest_that(least: int, enough: Callable[[int], bool]) -> int | None:
    """Fewest launches, from `least` on, that are enough, where more always are too; None beyond
    MOST_LAUNCHES_SEARCHED."""
    searched = range(least, MOST_LAUNCHES_SEARCHED + 1)
    place = bisect_left(searched, True, key=enough)
    return searched[place] if place < len(searched) else None


def sd_of_log_ratios(cv: float) -> float:
    """Spread of the log ratio of two engines whose launch medians vary by this CV, independently within a block."""
    return math.sqrt(2.0) * log_sd(cv)


def smallest_detectable_ratio(
    launches: int,
    cv: float,
    tests: int = 1,
    alpha: float = DEFAULT_ALPHA,
    power: float = DEFAULT_POWER,
) -> float | None:
    """`detectable_ratio` before anything is measured, from the coefficient of variation of one engine's launches."""
    return detectable_ratio(launches, sd_of_log_ratios(cv), tests, alpha, power)
