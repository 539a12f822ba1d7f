"""All records of one engine in one file: validated, checked to belong to the plan, nothing dropped."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import simdjson

from benchmark_runner.commands import command
from benchmark_runner.configuration.not_asked import as_asked
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, read_valid
from benchmark_runner.records.checksum import KEY as CHECKSUM
from benchmark_runner.records.raw_data import RawRecord, read_record, write_raw
from benchmark_runner.records.unlike import MEASURED, by_workload, refuse_unlike, unlike_launches
from benchmark_runner.records.whole import record_head

SCHEMA_VERSION: Final = 1

PLACE: Final = ("workload", "identity", "block")
"""Keys that tell one launch of an engine from another."""


def planned_places(plan: Mapping[str, Any], engine: str) -> set[tuple[Any, ...]]:
    """PLACE of each launch of an engine, and how each begins."""
    own = [tuple(slot[key] for key in PLACE) for slot in plan["order"] if slot["engine"] == engine]
    return {place[:depth] for place in own for depth in range(1, len(PLACE) + 1)}


def require_planned(places: Container[tuple[Any, ...]], engine: str, record: Mapping[str, Any], where: str) -> None:
    """Raise BenchmarkError unless the record is one of the plan's launches of the engine, whose places are
    planned_places."""
    if record["engine"] != engine:
        raise BenchmarkError(
            f"{where}: engine is {record['engine']!r}, not {engine!r}; give each engine its own records"
        )
    place = tuple(record[key] for key in PLACE)
    for depth, key in enumerate(PLACE, start=1):
        if place[:depth] not in places:
            raise BenchmarkError(
                f"{where}: {key} {record[key]!r} is not part of the plan for {engine} {record['workload']}; "
                "leave this record out (it stays in the results folder for the configuration that made it)"
            )


def _planned_engine(plan: Mapping[str, Any], engine: str) -> Mapping[str, Any]:
    """The engine's entry in the plan; raises BenchmarkError where it has none."""
    planned: Mapping[str, Any] | None = next((entry for entry in plan["engines"] if entry["name"] == engine), None)
    if planned is None:
        raise BenchmarkError(f"{engine!r} is no engine of the plan; it has {[e['name'] for e in plan['engines']]}")
    return planned


def planned(plan: Mapping[str, Any], engine: str, records: Iterable[tuple[str, RawRecord]]) -> Iterator[RawRecord]:
    """The records (each with where it came from) as they come.

    Raises BenchmarkError for one that the plan does not know, or that appears twice.
    """
    _planned_engine(plan, engine)
    places = planned_places(plan, engine)
    seen: dict[tuple[str, int], str] = {}
    for where, record in records:
        require_planned(places, engine, record.head, where)
        cell = (record.head["workload"], record.head["block"])
        if cell in seen:
            raise BenchmarkError(f"{where}: block {cell[1]} of {cell[0]} is already in {seen[cell]}; give it once")
        seen[cell] = where
        yield record


def describe(
    plan: Mapping[str, Any], engine: str, fidelity: Mapping[str, Any] | None, heads: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What raw_data/<engine>.json says of all launches.

    Raises BenchmarkError where they differ in a MUST_MATCH key. Launches that are planned but have no record are left
    to the statistics, which count them.
    """
    for workload, group in by_workload(heads).items():
        refuse_unlike(group, f"{engine} {workload}")
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": engine,
        "control_of": _planned_engine(plan, engine)["control_of"],
        "baseline": plan["campaign"]["baseline"] == engine,
        "campaign": plan["campaign"],
        "workloads": [as_asked(plan, engine, workload) for workload in plan["workloads"]],
        "fidelity": fidelity,
        "unlike": unlike_launches(heads),
        "without_checksum": sum(CHECKSUM not in head for head in heads),
    }


def records_below(
    plan: Mapping[str, Any], engine: str, engine_folder: Path
) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """(place in the plan, record) of the launches of an engine that are there to their end, in launch order."""
    for slot in plan["order"]:
        if slot["engine"] == engine:
            record = engine_folder / f"{slot['workload']}.{slot['identity']}" / str(slot["block"]) / "record.json"
            if record_head(record) is not None:
                yield slot, record


def in_its_place(slot: Mapping[str, Any], record: RawRecord, where: str) -> RawRecord:
    """A record with the block and the position that the plan gives it, which of a joined campaign are not those that it
    was measured under. Raises BenchmarkError where it was measured in another block than the plan says."""
    measured = slot.get(MEASURED)
    if measured is None:
        return record
    if record.head["block"] != measured["block"]:
        raise BenchmarkError(
            f"{where}: was measured as block {record.head['block']}, and the plan says {measured['block']}; join the "
            "folders anew into another one"
        )
    return replace(record, head={**record.head, "block": slot["block"], "position": slot["position"]})


def other_identities(plan: Mapping[str, Any], engine: str, engine_folder: Path) -> list[dict[str, Any]]:
    """Launches of the engine in the results folder that are none of the plan's: listed, never pooled.

    They belong to another configuration, or to more launches than the plan has now.
    """
    planned: dict[str, set[str]] = {}
    for slot in plan["order"]:
        if slot["engine"] == engine:
            planned.setdefault(f"{slot['workload']}.{slot['identity']}", set()).add(str(slot["block"]))
    found = []
    for folder in sorted(engine_folder.glob("*.*")):
        workload, _, identity = folder.name.rpartition(".")
        blocks = {record.parent.name for record in folder.glob("*/record.json")} - planned.get(folder.name, set())
        if blocks:
            found.append({"workload": workload, "identity": identity, "launches": len(blocks)})
    return found


def main(argv: Sequence[str]) -> int:
    """Write raw_data/<engine>.json."""
    parser = command("records.collect", __doc__, "plan", out="raw_data/<engine>.json")
    parser.add_argument("--engine", required=True, help="engine whose records are collected")
    parser.add_argument("--fidelity", type=Path, nargs="?", help="fidelity/<engine>.json, where there is one")
    words = "launches/<engine>: the plan's records that are there to their end"
    parser.add_argument("--launches", type=Path, required=True, help=words)
    parser.add_argument("--records", type=int, help="number of them that was seen; another one is an error")
    args = parser.parse_args(argv)
    plan = read_json(args.plan)
    fidelity = read_valid("fidelity", args.fidelity) if args.fidelity else None
    files = list(records_below(plan, args.engine, args.launches))
    if args.records not in (None, len(files)):
        raise BenchmarkError(
            f"{args.launches}: {len(files)} records are there to their end, not {args.records} as this command found; "
            "run it again, which measures what is missing"
        )
    others = other_identities(plan, args.engine, args.launches)
    json_parser = simdjson.Parser()  # one for all, since its memory for a long record takes time to get
    read = ((str(path), in_its_place(slot, read_record(path, json_parser), str(path))) for slot, path in files)
    records = planned(plan, args.engine, read)

    described_as: dict[str, Any] = {}

    def described(heads: list[Mapping[str, Any]]) -> dict[str, Any]:
        described_as.update(describe(plan, args.engine, fidelity, heads), not_part_of_campaign=others)
        return described_as

    count = write_raw(args.out, records, described)
    bare = described_as["without_checksum"]
    print(f"{args.engine}: {count} launches collected{f', {bare} of them without checksum' if bare else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
