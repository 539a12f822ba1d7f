"""business_recommendations.json: its parts put together, each made in a file of its own."""

from __future__ import annotations

from typing import Any, Final

from benchmark_runner.business.break_even import break_even
from benchmark_runner.business.demand import cost_optimization
from benchmark_runner.business.development_effort import development_effort
from benchmark_runner.business.engines import MeasuredEngine
from benchmark_runner.business.hardware import hardware_requirements
from benchmark_runner.business.infrastructure import (
    ages_of,
    basis,
    cost_rows,
    infrastructure_costs,
    price_states,
)
from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.migration_paths import migration_path
from benchmark_runner.business.operational_overhead import operational_overhead
from benchmark_runner.business.risk_assessment import risk_assessment
from benchmark_runner.business.tiers import performance_tiers

SCHEMA_VERSION: Final = 1


def business_document(inputs: BusinessInputs) -> dict[str, Any]:
    """The whole document; every figure in it is measured, dated with its source, or null with its reason."""
    ages = ages_of(inputs)
    costs = [row for engine in inputs.engines for row in cost_rows(inputs, engine, ages)]
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": inputs.statistics["campaign"],
        "computed_at": inputs.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "basis": basis(inputs),
        "prices": price_states(inputs, ages),
        "costs": costs,
        "break_even": break_even(inputs),
        "hardware_requirements": hardware_requirements(inputs, ages),
        "infrastructure_costs": infrastructure_costs(inputs, costs, ages),
        "cost_optimization": cost_optimization(inputs, ages),
        "performance_tiers": performance_tiers(inputs),
        **_project_parts(inputs),
        "recommendations": inputs.performance["advice"],
    }


def _project_parts(inputs: BusinessInputs) -> dict[str, Any]:
    """What depends on the engines as projects: effort, operation, risk, and the ways from the baseline to them."""
    measured = {entry["name"]: MeasuredEngine.of(inputs, entry["name"]) for entry in inputs.engines}
    baseline = inputs.statistics["campaign"]["baseline"]
    return {
        "development_effort": [development_effort(engine) for engine in measured.values()],
        "operational_overhead": [operational_overhead(engine) for engine in measured.values()],
        "risk_assessment": [
            risk_assessment(measured[entry["name"]], entry["version"], inputs.now.date()) for entry in inputs.engines
        ],
        "migration_paths": [
            migration_path(measured[baseline], measured[entry["name"]], entry["fidelity"])
            for entry in inputs.engines
            if entry["name"] != baseline
        ],
    }
