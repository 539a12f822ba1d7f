"""cost_optimization: the cheapest machines and engines for a stated demand, from measured times of a request."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.business.cost import HOURS_PER_MONTH
from benchmark_runner.business.fleet import Fleet, Option, cheapest_fleet, fewest_of_a_price, next_best_fleet
from benchmark_runner.business.infrastructure import HOW_TO_KNOW, offers_for, why_no_price
from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.prices import AgedPrice
from benchmark_runner.business.tiers import limit_result
from benchmark_runner.display import plural, significant
from benchmark_runner.statistics.levels import NO_LEVEL
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell, Results

SECONDS_PER_DAY: Final = 86_400
MS_PER_S: Final = 1000.0
LOAD: Final = "one request in flight on each machine, as measured; machines that serve several at once need fewer"
LOAD_AT_LIMITS: Final = (
    "on each machine as many requests in flight as the engine holds within analysis.slo, as measured; one request in "
    "flight where no load was measured"
)
METHOD: Final = (
    "whole numbers of machines, chosen by integer programming; a machine serves 1 / (seconds a request), of which the "
    "spare share is kept free; seconds = TTFT x prompt / measured prompt + (answer - 1) x time per output token"
)
METHOD_AT_LIMITS: Final = (
    "whole numbers of machines, chosen by integer programming; under load a machine serves the requests a second of "
    "the highest level that keeps analysis.slo and the limits of the pool, scaled to other lengths by the seconds a "
    "request, of which the spare share is kept free; seconds = TTFT x prompt / measured prompt + (answer - 1) x time "
    "per output token"
)
NEXT_BEST: Final = "the cheapest fleet that does without one of the chosen pairs of engine and machine"
HOW_TO_ASK: Final = "set business.demand.pools to what is to be served"


@dataclass(frozen=True)
class Candidate:
    """An engine that may serve a pool on a machine, with its ranges: (point, worst, best)."""

    option: Option
    seconds: tuple[float, float, float]
    usd_per_hour: tuple[float, float, float]
    basis: str

    def at(self, which: int, spare: float) -> Option:
        """The option with the point (0), or all the worst (1) or the best (2) figures."""
        served = (1 - spare) / self.seconds[which]
        return Option(self.option.pool, self.option.engine, self.option.price_id, served, self.usd_per_hour[which])


def cost_optimization(inputs: BusinessInputs, ages: dict[str, AgedPrice]) -> dict[str, Any]:
    """The cheapest fleet with its monthly cost, the next best, and what rules out the rest; or why there is none."""
    demand = inputs.settings.get("demand") or {}
    pools = demand.get("pools") or []
    under_load = "load" in inputs.statistics
    content: dict[str, Any] = {
        "method": METHOD_AT_LIMITS if under_load else METHOD,
        "requests_in_flight": None if under_load else 1,
        "load": LOAD_AT_LIMITS if under_load else LOAD,
        "demand": demand,
        "fleet": None,
        "next_best": None,
        "ruled_out": [],
        "reason": None,
        "remedy": None,
    }
    if not pools:
        return content | {"reason": "no demand is stated", "remedy": HOW_TO_ASK}
    spare, most = demand.get("spare", 0.0), demand.get("machines_of_a_price")
    ruled_out: list[dict[str, Any]] = []
    candidates = [one for pool in pools for one in _candidates(inputs, ages, pool, ruled_out)]
    content["ruled_out"] = ruled_out
    needs = {pool["name"]: pool["requests_per_day"] * pool.get("peak_factor", 1.0) / SECONDS_PER_DAY for pool in pools}
    points = [one.at(0, spare) for one in candidates]
    best = cheapest_fleet(points, needs, most)
    if best is None:
        return content | _binding(needs, points, ruled_out, most)
    other = next_best_fleet(points, needs, best, most)
    found = _fleet_document(best, candidates, needs, spare)
    content["fleet"] = found
    if other is not None:
        content["next_best"] = {"what": NEXT_BEST} | _fleet_document(other, candidates, needs, spare)
        content["next_best"]["times_as_dear"] = other.usd_per_hour / best.usd_per_hour
    return content


def _candidates(
    inputs: BusinessInputs, ages: dict[str, AgedPrice], pool: dict[str, Any], ruled_out: list[dict[str, Any]]
) -> Iterator[Candidate]:
    """Engines and machines that may serve the pool; the others are added to ruled_out with the reason."""
    results = inputs.results
    for engine in inputs.engines:
        name = engine["name"]
        times, reason, constraint = _times(results, name, pool)
        offers = offers_for(inputs, ages, engine)
        if reason is None and not offers:
            reason, constraint = why_no_price(inputs, name)[0], "price"
        if reason is not None:
            ruled_out.append({"pool": pool["name"], "engine": name, "constraint": constraint, "reason": reason})
            continue
        assert times is not None
        for offer in offers:
            point, low, high = offer.usd_per_hour
            option = Option(pool["name"], name, offer.price_id, 1 / times.seconds[0], point)
            yield Candidate(option, times.seconds, (point, high, low), times.basis)


@dataclass(frozen=True)
class _Times:
    """Seconds of a request as (point, worst, best), and where they come from."""

    seconds: tuple[float, float, float]
    basis: str


def _times(results: Results, engine: str, pool: dict[str, Any]) -> tuple[_Times | None, str | None, str | None]:
    """The request's times, or the reason against the engine with the constraint that gives it; under load those of the
    highest level that keeps analysis.slo and the pool's limits."""
    cell = _nearest_cell(results, engine, pool)
    if cell is None:
        return None, results.engines[engine]["reason"] or "it was not measured", "measurement"
    found = [_times_in(results, engine, one, pool) for one in results.levels_at_limits(engine, cell)]
    if not found:
        return None, NO_LEVEL, "slo"
    return next((one for one in found if one[0] is not None), found[-1])


def _times_in(
    results: Results, engine: str, cell: Cell, pool: dict[str, Any]
) -> tuple[_Times | None, str | None, str | None]:
    """As _times, by what was measured in one test case."""
    unranked = results.unranked(cell, "e2e_ms").get(engine)
    if unranked is not None:
        return None, unranked, "fidelity or equal work"
    ttft, tpot = results.estimate(engine, cell, "ttft_ms"), results.estimate(engine, cell, "tpot_ms")
    if ttft is None or tpot is None:
        return None, "its time to first token or per output token was not measured", "measurement"
    work = results.work(engine, cell)
    assert work is not None
    prompt, answer = work
    share, further = pool["prompt_tokens"] / prompt, pool["answer_tokens"] - 1
    asked = (("ttft_ms", ttft, share, "time to the first token"), ("tpot_ms", tpot, 1.0, "time for each further token"))
    for key, estimate, factor, words in asked:
        limit = (pool.get("slo") or {}).get(key)
        if limit is None or limit_result(estimate, limit, "lower", factor) == "kept":
            continue
        if estimate["high"] is None:
            return None, f"its {words} has no interval: one launch does not show that it keeps {limit:g} ms", "slo"
        told = f"its {words} is up to {significant(estimate['high'] * factor)} ms, asked are {limit:g} ms"
        return None, told, f"slo.{key}"

    def alone(which: str) -> float:
        first, next_one = (one[which] if one[which] is not None else one["point"] for one in (ttft, tpot))
        return float(first * share + further * next_one) / MS_PER_S

    words = results.load_words(cell)
    served = results.estimate(engine, cell, "requests_per_s") if words else None
    if words and (served is None or not served["point"]):
        return None, "its requests a second were not measured", "measurement"
    as_long = alone("point") * MS_PER_S / (ttft["point"] + (answer - 1) * tpot["point"])

    def seconds(which: str) -> float:
        if served is None:
            return alone(which)
        rate = served[{"point": "point", "high": "low", "low": "high"}[which]] or served["point"]
        return float(as_long / rate)

    place = f"{place_of(results, cell)} ({prompt:g} + {answer:g} tokens)"
    exact = (prompt, answer) == (pool["prompt_tokens"], pool["answer_tokens"])
    return (
        _Times(
            (seconds("point"), seconds("high"), seconds("low")), f"{'measured' if exact else 'estimate from'} {place}"
        ),
        None,
        None,
    )


def _nearest_cell(results: Results, engine: str, pool: dict[str, Any]) -> Cell | None:
    """The engine's measured cell whose lengths are nearest to the pool's, as ratios; one with load where there is."""

    def apart(cell: Cell) -> float:
        work = results.work(engine, cell)
        assert work is not None
        prompt, answer = work
        asked = pool["prompt_tokens"], pool["answer_tokens"]
        return math.fsum(max(a / b, b / a) for a, b in zip((prompt, answer), asked, strict=True))

    cells = [
        Cell(cell["workload"], cell["case"])
        for cell in results.summary["cells"]
        if cell["engine"] == engine and cell["case"] is not None
    ]
    measured = [cell for cell in cells if results.work(engine, cell) is not None]
    loaded = [cell for cell in measured if results.load(engine, cell) is not None]
    return min(loaded or measured, key=apart, default=None)


def _fleet_document(
    fleet: Fleet, candidates: Sequence[Candidate], needs: dict[str, float], spare: float
) -> dict[str, Any]:
    """A fleet with its monthly cost; the interval is that of the same pairs of engine and machine, sized anew with all
    the worst and with all the best figures."""
    chosen = [one for one in candidates if one.at(0, spare) in fleet.options]
    worst, best = (cheapest_fleet([one.at(which, spare) for one in chosen], needs) for which in (1, 2))
    basis = {(one.option.pool, one.option.engine): one.basis for one in chosen}
    machines = [
        {
            "pool": option.pool,
            "engine": option.engine,
            "price_id": option.price_id,
            "count": count,
            "requests_per_s_each": option.requests_per_s,
            "usd_per_hour_each": option.usd_per_hour,
            "basis": basis[option.pool, option.engine],
        }
        for option, count in fleet.machines
    ]
    assert worst is not None and best is not None
    usd = {"point": fleet.usd_per_hour, "low": best.usd_per_hour, "high": worst.usd_per_hour}
    return {
        "machines": machines,
        "requests_per_s_at_peak": needs,
        "usd_per_month": {key: value * HOURS_PER_MONTH for key, value in usd.items()},
    }


def _binding(
    needs: dict[str, float], points: Sequence[Option], ruled_out: list[dict[str, Any]], most: int | None
) -> dict[str, str]:
    """Why no fleet serves the demand: the pool that nothing may serve, or the limit on machines."""
    for pool in needs:
        if all(option.pool != pool for option in points):
            against = [one for one in ruled_out if one["pool"] == pool]
            reasons = "; ".join(f"{one['engine']}: {one['reason']}" for one in against)
            constraints = " and ".join(dict.fromkeys(str(one["constraint"]) for one in against))
            remedy = (
                HOW_TO_KNOW if constraints == "price" else f"relax {constraints} of the pool, or measure other engines"
            )
            return {
                "reason": f"nothing serves the pool {pool}, held back by {constraints}: {reasons}",
                "remedy": remedy,
            }
    fewest = fewest_of_a_price(points, needs)
    assert most is not None and fewest is not None
    return {
        "reason": f"business.demand.machines_of_a_price allows {plural(most, 'machine')} of a price; "
        f"needed are {fewest}",
        "remedy": f"set business.demand.machines_of_a_price to {fewest}, or to null for no limit",
    }
