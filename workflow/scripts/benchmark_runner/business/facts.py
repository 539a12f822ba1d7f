"""Hand-kept YAML files of dated facts, and what that of the engines' projects says; what is missing is unknown."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark_runner.configuration.plain import require_bounded
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import read_named_text
from benchmark_runner.schemas import require_valid

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


class _DatesAsText(yaml.SafeLoader):
    """YAML whose dates stay text, so that the schema judges them and the document can hold them."""


_DatesAsText.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_data_file(path: Path, schema_name: str, remedy: str) -> Any:
    """Content of a YAML file that keeps its schema; raises BenchmarkError where it is missing or broken."""
    try:
        text = read_named_text(path)
        require_bounded(yaml.compose(text))
        content = yaml.load(text, Loader=_DatesAsText)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}; {remedy}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BenchmarkError(f"{path} is not valid YAML: {error}") from error
    require_valid(schema_name, content, str(path))
    return content


def parse_date(text: str, where: str) -> datetime.date:
    """Date of a text year-month-day; raises BenchmarkError that says where it stands."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise BenchmarkError(f"{where}: {text} is no date; write year-month-day") from error


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
