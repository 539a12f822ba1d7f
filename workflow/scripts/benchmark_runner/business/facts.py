"""Hand-kept YAML files of dated facts, and what that of the engines' projects says; what is missing is unknown."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.data_files import read_data_file
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import RESTORED

UNKNOWN: Final[dict[str, str | None]] = {
    "value": None,
    "reason": "unknown",
    "as_of": None,
    "source": None,
    "note": None,
}


def parse_date(text: str, where: str) -> datetime.date:
    """Date of a text year-month-day; raises BenchmarkError that says where it stands."""
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError as error:
        raise BenchmarkError(f"{where}: {text} is no date; write year-month-day") from error
    if text != found.isoformat():  # Python takes 20261128 and 2026-W48-6 too, and the files' schemas do not
        raise BenchmarkError(f"{where}: {text} is no date as year-month-day; write {found}")
    return found


def read_facts(path: Path) -> list[dict[str, Any]]:
    """Projects of the facts file, each {names, adapters, project, facts}."""
    content = read_data_file(path, "engine_facts", RESTORED)
    projects: list[dict[str, Any]] = content["engines"]
    return projects


def project_of(projects: Sequence[dict[str, Any]], engine: str, adapter: str | None) -> dict[str, Any] | None:
    """The project of an engine, found by its adapter's folder or else by its name; None where none is known."""
    found = next((one for one in projects if adapter is not None and adapter in one["adapters"]), None)
    return found or next((one for one in projects if engine in one["names"]), None)


def named_facts(
    project: Mapping[str, Any] | None, names: Sequence[str], packages: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Facts of a project by name: {value, as_of, source, note} or a null value with the reason "unknown".

    packages are the versions that were measured; the note tells of a fact that was read of another version.
    """
    known = {} if project is None else project["facts"]
    return {
        name: {**known[name], "note": _other_version(known[name].get("of", {}), packages)}
        if name in known
        else dict(UNKNOWN)
        for name in names
    }


def _other_version(read_of: Mapping[str, str], packages: Mapping[str, str]) -> str | None:
    """That a fact is older or newer than what was measured; None where it is of the same version or none is known."""
    for package, version in read_of.items():
        measured = packages.get(package, version)
        if _numbers(measured) != _numbers(version):
            age = "older" if _numbers(version) < _numbers(measured) else "newer"
            return f"{age} than what was measured: read of {package} {version}, measured {measured}"
    return None


def _numbers(version: str) -> list[int]:
    """The version's numbers in order, of the part that a build's own suffix leaves alone."""
    return [int(digits) for digits in re.findall(r"\d+", version.partition("+")[0])]
