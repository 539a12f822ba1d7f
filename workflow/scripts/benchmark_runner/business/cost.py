"""The arithmetic of cost: dollars per million output tokens from a price per hour and a rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

TOKENS_PER_MILLION: Final = 1e6
SECONDS_PER_HOUR: Final = 3600.0
HOURS_PER_YEAR: Final = 8766.0  # 365.25 days
HOURS_PER_MONTH: Final = HOURS_PER_YEAR / 12
JOULES_PER_KWH: Final = 3.6e6
FULL_UTILISATION: Final = 1.0


@dataclass(frozen=True)
class Rate:
    """Output tokens per second with the interval over launches; low and high are None where there is no interval."""

    point: float
    low: float | None
    high: float | None
    level: float | None
    launches: int

    def __post_init__(self) -> None:
        if self.point <= 0:
            raise ValueError(f"a rate is above 0, not {self.point}")


def usd_per_million_tokens(usd_per_hour: float, tokens_per_s: float, utilisation: float) -> float:
    """Price / (3600 * rate * utilisation) * 1e6: what the hour costs over the tokens that it yields."""
    return usd_per_hour * TOKENS_PER_MILLION / (SECONDS_PER_HOUR * tokens_per_s * utilisation)


def cost(price: tuple[float, float, float], rate: Rate, utilisation: float) -> dict[str, Any]:
    """USD per million output tokens from a price (point, low, high) and a rate: point, widest range, and the share of
    the range that each cause brings alone.

    The two uncertainties are of different kinds, a range of prices and a confidence interval of the rate, so they are
    shown apart, and low and high are merely their extremes together; nothing is added in quadrature.
    """
    point, low, high = price
    slow = rate.low if rate.low is not None and rate.low > 0 else rate.point
    fast = rate.high if rate.high is not None else rate.point
    is_measured = rate.low is not None and rate.low > 0 and rate.high is not None

    def at(usd_per_hour: float, tokens_per_s: float) -> float:
        return usd_per_million_tokens(usd_per_hour, tokens_per_s, utilisation)

    return {
        "point": at(point, rate.point),
        "low": at(low, fast),
        "high": at(high, slow),
        "from_price": [at(low, rate.point), at(high, rate.point)],
        "from_measurement": [at(point, fast), at(point, slow)] if is_measured else None,
    }


def owned_usd_per_hour(owned: dict[str, float]) -> float:
    """Hourly price of a machine one owns, without electricity: (paid - value at the end) / hours of use."""
    return (owned["capex_usd"] - owned["residual_usd"]) / (owned["years"] * HOURS_PER_YEAR)


def energy_usd_per_million_tokens(joules_per_token: float, pue: float, usd_per_kwh: float) -> float:
    """Electricity for a million tokens; for owners only, since a rent holds the power already."""
    return joules_per_token * TOKENS_PER_MILLION / JOULES_PER_KWH * pue * usd_per_kwh
