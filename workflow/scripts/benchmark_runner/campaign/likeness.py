"""Whether campaigns that were measured apart are one: what of them must be the same, and what differs, by its key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import simdjson

from benchmark_runner.campaign.machine import settings_of_launches
from benchmark_runner.campaign.recorded import RecordedCampaign
from benchmark_runner.configuration.shortcuts import FOLDERS
from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.jsonio import value_at
from benchmark_runner.protocol.requests import asked_alike
from benchmark_runner.records.unlike import CASES, MUST_MATCH

_OF_ITS_MACHINE: Final = ("binary_path", "build_record")
"""Of an engine: where it lies; what it is, its source and hash tell."""

_ABSENT: Final = object()


@dataclass(frozen=True)
class Part:
    """One of the folders that are joined, with what it tells of itself."""

    folder: Path
    campaign: RecordedCampaign
    plan: Mapping[str, Any]
    environment: Mapping[str, Any]


def measured_part(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What of a plan determines its launches, by keys that a person knows; not where it lies and how many they are."""
    return {
        "engines": {
            engine["name"]: {key: value for key, value in engine.items() if key not in _OF_ITS_MACHINE}
            for engine in plan["engines"]
        },
        "model": {"identity": plan["model"]["identity"]},
        "system": settings_of_launches(plan["config"]["system"]),
        "monitoring": plan["config"]["monitoring"],
        "workloads": {
            workload["name"]: {
                **{key: value for key, value in workload.items() if key not in ("iterations_total", "cases")},
                "cases": {case["name"]: case for case in workload["cases"]},
            }
            for workload in plan["workloads"]
        },
        "not_asked": plan.get("not_asked", []),
        "fidelity": plan["fidelity"],
        "benchmark": {key: plan["campaign"][key] for key in ("baseline", "control", "seed")},
    }


def differences(one: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, value, other value) of all that differs; _ABSENT stands for what is not there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in dict.fromkeys((*one, *other)):
            below = f"{key}.{name}" if key else str(name)
            yield from differences(one.get(name, _ABSENT), other.get(name, _ABSENT), below)
    elif one != other:
        yield key, one, other


def _said(value: Any, folder: Path) -> str:
    return f"absent in {folder}" if value is _ABSENT else f"{shown(value)} in {folder}"


def unlike(key: str, values: Sequence[tuple[Any, Part]]) -> BenchmarkError:
    """The error that two folders differ in a key, whose values are given with the folder of each."""
    told = " and ".join(_said(value, part.folder) for value, part in values)
    first, last = values[0][1].folder, values[-1][1].folder
    return BenchmarkError(
        f"{FOLDERS}: {key} is {told}; what was measured in two ways is not joined, compare the two: snakemake "
        f"--cores 1 compare --config analyze_only=true output_dir={last} against={first}"
    )


def require_one_campaign(first: Part, other: Part) -> None:
    """Raise BenchmarkError that names the first key in which two folders were measured differently."""
    for key, *values in differences(measured_part(first.plan), measured_part(other.plan)):
        raise unlike(key, list(zip(values, (first, other), strict=True)))
    cells = [
        {(row["engine"], row["workload"]): row["identity"] for row in part.plan["order"]} for part in (first, other)
    ]
    for cell in dict.fromkeys((*cells[0], *cells[1])):
        values = [found.get(cell, _ABSENT) for found in cells]
        if values[0] != values[1]:
            version = [_version(part) for part in (first, other)]
            key, values = ("measure_version", version) if version[0] != version[1] else ("identity", values)
            raise unlike(f"{key} of {cell[0]} on {cell[1]}", list(zip(values, (first, other), strict=True)))


def _heads(part: Part) -> Iterator[Mapping[str, Any]]:
    """Heads of the records that are there to their end; raises BenchmarkError for one that is broken or none of the
    plan's."""
    from benchmark_runner.records.raw_data import read_record  # slow to import, and only here

    parser = simdjson.Parser()
    for launch in part.campaign.launches:
        if launch.record not in part.campaign.whole:
            continue
        head = read_record(Path(launch.record), parser).head
        for key in ("engine", "workload", "identity", "block"):
            if head[key] != getattr(launch, key):
                raise BenchmarkError(
                    f"{launch.record}: {key} is {shown(head[key])}, and the plan says {shown(getattr(launch, key))}; "
                    "copy the folder again from where it was measured"
                )
        yield head


def _version(part: Part) -> Any:
    return next((head["measure_version"] for head in _heads(part)), _ABSENT)


def _value(head: Mapping[str, Any], key: str) -> str | None:
    value = value_at(head, key)
    if key == CASES and value is not None:
        value = [asked_alike(case) for case in value]
    return None if value is None else json.dumps(value, sort_keys=True)


def require_poolable_records(parts: Sequence[Part]) -> None:
    """Raise BenchmarkError where a record is broken, differs from those of another folder in what must not differ, or
    is of the same launch as another."""
    seen: dict[tuple[Any, ...], Part] = {}
    values: dict[tuple[str, ...], tuple[str, Part]] = {}
    for part in parts:
        for head in _heads(part):
            launch = (head["host"]["boot_id"], head["started_ns"], head["started_at"], head["engine"], head["workload"])
            if launch in seen:
                raise BenchmarkError(
                    f"{FOLDERS}: {part.folder} and {seen[launch].folder} hold the same launch ({head['engine']} on "
                    f"{head['workload']}, block {head['block']}, {head['started_at']}); a copy is no second launch: "
                    "name folders that were measured apart"
                )
            seen[launch] = part
            for key in MUST_MATCH:
                value = _value(head, key)
                before = values.setdefault((key, head["engine"], head["workload"]), (value, part)) if value else None
                if before and value != before[0]:
                    raise unlike(f"{key} of {head['engine']} on {head['workload']}", [before, (value, part)])
