"""What an engine leaves behind for the next: the balanced order keeps it out of the verdicts, shuffled blocks do not.

Three equal engines in one workload, of which one slows whatever runs after it by 3 %. 300 campaigns by default;
BENCHMARK_RUNNER_CAMPAIGNS=2000 is the full check.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest

from benchmark_runner.arrays import FloatArray
from benchmark_runner.campaign.order import balanced_blocks
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import judge_family
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS, MOST_FALSE_POSITIVES, told

ENGINES = ("hot", "mild", "cool")
CARRIED = 0.03
DRIFT = 0.03
LAUNCH_SD = 0.022
"""Of launch medians: launches vary by 2 %, and the median of ten iterations that vary by 3 % adds its own."""

Cells = Sequence[tuple[str, str]]
Order = Callable[[Sequence[Cells], int], list[tuple[int, tuple[str, str]]]]


def shuffled_blocks(blocks: Sequence[Cells], seed: int) -> list[tuple[int, tuple[str, str]]]:
    """The mistake: blocks that are shuffled, each by itself."""
    rng = random.Random(seed)
    return [(block, cell) for block, cells in enumerate(blocks, start=1) for cell in rng.sample(cells, len(cells))]


@cache
def campaigns(order: Order, launches: int) -> tuple[FloatArray, ...]:
    """Launch medians (engine, launch) of each campaign, in whose order the hot engine slows the next one."""
    rng = np.random.default_rng(211)
    found = []
    for seed in range(CAMPAIGNS):
        logs = rng.normal(0.0, LAUNCH_SD, (len(ENGINES), launches))
        before = None
        for slot, (block, (engine, _)) in enumerate(order([[(name, "w") for name in ENGINES]] * launches, seed)):
            carried = CARRIED if before == "hot" else 0.0
            logs[ENGINES.index(engine), block - 1] += carried + DRIFT * slot / (launches * len(ENGINES))
            before = engine
        found.append(100.0 * np.exp(logs))
    return tuple(found)


def claims(order: Order, launches: int, scheme: str) -> int:
    """Campaigns in which any engine was called faster than another."""
    false = 0
    for times in campaigns(order, launches):
        pairs = [
            Pair(ENGINES[b], ENGINES[a], times[b], times[a], sign=-1.0)
            for a in range(len(ENGINES))
            for b in range(a + 1, len(ENGINES))
        ]
        false += any(one.verdict in CERTAIN for one in judge_family(pairs, 1.0 - ALPHA, SCHEMES[scheme]))
    told(f"{order.__name__}, {launches} launches, {scheme}: campaigns with a false claim", false)
    return false


def advantage(order: Order, launches: int) -> float:
    """Mean of the hot engine's logarithm below that of the others: what it gains as it seldom follows itself."""
    return float(np.mean([np.log(times[1:]).mean() - np.log(times[0]).mean() for times in campaigns(order, launches)]))


@pytest.mark.parametrize("scheme", sorted({"paired_t", *SCHEMES} - {"welch_t", "permutation"}))
@pytest.mark.parametrize("launches", [7, 10, 20])
def test_in_the_balanced_order_a_hot_engine_makes_no_more_false_claims_than_alpha(launches: int, scheme: str) -> None:
    assert claims(balanced_blocks, launches, scheme) <= MOST_FALSE_POSITIVES


def test_in_shuffled_blocks_the_same_engine_fails_the_check() -> None:
    """The negative control."""
    assert claims(shuffled_blocks, 20, "paired_t") > 1.5 * MOST_FALSE_POSITIVES


@pytest.mark.parametrize("launches", [7, 20])
def test_the_hot_engine_gains_nothing_by_the_balanced_order(launches: int) -> None:
    balanced, shuffled = advantage(balanced_blocks, launches), advantage(shuffled_blocks, launches)
    print(
        f"{launches} launches: a hot engine gains {balanced:.2%} in balanced order, {shuffled:.2%} in shuffled blocks"
    )
    # Only the first launch of all has nobody before it.
    assert abs(balanced) <= 0.0025 and shuffled >= 0.006
