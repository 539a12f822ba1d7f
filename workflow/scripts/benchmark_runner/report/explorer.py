"""The cost explorer's data: measured rates and times, prices, demand; its script does the business document's sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.business.cost import HOURS_PER_MONTH
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.statistics.results import Cell

LIMITS: Final = ("ttft_ms", "tpot_ms")


@dataclass(frozen=True)
class Field:
    """A number that the reader may change: its value at first (None: empty) and the ends of what it takes."""

    name: str
    label: str
    value: float | None
    low: float = 0
    high: float = 1e9

    @property
    def text(self) -> str:
        """The value as the input holds it."""
        return shown(self.value)


def shown(value: float | None) -> str:
    """A number as an input holds it, nothing for None."""
    return "" if value is None else f"{value:.10g}"


def groups(inputs: ReportInputs) -> list[tuple[str, list[Field]]]:
    """The inputs with the values of the business document: its first price, its utilisation, its first demand."""
    prices, demand = offers(inputs), inputs.business["cost_optimization"]["demand"]
    values = next((one["values"] for one in pools(inputs)), _without_demand(inputs))
    utilisation = inputs.business["basis"]["utilisation"]
    busy = utilisation["user"] or utilisation["full"]
    return [
        (
            "Price",
            [
                Field("price", "USD an hour", prices[0]["point"] if prices else None),
                Field("utilisation", "Utilisation for the cost of tokens, %", busy * 100, high=100),
            ],
        ),
        (
            "Demand",
            [
                Field("requests", "Requests a day", values["requests"]),
                Field("peak", "Busiest time, times the mean", values["peak"], 1),
                Field("spare", "Of each machine kept free, %", demand.get("spare", 0.0) * 100, high=95),
                Field("prompt", "Prompt tokens", values["prompt"], 1),
                Field("answer", "Answer tokens", values["answer"], 1),
            ],
        ),
        (
            "Limits of the typical request",
            [
                Field("ttft_ms", "First token within, ms", values["ttft_ms"]),
                Field("tpot_ms", "Each further token within, ms", values["tpot_ms"]),
            ],
        ),
    ]


def _without_demand(inputs: ReportInputs) -> Mapping[str, float | None]:
    """Values of the fields where no demand is stated: lengths as measured, limits of the interactive tier."""
    limits = inputs.business["performance_tiers"]["thresholds"]["interactive"]
    nothing = dict.fromkeys(("requests", "prompt", "answer"))
    return nothing | {"peak": 1.0} | {name: limits.get(name) for name in LIMITS}


def pools(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The parts of the stated demand as values of the fields."""
    return [
        {
            "name": pool["name"],
            "values": {
                "requests": pool["requests_per_day"],
                "peak": pool.get("peak_factor", 1.0),
                "prompt": pool["prompt_tokens"],
                "answer": pool["answer_tokens"],
                **{name: (pool.get("slo") or {}).get(name) for name in LIMITS},
            },
        }
        for pool in inputs.business["cost_optimization"]["demand"].get("pools") or []
    ]


def offers(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Prices that the business document uses, each once: {id, label, shown, point, low, high} in USD an hour."""
    prices = {row["price"]["price_id"]: row["price"] for row in inputs.business["costs"] if row["price"] is not None}
    return [
        {
            "id": name,
            "label": price["label"] + (f", {price['purchase']}, as of {price['as_of']}" if price["as_of"] else ""),
            "shown": shown(price["usd_per_hour"]["point"]),
            **price["usd_per_hour"],
        }
        for name, price in prices.items()
    ]


def explorer(inputs: ReportInputs) -> dict[str, Any]:
    """What the script computes with; times in ms, rates in tokens/s, each {point, low, high}."""
    return {
        "offers": offers(inputs),
        "pools": pools(inputs),
        "hours_per_month": HOURS_PER_MONTH,
        "load": "under the measured load" if "load" in inputs.statistics else "with one request in flight",
        "has_tiers": any(inputs.business["performance_tiers"]["thresholds"].values()),
        "rows": _rows(inputs),
    }


def _rows(inputs: ReportInputs) -> list[dict[str, Any]]:
    """A row an engine and test case that the business document tells of."""
    places = {engine["name"]: number for number, engine in enumerate(inputs.engines)}
    tiers = {
        (row["engine"], row["workload"], row["case"]): row["tier"]
        for row in inputs.business["performance_tiers"]["engines"]
    }
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for cost in inputs.business["costs"]:
        key = (cost["engine"], cost["workload"], cost["case"])
        if cost["case"] is None:
            continue
        row = found.setdefault(key, {"engine": places[cost["engine"]], "offers": []} | _measured(inputs, cost))
        row["tier"] = tiers.get(key)
        if cost["price"] is not None:
            row["offers"].append(cost["price"]["price_id"])
    return list(found.values())


def _measured(inputs: ReportInputs, cost: Document) -> dict[str, Any]:
    """Lengths, rate and times of one engine in one test case, and why it is not ranked, if so."""
    engine, place = cost["engine"], Cell(cost["workload"], cost["case"])
    rate, work = cost["tokens_per_s"], inputs.results.work(engine, place)
    prompt, answer = work or (None, None)
    loaded = inputs.results.load(engine, place) is not None
    held = inputs.results.levels_at_limits(engine, place)
    return {
        "workload": place.workload,
        "case": place.case,
        "prompt": prompt,
        "answer": answer,
        "rate": rate and {key: rate[key] for key in ("point", "low", "high")},
        **({"served": inputs.results.estimate(engine, place, "requests_per_s")} if loaded else {}),
        **({"at_limits": held[:1] == [place]} if loaded else {}),
        **{name: inputs.results.estimate(engine, place, name) for name in LIMITS},
        "unranked": inputs.results.unranked(place, "e2e_ms").get(engine),
    }
