"""Dated facts about the engines' projects, to be weighed beside speed; a missing fact is unknown, never a score."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Final

from benchmark_runner.business.datafile import parse_date, read_data_file

FACT_NAMES: Final = (
    "licence",
    "first_commit",
    "latest_known_release",
    "days_since_release",
    "release_cadence",
    "authors",
    "authors_last_12_months",
    "top_author_share",
    "backends",
    "declared_stability",
    "known_limits",
)
UNKNOWN: Final[dict[str, str | None]] = {"value": None, "reason": "unknown", "as_of": None, "source": None}


def read_facts(path: Path) -> list[dict[str, Any]]:
    """Projects of the facts file, each {names, adapters, project, facts}."""
    content = read_data_file(path, "engine_facts", "it comes with the workflow: restore it from git")
    projects: list[dict[str, Any]] = content["engines"]
    return projects


def risk_facts(
    projects: list[dict[str, Any]], engine: str, adapter: str | None, measured_version: str | None, today: datetime.date
) -> dict[str, Any]:
    """Facts of one engine, found by its adapter's folder or else by its name.

    Each fact is {value, as_of, source} or {value: null, reason: "unknown"}. measured_version is what the engine said of
    itself; it is a measurement and not from the file.
    """
    project = next((p for p in projects if adapter is not None and adapter in p["adapters"]), None)
    if project is None:
        project = next((p for p in projects if engine in p["names"]), None)
    known = {} if project is None else dict(project["facts"])
    release = known.get("latest_known_release")
    if release is not None and "released" in release:
        released = parse_date(release["released"], f"engine facts: {engine}: released")
        known["days_since_release"] = {
            "value": (today - released).days,
            "as_of": today.isoformat(),
            "source": f"days from {released.isoformat()} on; a later release may exist",
        }
    return {
        "project": None if project is None else project["project"],
        "measured_version": measured_version,
        "facts": {name: known.get(name, dict(UNKNOWN)) for name in FACT_NAMES},
    }
