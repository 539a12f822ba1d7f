"""When the requests of an open loop arrive: absolute offsets from the start, never stretched to a total."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, repeat
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
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
    """Offsets of the requests of an open loop; without end but for a trace, whose arrivals are its own.

    Raises BenchmarkError that names the file where a trace cannot be used.
    """
    if load["arrivals"] == "trace":
        return iter(trace_ns(Path(load["trace_file"])))
    random, gap = Random(load["seed"]), GAPS_S[load["arrivals"]]
    gaps_s = (gap(random, load["requests_per_second"], load["burstiness"]) for _ in repeat(None))
    return (round(offset_s * NS_PER_S) for offset_s in accumulate(gaps_s))


def with_arrivals(load: Mapping[str, Any], prompts: int) -> dict[str, Any]:
    """A level's load as a spec has it: of an open loop with `arrivals_ns`, when each of so many requests is due and,
    where arrivals go on, the one behind them; unit: ns from the start. Raises BenchmarkError as arrivals_ns does."""
    if load["mode"] == "closed":
        return dict(load)
    return {**load, "arrivals_ns": list(islice(arrivals_ns(load), prompts + 1))}


def trace_ns(path: Path) -> Sequence[int]:
    """Offsets from the first of a file's times, one a line in seconds; raises BenchmarkError that names the file."""
    try:
        times_s = [float(line) for line in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} is no trace ({error}); give it a time in seconds on each line") from error
    if not times_s or times_s != sorted(times_s):
        raise BenchmarkError(f"{path} holds no times, or they go back; give it rising times in seconds, one a line")
    return [round((time_s - times_s[0]) * NS_PER_S) for time_s in times_s]
