"""Stage plan: writes plan.json, which launches in which order, and what they can find out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.display import plural
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import write_json
from benchmark_runner.statistics import power

ASSUMED_CV: Final = 0.04
"""Spread of an engine's launch medians before anything is measured (chosen); the report tells how much they varied."""

POWER: Final = power.DEFAULT_POWER


def power_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What the design can find: family of tests, fewest launches, smallest detectable ratio."""
    engines = [engine["name"] for engine in plan["engines"] if engine["control_of"] is None]
    cells = sum(len(workload["cases"]) for workload in plan["workloads"])
    tests = power.family_size(len(engines), cells)
    launches = plan["campaign"]["launches"]
    alpha = 1.0 - plan["config"]["analysis"]["confidence_level"]
    needed = power.fewest_launches(max(tests, 1), alpha)
    return {
        "tests": tests,
        "family": "all pairs of engines without the control, in each test case, on end-to-end latency",
        "alpha": alpha,
        "launches": launches,
        "fewest_launches": needed,
        "can_reach_significance": launches >= needed,
        "assumed_cv": ASSUMED_CV,
        "power": POWER,
        "smallest_detectable_ratio": power.smallest_detectable_ratio(launches, ASSUMED_CV, max(tests, 1), alpha, POWER),
    }


def findable(found: Mapping[str, Any]) -> str:
    """In one sentence: the smallest difference that the design can find, or the launches that it lacks."""
    tests = plural(found["tests"], "test")
    if found["tests"] == 0:
        return "there is no pair of engines to compare"
    if not found["can_reach_significance"]:
        return (
            f"{plural(found['launches'], 'launch')} cannot reach significance in {tests}; "
            f"{found['fewest_launches']} can: set benchmark.launches. Verdicts will read `untestable`"
        )
    if found["smallest_detectable_ratio"] is None:
        return f"no difference up to 100 times is found with {found['power']:.0%} power: set benchmark.launches higher"
    percent = 100.0 * (found["smallest_detectable_ratio"] - 1.0)
    return (
        f"smallest difference found with {found['power']:.0%} power in {tests}: {percent:.1f} %, "
        f"if launches vary by {found['assumed_cv']:.0%} (assumed; the report tells how much they did)"
    )


def launches_in_words(plan: Mapping[str, Any]) -> str:
    """How many launches there are, and of what."""
    engines, workloads = plan["engines"], plan["workloads"]
    names = ", ".join(engine["name"] for engine in engines)
    return (
        f"{plural(len(plan['order']), 'launch')} = {plural(plan['campaign']['launches'], 'block')} of "
        f"{plural(len(engines), 'engine')} ({names}) x {plural(len(workloads), 'workload')}"
    )


def in_words(plan: Mapping[str, Any]) -> str:
    """The plan in two lines for the terminal and the log."""
    return f"{plan['campaign']['name']}: {launches_in_words(plan)}\n{findable(plan['power'])}"


def main(argv: Sequence[str]) -> int:
    """Write plan.json of a resolved configuration; prints it in words."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.plan", description=__doc__)
    parser.add_argument("--config", type=json.loads, required=True, help="resolved configuration as JSON")
    parser.add_argument("--engines-folder", type=Path, required=True, help="folder with the adapters")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    plan = load_campaign(arguments.config, [], arguments.engines_folder).plan()
    plan["power"] = power_of(plan)
    write_json(arguments.out, plan)
    print(in_words(plan))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
