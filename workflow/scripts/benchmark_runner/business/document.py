"""business_recommendations.json: its parts put together, each made in a file of its own."""

from __future__ import annotations

import datetime
from typing import Any, Final

from benchmark_runner.business.facts import risk_facts
from benchmark_runner.business.infrastructure import ages_of, basis, break_even, cost_rows, price_states
from benchmark_runner.business.inputs import BusinessInputs

SCHEMA_VERSION: Final = 1


def business_document(inputs: BusinessInputs) -> dict[str, Any]:
    """The whole document; every figure in it is measured, dated with its source, or null with its reason."""
    ages, engines = ages_of(inputs), inputs.engines
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": inputs.statistics["campaign"],
        "computed_at": inputs.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "basis": basis(inputs),
        "prices": price_states(inputs, ages),
        "costs": [row for engine in engines for row in cost_rows(inputs, engine, ages)],
        "break_even": break_even(inputs),
        "risk": [_risk(inputs, engine, inputs.now.date()) for engine in engines],
        "recommendations": inputs.performance["advice"],
    }


def _risk(inputs: BusinessInputs, engine: dict[str, Any], today: datetime.date) -> dict[str, Any]:
    planned = next((e for e in inputs.plan["engines"] if e["name"] == engine["name"]), None)
    adapter = None if planned is None else planned["adapter"]
    return {"engine": engine["name"]} | risk_facts(inputs.facts, engine["name"], adapter, engine["version"], today)
