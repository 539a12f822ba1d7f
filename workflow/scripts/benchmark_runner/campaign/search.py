"""The levels that `search: capacity` has found, and the pilot of a campaign in which they are still to be found.

A pilot is a campaign of its own, of one launch of each engine, in the folder `pilot` of the results: nothing that reads
the campaign's launches sees it. The grid that it finds is a file there; it holds for the folder from then on, whatever
engines or limits come later, so that no launch is measured again by surprise. Who deletes it has it searched anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.campaign.machine import settings_of_launches
from benchmark_runner.configuration.load import longest
from benchmark_runner.configuration.search import LEVELS_OF, is_searched, is_searched_workload, pilot_load
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import read_json, value_at

FOLDER: Final = "pilot"


class Found(NamedTuple):
    """A configuration whose levels are known, or that of the pilot that finds them."""

    config: dict[str, Any]
    told: Mapping[str, Mapping[str, Any]]
    """By workload what its pilot has found, as its file has it."""
    owed: Mapping[str, str]
    """By workload the file that the pilot is to make."""

    def section(self, workload: str) -> dict[str, Any]:
        """What plan.json says of a workload's search; nothing where none was made."""
        return {"search": self.told[workload]} if workload in self.told else {}


def _asked(case: Mapping[str, Any]) -> dict[str, Any]:
    """A test case without levels that a search has found."""
    load = case["load"]
    kept = {key: value for key, value in load.items() if key != LEVELS_OF[load["mode"]] or not is_searched(load)}
    return {**case, "load": kept}


def _file(config: Mapping[str, Any], workload: Mapping[str, Any], model: str) -> Path:
    asked = {
        "cases": [_asked(case) for case in workload["test_cases"]],
        "model": model,
        "system": settings_of_launches(config["system"]),
    }
    return Path(config["benchmark"]["output_dir"], FOLDER, "grids", f"{workload['name']}.{fingerprint(asked)}.json")


def _lacks(case: Mapping[str, Any]) -> bool:
    """Whether the levels of a test case are still to be found."""
    return is_searched(case["load"]) and case["load"].get(LEVELS_OF[case["load"]["mode"]]) is None


def _read_grid(file: Path, workload: Mapping[str, Any]) -> dict[str, Any]:
    """What a pilot has found; raises BenchmarkError where the file holds no levels for a test case that lacks them."""
    grid: dict[str, Any] = read_json(file)
    for number, case in enumerate(workload["test_cases"], start=1):
        found = value_at(grid, f"cases.{number}.levels")
        kinds = (int,) if case["load"]["mode"] == "closed" else (int, float)
        if _lacks(case) and not (isinstance(found, list) and found and all(type(n) in kinds and n > 0 for n in found)):
            raise BenchmarkError(
                f"{file} holds no levels for test case {number}; delete it, and they are searched anew"
            )
    return grid


def _with_grid(workload: dict[str, Any], grid: Mapping[str, Any]) -> dict[str, Any]:
    """The workload with the levels found, in the test cases whose levels were searched."""
    cases = []
    for number, case in enumerate(workload["test_cases"], start=1):
        found = {LEVELS_OF[case["load"]["mode"]]: grid["cases"][str(number)]["levels"]} if _lacks(case) else {}
        cases.append({**case, "load": {**case["load"], **found}})
    return {**workload, "test_cases": cases}


def _measures(workload: Mapping[str, Any], grid: Mapping[str, Any]) -> bool:
    """Whether the levels of a grid are those of the workload, and not others that stand beside `search`."""
    return all(
        case["load"][LEVELS_OF[case["load"]["mode"]]] == value_at(grid, f"cases.{number}.levels")
        for number, case in enumerate(workload["test_cases"], start=1)
        if is_searched(case["load"])
    )


def _pilot(config: Mapping[str, Any], workloads: list[dict[str, Any]]) -> dict[str, Any]:
    """The configuration of the pilot for some workloads: one launch of each engine, and nothing to be judged."""
    slo, benchmark = config["analysis"]["slo"], config["benchmark"]
    tried = []
    for workload in workloads:
        cases = [
            {**case, "load": pilot_load(case["load"], slo, longest(case["max_tokens"]))}
            if is_searched(case["load"])
            else case
            for case in workload["test_cases"]
        ]
        tried.append({**workload, "test_cases": cases})
    own = {
        "name": f"{benchmark['name']}: pilot",
        "output_dir": str(Path(benchmark["output_dir"], FOLDER)),
        "launches": 1,
        "control": False,
        "allow_underpowered": True,
        "headline": dict.fromkeys(benchmark["headline"]),
    }
    return {**config, "benchmark": {**benchmark, **own}, "workloads": tried}


def found_levels(config: dict[str, Any], model: str) -> Found:
    """What is known of a sound configuration's levels; a grid is for one model, by its identity.

    Raises BenchmarkError where a grid's file cannot be read.
    """
    told, owed, workloads, lacking = {}, {}, [], []
    for workload in config["workloads"]:
        if is_searched_workload(workload):
            file = _file(config, workload, model)
            if file.is_file():
                grid = _read_grid(file, workload)
                workloads.append(_with_grid(workload, grid))
                if _measures(workloads[-1], grid):
                    told[workload["name"]] = grid
                continue
            if any(map(_lacks, workload["test_cases"])):
                owed[workload["name"]] = str(file)
                lacking.append(workload)
        workloads.append(workload)
    if owed:
        return Found(_pilot(config, lacking), {}, owed)
    return Found({**config, "workloads": workloads}, told, {})
