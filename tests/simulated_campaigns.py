"""Campaigns of known truth: log-normal iterations, launch effects, a drifting machine, and what else machines do.

The families below give logarithms of launch medians of many A/A campaigns at once, (campaign, engine, launch): equal
engines, whatever disturbs them. NaN is a launch that was lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import stats

from benchmark_runner.arrays import FloatArray, IntArray

CAMPAIGNS = int(os.environ.get("BENCHMARK_RUNNER_CAMPAIGNS", "300"))
ALPHA = 0.05
MOST_FALSE_POSITIVES = int(stats.binom.ppf(0.99, CAMPAIGNS, ALPHA))
"""Upper bound of a 5 % rate at 99 % confidence: 24 of 300, 123 of 2,000."""


def told(what: str, found: int) -> None:
    """Print what was found, so that docs/method.md can state it; `make test-statistics` shows it."""
    print(f"{what}: {found} of {CAMPAIGNS} ({found / CAMPAIGNS:.1%})")


def campaign(
    rng: np.random.Generator,
    *,
    engines: int = 3,
    launches: int = 10,
    iterations: int = 10,
    launch_sd: float = 0.02,
    iteration_sd: float = 0.03,
    drift: float = 0.03,
    ratio: float = 1.0,
    blocked: bool = True,
) -> FloatArray:
    """Times (engine, launch, iteration) of a drifting machine; the last engine is `ratio` times as slow.

    Launches run in randomised blocks, or, as the mistake to be caught, engine after engine.
    """
    if blocked:
        order = np.array([rng.permutation(engines) for _ in range(launches)])
        position = np.argsort(order, axis=1).T + engines * np.arange(launches)[None, :]
    else:
        position = np.arange(engines)[:, None] * launches + np.arange(launches)[None, :]
    trend = drift * position / (engines * launches)
    effects = trend + rng.normal(0.0, launch_sd, (engines, launches))
    times = 100.0 * np.exp(effects[:, :, None] + rng.normal(0.0, iteration_sd, (engines, launches, iterations)))
    times[-1] *= ratio
    return times


LAUNCH_SD: Final = 0.04
ITERATION_SD: Final = 0.03
ITERATIONS: Final = 2
"""What launches and iterations vary by on the machine that the recipe was chosen on, and iterations a launch."""

Shape = tuple[int, int, int]
Family = Callable[[np.random.Generator, Shape], FloatArray]


def quiet(
    rng: np.random.Generator,
    shape: Shape,
    *,
    launch_sd: float | FloatArray = LAUNCH_SD,
    iteration_sd: float = ITERATION_SD,
    iterations: int = ITERATIONS,
) -> FloatArray:
    """Normal launches of which each is the median of normal iterations."""
    noise = np.median(rng.normal(0.0, iteration_sd, (*shape, iterations)), axis=3)
    return launch_sd * rng.standard_normal(shape) + noise


def unlike_spreads(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Engines whose launches vary by 1 to 10 %, evenly on a logarithmic scale."""
    return quiet(
        rng, shape, launch_sd=np.exp(rng.uniform(np.log(0.01), np.log(0.1), (*shape[:2], 1))), iteration_sd=0.0
    )


def heavy_tails(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Student's t with 3 degrees of freedom."""
    return LAUNCH_SD / np.sqrt(3.0) * rng.standard_t(3, shape)


def bimodal(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Every engine is 8 % slower in a third of its launches."""
    return quiet(rng, shape) + np.log(1.08) * (rng.random(shape) < 1 / 3)


def slow_mode(rng: np.random.Generator, shape: Shape, factor: float, share: float) -> FloatArray:
    """What the first engine takes longer in a share of its launches, less in the others: equal on average."""
    logs = np.zeros(shape)
    logs[:, 0] = np.log(factor) * ((rng.random(shape)[:, 0] < share) - share)
    return logs


def slow_tail(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """The first engine's launches have an exponential tail of 5 % on average; equal on average."""
    logs = np.zeros(shape)
    logs[:, 0] = rng.exponential(0.05, shape)[:, 0] - 0.05
    return logs


def places(rng: np.random.Generator, shape: Shape) -> IntArray:
    """When each launch ran, counted from 0: blocks in a random order each."""
    runs, engines, launches = shape
    in_block = np.argsort(rng.random((runs, launches, engines)), axis=2)
    return np.swapaxes(in_block + engines * np.arange(launches)[None, :, None], 1, 2)


def blocks(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """The machine moves by 10 % from block to block."""
    return quiet(rng, shape) + rng.normal(0.0, 0.1, (shape[0], 1, shape[2]))


def drift(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """The machine becomes 10 % slower from the first launch to the last."""
    return quiet(rng, shape) + 0.1 * places(rng, shape) / (shape[1] * shape[2])


def resembling(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """The machine moves by 5 %, from launch to launch with a correlation of 0.9."""
    moved = rng.standard_normal((shape[0], shape[1] * shape[2]))
    for place in range(1, moved.shape[1]):
        moved[:, place] = 0.9 * moved[:, place - 1] + np.sqrt(1.0 - 0.81) * moved[:, place]
    ran = places(rng, shape).reshape(shape[0], -1)
    return quiet(rng, shape) + 0.05 * np.take_along_axis(moved, ran, axis=1).reshape(shape)


def lost_at_random(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Every tenth launch is lost."""
    return np.where(rng.random(shape) < 0.1, np.nan, quiet(rng, shape))


def lost_when_slow(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """The first engine's slower half times out."""
    logs = quiet(rng, shape)
    own = logs[:, 0]
    logs[:, 0] = np.where(own > np.median(own, axis=1, keepdims=True), np.nan, own)
    return logs


def ticks(logs: FloatArray, step_ms: float, time_ms: float = 200.0) -> FloatArray:
    """The same by a clock that advances in steps; time_ms is the time of a launch at 0."""
    return np.log(np.maximum(np.floor(time_ms * np.exp(logs) / step_ms), 1.0) * step_ms / time_ms)
