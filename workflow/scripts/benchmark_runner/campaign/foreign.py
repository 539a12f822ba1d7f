"""A results folder that somebody else made: looked at whole before a name, path or number in it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.resolve import with_defaults
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import parse_strict
from benchmark_runner.namedfile import read_named_bytes
from benchmark_runner.records.unlike import MEASURED
from benchmark_runner.schemas import first_violation, schema
from benchmark_runner.terminal import printable

LARGEST_BYTES: Final = 256 * 1024 * 1024
"""Of a plan with 100,000 launches a tenth (chosen)."""

_MOST_LAUNCHES: Final = 10_000_000
_IDENTITY: Final = re.compile(r"[0-9a-f]{12}")

_LEFT_BEHIND: Final = "events.jsonl"
"""A killed launch leaves a link of this name to where it worked; nothing reads or writes there."""

_REMEDY: Final = "this is not as a campaign leaves its folder: copy it again from where it was measured"


def read_foreign(path: Path, schema: str, remedy: str = _REMEDY) -> dict[str, Any]:
    """A JSON file of the folder; raises BenchmarkError that names it where it is not as its schema says."""
    try:
        content = parse_strict(read_named_bytes(path, LARGEST_BYTES).decode("utf-8"))
        wrong = first_violation(schema, content)
    except (BenchmarkError, ValueError) as error:
        wrong = str(error)
    except RecursionError:
        wrong = "lists within lists without end"
    if wrong is not None:
        raise BenchmarkError(f"{path}: {printable(wrong)}; {remedy}")
    found: dict[str, Any] = content
    return found


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def require_plain(folder: Path) -> None:
    """Raise BenchmarkError for a link that leads out of the folder, and for what is neither file, folder nor link."""
    inside = folder.resolve()
    for entry in _entries(inside):
        if entry.is_symlink():
            if entry.name != _LEFT_BEHIND and not Path(entry.path).resolve().is_relative_to(inside):
                raise BenchmarkError(f"{printable(entry.path)} is a link that leads out of {folder}; {_REMEDY}")
        elif not entry.is_file(follow_symlinks=False) and not entry.is_dir(follow_symlinks=False):
            raise BenchmarkError(f"{printable(entry.path)} is neither a file nor a folder; {_REMEDY}")


def _is_place(row: Any, engines: set[str], workloads: set[str]) -> bool:
    """Whether a row of the order is a launch of the plan; ten thousand of them take a schema seconds."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in ("engine", "workload", "identity", "folder"))
        and row["engine"] in engines
        and row["workload"] in workloads
        and all(type(row.get(key)) is int and 0 < row[key] <= _MOST_LAUNCHES for key in ("position", "block"))
        and _IDENTITY.fullmatch(row["identity"]) is not None
    )


def require_places(order: Sequence[Mapping[str, Any]], folders: int, path: Path) -> None:
    """Raise BenchmarkError where a launch of a campaign that was joined from so many folders says not where it was
    measured."""
    for row in order:
        measured = row.get(MEASURED)
        numbers = [measured.get(key) for key in ("in", "block")] if isinstance(measured, dict) else [None]
        if any(type(one) is not int for one in numbers) or numbers[0] not in range(folders):
            raise BenchmarkError(f"{path}: order: {printable(row):.300} says not where it was measured; {_REMEDY}")


def require_configuration(config: Mapping[str, Any], path: Path) -> None:
    """Raise BenchmarkError that names key and file where the configuration in a plan is none."""
    if (wrong := first_violation("config", with_defaults(config, schema("config")))) is not None:
        raise BenchmarkError(f"{path}: config.{printable(wrong):.400}; {_REMEDY}")


def require_consistent(plan: Mapping[str, Any], path: Path) -> None:
    """Raise BenchmarkError where the plan has an engine, workload or launch twice, or names what it has not."""
    names = {key: [entry["name"] for entry in plan[key]] for key in ("engines", "workloads")}
    engines, workloads = (set(found) for found in names.values())
    for row in plan["order"]:
        if not _is_place(row, engines, workloads):
            raise BenchmarkError(f"{path}: order: {printable(row):.300} is no launch of this plan; {_REMEDY}")
    if (joined := plan["campaign"].get("joined")) is not None:
        require_places(plan["order"], len(joined["folders"]), path)
    cases = {
        (engine, one["name"], case["name"]) for engine in engines for one in plan["workloads"] for case in one["cases"]
    }
    left_out = [(row["engine"], row["workload"], row["case"]) for row in plan.get("not_asked", ())]
    if not cases.issuperset(left_out):
        raise BenchmarkError(f"{path}: not_asked: it names a test case that is not there; {_REMEDY}")
    places = [(row["engine"], row["workload"], row["block"]) for row in plan["order"]]
    for key, found in (*names.items(), ("order", places), ("not_asked", left_out)):
        if len(set(found)) < len(found):
            raise BenchmarkError(f"{path}: {key}: something stands there twice; {_REMEDY}")
    if not {plan["campaign"]["control"], *(entry["control_of"] for entry in plan["engines"])} <= {None, *engines}:
        raise BenchmarkError(f"{path}: the control belongs to an engine that is not there; {_REMEDY}")
