"""risk_assessment: dated facts on depending on each engine's project; nothing is scored, what is not known is named."""

from __future__ import annotations

import datetime
from typing import Any, Final

from benchmark_runner.business.engines import MeasuredEngine
from benchmark_runner.business.facts import parse_date

FACTS: Final = (
    "licence",
    "first_commit",
    "latest_known_release",
    "days_since_release",
    "release_cadence",
    "authors",
    "authors_last_12_months",
    "top_author_share",
    "bus_factor",
    "declared_stability",
    "vulnerabilities",
    "breaking_changes",
    "known_limits",
)


def risk_assessment(engine: MeasuredEngine, measured_version: str | None, today: datetime.date) -> dict[str, Any]:
    """The row of one engine; measured_version is what it said of itself, which is a measurement and no fact."""
    facts = engine.facts(FACTS)
    released = facts["latest_known_release"].get("released")
    if released is not None:
        day = parse_date(released, f"engine facts: {engine.name}: released")
        facts["days_since_release"] = {
            "value": (today - day).days,
            "as_of": today.isoformat(),
            "source": f"days from {day.isoformat()} on; a later release may exist",
            "note": None,
        }
    return engine.row(
        measured_version=measured_version,
        unknown=[name for name, fact in facts.items() if fact["value"] is None],
        of_other_versions=[name for name, fact in facts.items() if fact["note"] is not None],
        facts=facts,
    )
