"""Campaigns of known truth: log-normal iterations, launch effects, a drifting machine."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from scipy import stats

CAMPAIGNS = int(os.environ.get("BENCHMARK_RUNNER_CAMPAIGNS", "300"))
ALPHA = 0.05
MOST_FALSE_POSITIVES = int(stats.binom.ppf(0.99, CAMPAIGNS, ALPHA))
"""Upper bound of a 5 % rate at 99 % confidence: 24 of 300, 123 of 2,000."""

FloatArray = npt.NDArray[np.float64]


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
