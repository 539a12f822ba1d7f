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
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import write_json
from benchmark_runner.statistics import power

ASSUMED_CV: Final = 0.04
"""Spread of an engine's launch medians where no record of this machine tells it; reference campaigns on shared
two-core machines lay between 0.02 and 0.06 (chosen in between)."""

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


def in_words(plan: Mapping[str, Any]) -> str:
    """The plan in a few lines for the terminal and the log."""
    found = plan["power"]
    engines = ", ".join(engine["name"] for engine in plan["engines"])
    lines = [
        f"{plan['campaign']['name']}: {len(plan['order'])} launches = {plan['campaign']['launches']} blocks of "
        f"{len(plan['engines'])} engines ({engines}) x {len(plan['workloads'])} workloads",
    ]
    if not found["can_reach_significance"]:
        lines.append(
            f"{found['launches']} launches cannot reach significance in {found['tests']} tests; "
            f"{found['fewest_launches']} can: set benchmark.launches. Verdicts will read `untestable`."
        )
    elif found["smallest_detectable_ratio"] is not None:
        percent = 100.0 * (found["smallest_detectable_ratio"] - 1.0)
        lines.append(
            f"smallest difference found with {found['power']:.0%} power: {percent:.1f} %, "
            f"if launches vary by {found['assumed_cv']:.0%}"
        )
    return "\n".join(lines)


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
