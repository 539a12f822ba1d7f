"""When the requests of an open loop arrive: absolute offsets from the start, never stretched to a total."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, islice, repeat
from random import Random
from typing import Any, Final

from benchmark_runner.units import NS_PER_S

Gap = Callable[[Random, float, float], float]

GAPS_S: Final[Mapping[str, Gap]] = {
    "constant": lambda _random, rate, _shape: 1 / rate,
    "poisson": lambda random, rate, _shape: random.expovariate(rate),
    # Mean shape * scale = 1 / rate; a shape below 1 is burstier than Poisson, above 1 more regular.
    "gamma": lambda random, rate, shape: random.gammavariate(shape, 1 / (rate * shape)),
}
"""Draws the gap before a request, by the name of the arrivals; unit: s."""


def arrivals_ns(load: Mapping[str, Any]) -> Iterator[int]:
    """Offsets of the requests of an open loop; without end but for a trace, whose arrivals the plan holds."""
    if load["arrivals"] == "trace":
        return iter(load["arrivals_ns"])
    random, gap = Random(load["seed"]), GAPS_S[load["arrivals"]]
    gaps_s = (gap(random, load["requests_per_second"], load["burstiness"]) for _ in repeat(None))
    return (round(offset_s * NS_PER_S) for offset_s in accumulate(gaps_s))


def with_arrivals(load: Mapping[str, Any], prompts: int) -> dict[str, Any]:
    """A level's load as a spec has it: of an open loop with `arrivals_ns`, when each of so many requests is due and,
    where arrivals go on, the one behind them; unit: ns from the start."""
    if load["mode"] == "closed":
        return dict(load)
    return {**load, "arrivals_ns": list(islice(arrivals_ns(load), prompts + 1))}
