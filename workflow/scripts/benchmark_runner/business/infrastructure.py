"""What a token costs: every engine and case under every price that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.business.cost import (
    FULL_UTILISATION,
    HOURS_PER_MONTH,
    Rate,
    cost,
    energy_usd_per_million_tokens,
    owned_usd_per_hour,
)
from benchmark_runner.business.estimates import BASIS, NO_GPU, UNKNOWN_GPU, Step, cost_of, estimated
from benchmark_runner.business.hardware import highest, on_gpu
from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.prices import BYTES_PER_GB, AgedPrice, Entry, Figures, aged
from benchmark_runner.business.tiers import RATE_METRIC, in_flight
from benchmark_runner.statistics.levels import NO_LEVEL, slo_words
from benchmark_runner.statistics.results import Cell

USERS_OWN_ID: Final = "business.usd_per_hour"
HOW_TO_KNOW: Final = (
    "set business.usd_per_hour to what an hour of this machine costs, or measure on a machine of the price catalogue"
)
NO_PRICE: Final = "no price is known for the machine that was measured"
ELSEWHERE: Final = (
    "it already ran and its process was not found on this machine, so no price known here is its machine's"
)
FROM_ITS_RATE: Final = "divide what an hour of its own machine costs by the tokens that it makes in an hour"
AT_ONE_REQUEST: Final = (
    "cost with one request in flight: a server that works on several at once makes tokens cheaper, so this is no "
    "figure to hold beside the prices of hosted models"
)
AT_LIMITS: Final = "cost at the highest level of load that keeps analysis.slo, {words}: {slo}"
NO_LEVEL_REMEDY: Final = "measure lower levels of load, or relax analysis.slo"
FORMULA: Final = "USD per million output tokens = USD per hour x 1e6 / (3600 x output tokens per second x utilisation)"


@dataclass(frozen=True)
class Offer:
    """A price that applies to the machine that was measured."""

    price_id: str
    label: str
    purchase: str
    usd_per_hour: tuple[float, float, float]  # point, low, high
    as_of: str | None
    age_days: int | None
    note: str | None
    sources: tuple[dict[str, str], ...]
    owned: dict[str, float] | None

    def document(self) -> dict[str, Any]:
        """The offer as JSON content, without what an owner paid."""
        price = dict(zip(("point", "low", "high"), self.usd_per_hour, strict=True))
        content = {**vars(self), "usd_per_hour": price, "sources": list(self.sources)}
        del content["owned"]
        return content


def ages_of(inputs: BusinessInputs) -> dict[str, AgedPrice]:
    """The catalogue's prices as they can be used on the day of the analysis, by id."""
    today = inputs.now.date()
    return {entry.id: aged(entry, inputs.catalogue.widening, today) for entry in inputs.catalogue.entries}


def basis(inputs: BusinessInputs) -> dict[str, Any]:
    """How costs are computed."""
    utilisation, results = inputs.settings.get("utilisation"), inputs.results
    headline = inputs.performance["headline"]["throughput"]
    metric = results.throughput(Cell(headline["workload"], headline["case"]))
    loaded = metric != RATE_METRIC
    return {
        "formula": FORMULA,
        "token_basis": "only output tokens count; the work on the prompt is in the time",
        "metric": metric,
        "requests_in_flight": None if loaded else 1,
        "latency_objective": inputs.statistics["load"]["slo"] if loaded else None,
        "latency_objective_reason": (
            None if loaded else "no latency objective is set, so slow answers count like fast ones"
        ),
        "utilisation": {
            "full": FULL_UTILISATION,
            "user": utilisation or None,
            "reason": None if utilisation else _no_utilisation_reason(utilisation),
        },
        "headline": inputs.performance["headline"]["throughput"],
    }


def _no_utilisation_reason(utilisation: float | None) -> str:
    if utilisation is None:
        return "business.utilisation is not set: the share of paid hours in which the machine generates is unknown"
    return "business.utilisation is 0: a machine that never generates has no cost per token"


def price_states(inputs: BusinessInputs, ages: dict[str, AgedPrice]) -> dict[str, Any]:
    """What became of each catalogue entry, so that no price is used or left out unseen."""
    engines = {str(engine["device"]): engine for engine in inputs.engines if engine["device"]}
    entries = []
    for entry in inputs.catalogue.entries:
        age = ages[entry.id]
        misfits = {device: inputs.misfit(entry, engines[device]) for device in sorted(engines)}
        entries.append(
            {
                "price_id": entry.id,
                "as_of": entry.as_of.isoformat(),
                "age_days": age.age_days,
                "state": age.state,
                "note": age.note,
                "applies": age.state in ("current", "widened") and any(reason is None for reason in misfits.values()),
                "mismatch": {device: reason for device, reason in misfits.items() if reason is not None},
            }
        )
    quarantined = [
        {"price_id": name, "reason": reason} for name, reason in sorted(inputs.catalogue.quarantined.items())
    ]
    return {"currency": "USD", "entries": entries, "quarantined": quarantined}


def why_no_price(inputs: BusinessInputs, engine: str) -> tuple[str, str]:
    """Why no price applies to an engine, and what would make its cost known."""
    return (ELSEWHERE, FROM_ITS_RATE) if inputs.is_elsewhere(engine) else (NO_PRICE, HOW_TO_KNOW)


def offers_for(inputs: BusinessInputs, ages: dict[str, AgedPrice], engine: dict[str, Any]) -> list[Offer]:
    """Prices of the machine on which an engine was measured: the stated one, then those of the catalogue; none of a
    server elsewhere."""
    offers = list[Offer]()
    if inputs.is_elsewhere(engine["name"]):
        return offers
    stated = inputs.settings.get("usd_per_hour")
    if stated is not None:
        label = "this machine, as the configuration states its price"
        offers.append(Offer(USERS_OWN_ID, label, "user", (float(stated),) * 3, None, None, None, (), None))
    for entry in inputs.catalogue.entries:
        if inputs.misfit(entry, engine) is None and ages[entry.id].state in ("current", "widened"):
            offers.append(_offer(entry, ages[entry.id]))
    return offers


def _offer(entry: Entry, age: AgedPrice) -> Offer:
    if entry.owned is not None:
        price = (owned_usd_per_hour(entry.owned),) * 3
    else:
        assert age.usd_per_hour is not None and age.low is not None and age.high is not None
        price = (age.usd_per_hour, age.low, age.high)
    return Offer(
        price_id=entry.id,
        label=f"{entry.provider} {entry.instance}" + (f", {entry.region}" if entry.region else ""),
        purchase=entry.purchase,
        usd_per_hour=price,
        as_of=entry.as_of.isoformat(),
        age_days=age.age_days,
        note=age.note,
        sources=entry.sources,
        owned=entry.owned,
    )


def cost_rows(inputs: BusinessInputs, engine: dict[str, Any], ages: dict[str, AgedPrice]) -> list[dict[str, Any]]:
    """Rows of one engine: every case under every price that applies, or a row that says why there is none."""
    rows, results = [], inputs.results
    for cell in inputs.statistics["cells"]:
        if cell["engine"] != engine["name"] or cell["case"] is None:
            continue
        where = {"engine": engine["name"], "workload": cell["workload"], "case": cell["case"]}
        place = Cell(cell["workload"], cell["case"])
        numbers = cell["metrics"][results.throughput(place)]
        estimate = results.estimate(engine["name"], place, results.throughput(place))
        rate = rate_of(estimate, numbers["launches"], inputs.statistics["settings"]["confidence_level"])
        if rate is None:
            reason = results.why_unmeasured(engine["name"], place, results.throughput(place))
            rows.append(where | _unknown_cost(None, reason, engine["remedy"]))
            continue
        offers = offers_for(inputs, ages, engine)
        if not offers:
            rows.append(where | _unknown_cost(rate, *why_no_price(inputs, engine["name"])))
        rows += [where | _known_cost(inputs, rate, offer, engine["name"], cell["workload"]) for offer in offers]
    if not rows:
        reason = engine["reason"] or "it was not measured"
        where = {"engine": engine["name"], "workload": None, "case": None}
        rows.append(where | _unknown_cost(None, reason, engine["remedy"]))
    return rows


def rate_of(estimate: Mapping[str, Any] | None, launches: int, level: float) -> Rate | None:
    """The rate of an estimate {point, low, high} of the results; None where it was not measured."""
    if estimate is None or estimate["point"] <= 0:
        return None
    return Rate(estimate["point"], estimate["low"], estimate["high"], level if estimate["low"] else None, launches)


def _rate_document(rate: Rate) -> dict[str, Any]:
    return {**vars(rate), "unit": "tokens/s"}


def _unknown_cost(rate: Rate | None, reason: str, remedy: str | None) -> dict[str, Any]:
    return {
        "tokens_per_s": None if rate is None else _rate_document(rate),
        "price": None,
        "usd_per_million_output_tokens": None,
        "energy_usd_per_million_output_tokens": None,
        "energy_reason": "no price is known",
        "reason": reason,
        "remedy": remedy,
    }


def _known_cost(inputs: BusinessInputs, rate: Rate, offer: Offer, engine: str, workload: str) -> dict[str, Any]:
    utilisation = inputs.settings.get("utilisation")
    energy, energy_reason = _energy_cost(inputs, offer, engine, workload)
    return {
        "tokens_per_s": _rate_document(rate),
        "price": offer.document(),
        "usd_per_million_output_tokens": {
            "full_utilisation": cost(offer.usd_per_hour, rate, FULL_UTILISATION),
            "user_utilisation": cost(offer.usd_per_hour, rate, utilisation) if utilisation else None,
            "user_utilisation_reason": None if utilisation else _no_utilisation_reason(utilisation),
        },
        "energy_usd_per_million_output_tokens": energy,
        "energy_reason": energy_reason,
        "reason": None,
        "remedy": None,
    }


def _energy_cost(inputs: BusinessInputs, offer: Offer, engine: str, workload: str) -> tuple[float | None, str | None]:
    if offer.owned is None:
        return None, "a rent or a stated price holds the electricity already"
    for cell in inputs.statistics["cells"]:
        metric = cell["metrics"].get("energy_joules_per_token")
        if cell["engine"] == engine and cell["workload"] == workload and metric is not None:
            if metric["median"] is None:
                return None, metric["reason"] or "energy was not measured"
            owned = offer.owned
            return energy_usd_per_million_tokens(metric["median"], owned["pue"], owned["usd_per_kwh"]), None
    return None, "energy was not measured"


def infrastructure_costs(
    inputs: BusinessInputs, costs: Sequence[dict[str, Any]], ages: dict[str, AgedPrice]
) -> list[dict[str, Any]]:
    """For each engine the machines that were measured, with the cost in the headline's case, under load at the highest
    level of its grid that keeps the limits, and estimates for others; costs are its rows."""
    headline = inputs.performance["headline"]["throughput"]
    place = Cell(headline["workload"], headline["case"])
    return [
        _engine_costs(inputs, engine, [row for row in costs if row["engine"] == engine["name"]], place, ages)
        for engine in inputs.engines
    ]


def _engine_costs(
    inputs: BusinessInputs,
    engine: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    headline: Cell,
    ages: dict[str, AgedPrice],
) -> dict[str, Any]:
    name, results = engine["name"], inputs.results
    held = results.levels_at_limits(name, headline)
    if not held:
        return {
            "engine": name,
            "workload": headline.workload,
            "case": None,
            "requests_in_flight": None,
            "label": NO_LEVEL,
            "machines": [],
            "estimates": [],
            "estimates_basis": None,
            "estimates_reason": NO_LEVEL,
            "reason": NO_LEVEL,
            "remedy": NO_LEVEL_REMEDY,
        }
    place, load = held[0], results.load(name, held[0])
    at_headline = [row for row in rows if (row["workload"], row["case"]) == (place.workload, place.case)]
    priced = [row for row in at_headline if row["price"] is not None]
    without = next((row for row in at_headline or rows if row["price"] is None), None)
    return {
        "engine": name,
        "workload": place.workload,
        "case": place.case,
        "requests_in_flight": in_flight(load),
        "label": (
            AT_LIMITS.format(words=load["words"], slo=slo_words(results.summary["load"]["slo"]))
            if load
            else AT_ONE_REQUEST
        ),
        "machines": [_machine_cost(row) for row in priced],
        **_estimates(inputs, engine, at_headline, in_flight(load), ages),
        "reason": None if priced or without is None else without["reason"],
        "remedy": None if priced or without is None else without["remedy"],
    }


def _machine_cost(row: dict[str, Any]) -> dict[str, Any]:
    price, usd = row["price"], row["usd_per_million_output_tokens"]
    month = {key: value * HOURS_PER_MONTH for key, value in price["usd_per_hour"].items()}
    return {
        "price_id": price["price_id"],
        "label": price["label"],
        "basis": "measured",
        "as_of": price["as_of"],
        "note": price["note"],
        "usd_per_month": month,
        "usd_per_million_output_tokens": usd["full_utilisation"],
        "usd_per_million_at_your_utilisation": usd["user_utilisation"],
    }


def _estimates(
    inputs: BusinessInputs,
    engine: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    requests: int | None,
    ages: dict[str, AgedPrice],
) -> dict[str, Any]:
    """What the engine would cost on the catalogue's other machines with one GPU that has the memory, in its order."""
    told = next((row["tokens_per_s"] for row in rows if row["tokens_per_s"] is not None), None)
    gpu = inputs.gpu_of(engine) if on_gpu(engine) else None
    here = inputs.catalogue.figures_of_device(gpu) if gpu else None
    if told is None or here is None or inputs.is_elsewhere(engine["name"]):
        reason = _why_no_estimate(inputs, engine, rows, is_measured=told is not None)
        return {"estimates": [], "estimates_basis": None, "estimates_reason": reason}
    rate = Rate(**{key: told[key] for key in ("point", "low", "high", "level", "launches")})
    parameters = inputs.manifest.get("architecture", {}).get("parameters", 0)
    step = Step(inputs.manifest["weights_bytes"], 2 * parameters * (requests or 1))
    peak = highest(inputs, engine["name"], "peak_vram_bytes")
    need_gb = here.vram_gb if peak is None else (peak["high"] or peak["point"]) / BYTES_PER_GB
    found = [
        _estimate(_offer(entry, ages[entry.id]), there, estimated(rate, step, here, there))
        for entry in inputs.catalogue.entries
        if entry.gpu and entry.gpu["count"] == 1 and entry.gpu["vram_gb"] >= need_gb
        if ages[entry.id].state in ("current", "widened")
        if (there := inputs.catalogue.figures_of(entry.gpu)) is not None and there != here
    ]
    reason = None if found else "no other machine of the catalogue has one GPU with as much memory and its bandwidth"
    return {"estimates": found, "estimates_basis": BASIS if found else None, "estimates_reason": reason}


def _why_no_estimate(
    inputs: BusinessInputs, engine: dict[str, Any], rows: Sequence[dict[str, Any]], *, is_measured: bool
) -> str | None:
    if not is_measured:
        return next((str(row["reason"]) for row in rows if row["reason"]), engine["reason"])
    if inputs.is_elsewhere(engine["name"]):
        return ELSEWHERE
    return UNKNOWN_GPU if on_gpu(engine) else NO_GPU


def _estimate(offer: Offer, there: Figures, rate: Rate) -> dict[str, Any]:
    return {
        "price_id": offer.price_id,
        "label": offer.label,
        "basis": "estimate",
        "gpu": there.model,
        "as_of": offer.as_of,
        "note": offer.note,
        "tokens_per_s": {"point": rate.point, "low": rate.low, "high": rate.high},
        "usd_per_million_output_tokens": cost_of(rate, offer.usd_per_hour),
    }
