"""Stage find_levels: from the launches of a pilot to the levels that a campaign under `search: capacity` measures."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import simdjson

from benchmark_runner.commands import command
from benchmark_runner.configuration.load import level_case, levels
from benchmark_runner.configuration.not_asked import as_asked, not_asked
from benchmark_runner.configuration.search import LEVELS_OF, PILOT, levels_around
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.records.parsed_requests import read_requests
from benchmark_runner.records.raw_data import read_record
from benchmark_runner.records.stages import launch_rows
from benchmark_runner.statistics.capacity import capacity_rank
from benchmark_runner.statistics.levels import Load, level_text, load_words, slo_words, unit_of
from benchmark_runner.status import Status


def met(record: Path, names: Sequence[str], slo: Mapping[str, Any]) -> dict[str, bool] | str:
    """Whether a pilot launch kept the limits at each level, by its name; why it tells nothing where it did not end ok.

    Raises BenchmarkError where the record is broken.
    """
    head = read_record(record, simdjson.Parser()).head
    if head["status"] != Status.OK:
        return f"{head['status']}: {head['reason']}"
    rows = launch_rows(head, read_requests(read_json(record)["requests"]), names, slo)
    return {row["case"]: row["slo_met"] for row in rows}


def _edge(tried: Sequence[float], kept: Sequence[bool]) -> tuple[float | None, float | None]:
    rank = capacity_rank(kept)
    return (tried[rank - 1] if rank else None), (tried[rank] if rank < len(kept) else None)


def edge_words(engine: str, load: Load, kept: float | None, missed: float | None) -> str:
    """What a pilot launch has found of an engine."""

    def at(level: float) -> str:
        return load_words({**load, LEVELS_OF[load["mode"]]: level})

    if kept is None and missed is not None:
        return f"{engine} misses the limits {at(missed)} already"
    if missed is None and kept is not None:
        return f"{engine} keeps the limits {at(kept)}, where the search ends"
    assert kept is not None and missed is not None
    return f"{engine} keeps the limits {at(kept)} and misses them {at(missed)}"


def grid_of(load: Mapping[str, Any], found: Mapping[str, Sequence[bool] | str], limits: str) -> dict[str, Any]:
    """The levels to measure of one test case, and what each engine's pilot launch said.

    found: by engine whether it kept the limits, from the lowest level on as far as it was asked, or why it tells
    nothing.
    """
    mode, tried = load["mode"], load[LEVELS_OF[load["mode"]]]
    edges = {engine: _edge(tried, kept) for engine, kept in found.items() if not isinstance(kept, str)}
    lost = [f"{engine} tells nothing ({why})" for engine, why in found.items() if isinstance(why, str)]
    if not edges:
        raise BenchmarkError(
            f"no pilot launch ended ok, so there are no levels to measure: {'; '.join(lost)}; mend that and delete the "
            f"pilot's folder, or write {LEVELS_OF[mode]} in place of search"
        )
    chosen = levels_around(tried, edges.values(), whole=mode == "closed")
    told = [edge_words(engine, load, *edge) for engine, edge in edges.items()]
    return {
        "mode": mode,
        "tried": tried,
        "levels": chosen,
        "engines": [
            {"engine": engine, **dict(zip(("kept", "missed"), edges.get(engine, (None, None)), strict=True))}
            for engine in found
        ],
        "words": f"{', '.join(map(level_text, chosen))} {unit_of(load)}, found by a pilot launch of each engine that "
        f"counts for no verdict, at the limits {limits}: {'; '.join([*told, *lost])}",
    }


def _searched(plan: Mapping[str, Any], workload: str) -> Iterator[tuple[str, Mapping[str, Any], list[str]]]:
    """Number, load and names of the levels of each test case whose levels are searched."""
    entry = next(one for one in plan["config"]["workloads"] if one["name"] == workload)
    for number, case in enumerate(entry["test_cases"], start=1):
        if case["load"].get("search") == PILOT:
            count, load = len(entry["test_cases"]), case["load"]
            yield str(number), load, [level_case(name, number, count) for name, _ in levels(load)]


def _kept(
    found: Mapping[str, bool] | str, levels_of_case: Sequence[str], left_out: Mapping[str, str]
) -> list[bool] | str:
    """Whether an engine kept the limits at each level of a test case that it was asked for, or why it tells nothing."""
    if isinstance(found, str):
        return found
    return [found[one] for one in levels_of_case if one in found] or left_out[levels_of_case[0]]


def document(plan: Mapping[str, Any], workload: str, launches: Path) -> dict[str, Any]:
    """What the pilot has found for a workload; raises BenchmarkError where no launch tells."""
    slo = plan["config"]["analysis"]["slo"]
    planned = next(one for one in plan["workloads"] if one["name"] == workload)
    rows = [row for row in plan["order"] if row["workload"] == workload]
    found = {
        row["engine"]: met(
            launches / row["engine"] / f"{workload}.{row['identity']}" / str(row["block"]) / "record.json",
            [case["name"] for case in as_asked(plan, row["engine"], planned)["cases"]],
            slo,
        )
        for engine in plan["engines"]
        for row in rows
        if row["engine"] == engine["name"]
    }
    return {
        "schema_version": 1,
        "workload": workload,
        "slo": slo,
        "cases": {
            number: grid_of(
                load,
                {name: _kept(kept, own, not_asked(plan, name, workload)) for name, kept in found.items()},
                slo_words(slo),
            )
            for number, load, own in _searched(plan, workload)
        },
    }


def main(argv: Sequence[str]) -> int:
    """Write the levels that the pilot of a workload has found."""
    parser = command("planning.search", __doc__, "plan", out="the levels")
    parser.add_argument("--workload", required=True, help="workload whose levels are searched")
    parser.add_argument("--launches", type=Path, required=True, help="folder with the pilot's launches")
    arguments = parser.parse_args(argv)
    found = document(read_json(arguments.plan), arguments.workload, arguments.launches)
    write_json(arguments.out, found)
    for grid in found["cases"].values():
        print(f"{arguments.workload}: {grid['words']}")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
