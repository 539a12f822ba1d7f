"""What an engine that was measured on one GPU would yield on another: a marked estimate from published figures.

Its rate is taken in proportion to the least time that a step of decoding needs by memory and by arithmetic (Williams,
Waterman and Patterson, Roofline, CACM 2009), as if the engine reached the same share of it on both GPUs. The range
reaches from the lesser to the greater of both ratios, since reading a prompt is bound by the other one.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from benchmark_runner.business.cost import FULL_UTILISATION, Rate, cost
from benchmark_runner.business.prices import Figures

BASIS: Final = (
    "nothing ran on these machines: the measured rate times the ratio of what memory bandwidth and 16-bit arithmetic "
    "allow by the figures published for both GPUs, as if the engine reached the same share of them on each"
)
NO_GPU: Final = (
    "no estimate for other machines: of a rented share of a processor's cores no memory bandwidth is published, so "
    "none can be scaled from what was measured here"
)
UNKNOWN_GPU: Final = (
    "no estimate for other machines: the catalogue has no memory bandwidth (parts) of the GPU that was measured"
)


class Step(NamedTuple):
    """What a step of decoding needs: bytes of weights, and operations, two for each weight and request in flight."""

    bytes: float
    flop: float

    def least_s(self, figures: Figures) -> float:
        """The longer of its two times; arithmetic that nobody publishes bounds nothing."""
        arithmetic = self.flop / figures.flop_per_s if figures.flop_per_s else 0.0
        return max(self.bytes / figures.bytes_per_s, arithmetic)


def estimated(rate: Rate, step: Step, here: Figures, there: Figures) -> Rate:
    """The rate on another GPU, in tokens/s; low and high hold the interval over launches and both ratios."""
    likely = step.least_s(here) / step.least_s(there)
    ratios = [likely, there.bytes_per_s / here.bytes_per_s]
    if here.flop_per_s and there.flop_per_s:
        ratios.append(there.flop_per_s / here.flop_per_s)
    low, high = rate.low or rate.point, rate.high or rate.point
    return Rate(rate.point * likely, low * min(ratios), high * max(ratios), None, rate.launches)


def cost_of(rate: Rate, usd_per_hour: tuple[float, float, float]) -> dict[str, Any]:
    """Point and widest range of the price and the estimated rate, in USD per million output tokens."""
    found = cost(usd_per_hour, rate, FULL_UTILISATION)
    return {key: found[key] for key in ("point", "low", "high")}
