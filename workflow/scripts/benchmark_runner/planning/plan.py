"""Stage plan: writes plan.json, which launches in which order, and what they can find out."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.asking import untested
from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.machine import this_machine
from benchmark_runner.commands import command
from benchmark_runner.display import percent, plural
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.planning.minutes import expected, minutes_of_blocks, rows_that_take_time
from benchmark_runner.planning.promise import smallest_ratio
from benchmark_runner.planning.spread import Spread, measured_spread
from benchmark_runner.statistics import power
from benchmark_runner.statistics.design import SPARE, Design, design_of
from benchmark_runner.statistics.inputs import not_restarted
from benchmark_runner.statistics.planned import wanted_launches
from benchmark_runner.terminal import printable

ASSUMED_CV: Final = 0.04
"""Spread of an engine's launch medians, blocks apart, where nothing was measured on this machine before (reference
recipe)."""

POWER: Final = power.DEFAULT_POWER


def plan_design(plan: Mapping[str, Any]) -> Design:
    """The primary family of a plan and what it takes."""
    engines = sum(engine["control_of"] is None for engine in plan["engines"])
    cells = sum(len(workload["cases"]) for workload in plan["workloads"])
    missing = untested(plan)
    return design_of(engines, cells, wanted_launches(plan["campaign"]), plan["config"]["analysis"], missing)


def controls_of(plan: Mapping[str, Any]) -> int:
    """How many controls a plan has, whose pairs count for the spread of all."""
    return sum(engine["control_of"] is not None for engine in plan["engines"])


def power_of(plan: Mapping[str, Any], spread: Spread | None) -> dict[str, Any]:
    """What the design can find: family of tests, fewest launches, smallest detectable ratio.

    spread is how much launches differed from those of their block on this machine before; None assumes ASSUMED_CV. cv
    is the same as the coefficient of variation of one engine's launches, were those of a block independent.
    """
    design = plan_design(plan)
    launches = design.launches
    differences = power.sd_of_log_ratios(ASSUMED_CV) if spread is None else spread.of_differences
    return {
        "tests": design.tests,
        "family": "all pairs of engines without the control, in each test case, on end-to-end latency",
        "alpha": design.alpha,
        "alpha_of_look": design.alpha_of_look,
        "significance_test": design.scheme.name,
        "launches": launches,
        "fewest_launches": design.needed,
        "can_reach_significance": design.can_answer,
        "cv": math.sqrt(math.expm1(differences**2 / 2.0)),
        "cv_source": "assumed" if spread is None else "past records of this machine",
        "cv_launches": 0 if spread is None else spread.launches,
        "power": POWER,
        "smallest_detectable_ratio": smallest_ratio(design, differences, POWER, controls_of(plan)),
    }


def expected_of(plan: Mapping[str, Any], output_dir: Path, *, has_gpu: bool) -> dict[str, Any]:
    """Minutes of all launches and hours of a GPU, by finished launches of the same kind; null with a reason where none
    is known."""
    rows = rows_that_take_time(plan)
    everything = expected(rows, [], output_dir)
    on_gpu = {engine["name"] for engine in plan["engines"] if has_gpu and engine["build_device"] != "cpu"}
    gpu = expected([row for row in rows if row["engine"] in on_gpu], [], output_dir)
    gpu_minutes = 0.0 if not on_gpu else gpu.total_minutes
    return {
        "minutes": everything.total_minutes,
        "gpu_hours": None if gpu_minutes is None else gpu_minutes / 60.0,
        "known_launches": everything.known,
        "reason": everything.reason,
    }


def _spread_in_words(found: Mapping[str, Any]) -> str:
    if found["cv_source"] == "assumed":
        return f"if launches vary by {percent(found['cv'])} (assumed; the report tells how much they did)"
    before = f"{plural(found['cv_launches'], 'launch')} did on this machine before"
    return f"if launches vary as {before}, by {percent(found['cv'], 1)}"


def findable(found: Mapping[str, Any]) -> str:
    """In one sentence: the smallest difference that the design can find, or the launches that it lacks."""
    tests = plural(found["tests"], "test")
    if found["tests"] == 0:
        return "there is no pair of engines to compare"
    if not found["can_reach_significance"]:
        return (
            f"{plural(found['launches'], 'launch')} cannot reach significance in {tests}; "
            f"{found['fewest_launches']} can: set benchmark.launches to {found['fewest_launches'] + SPARE}, so that "
            "one is to spare. Verdicts will read `untestable`"
        )
    power = percent(found["power"])
    if found["smallest_detectable_ratio"] is None:
        return f"no difference up to 100 times is found with {power} power: set benchmark.launches higher"
    difference = percent(found["smallest_detectable_ratio"] - 1.0, 1)
    return f"smallest difference found with {power} power in {tests}: {difference}, {_spread_in_words(found)}"


def _confirmable(plan: Mapping[str, Any]) -> str:
    """What findable says, and of which engines it does not hold: servers that already run are never restarted."""
    told, ran = findable(plan["power"]), not_restarted(plan)
    engines = [engine["name"] for engine in plan["engines"] if engine["control_of"] is None]
    passes = [name for name in engines if name in ran]
    if not passes or plan["power"]["tests"] == 0:
        return told
    never = f"no difference from {', '.join(passes)} will be confirmed, since nothing here restarts it"
    return f"{told}; {never}" if len(engines) - len(passes) > 1 else never


def purpose(plan: Mapping[str, Any]) -> str:
    """What the launches of a plan are for: the difference that they can find, or of a pilot the levels."""
    if not plan["campaign"].get("pilot"):
        return _confirmable(plan)
    names = ", ".join(workload["name"] for workload in plan["workloads"])
    return (
        f"these launches find the levels of {names} (load.search) and count for no verdict; the same command then "
        "plans and measures the campaign itself"
    )


def launches_in_words(plan: Mapping[str, Any]) -> str:
    """How many launches there are, and of what."""
    engines, workloads = plan["engines"], plan["workloads"]
    names = ", ".join(engine["name"] for engine in engines)
    blocks, until = plural(plan["campaign"]["launches"], "block"), plan["campaign"].get("until")
    what = f"{plural(len(engines), 'engine')} ({names}) x {plural(len(workloads), 'workload')}"
    if until:
        return f"{plural(len(plan['order']), 'launch')} so far, {blocks} of at most {until['at_most']}, of {what}"
    return f"{plural(len(plan['order']), 'launch')} = {blocks} of {what}"


def in_words(plan: Mapping[str, Any]) -> str:
    """The plan in two lines for the terminal and the log."""
    return f"{printable(plan['campaign']['name'])}: {launches_in_words(plan)}\n{purpose(plan)}"


def main(argv: Sequence[str]) -> int:
    """Write plan.json of a resolved configuration; prints it in words."""
    arguments = command("planning.plan", __doc__, "config", "engines-folder", out="plan.json").parse_args(argv)
    plan = load_campaign(read_json(arguments.config)["config"], [], arguments.engines_folder).plan()
    output_dir, system = Path(plan["config"]["benchmark"]["output_dir"]), plan["config"]["system"]
    plan["power"] = power_of(plan, measured_spread(plan["order"], output_dir, os.uname().nodename))
    has_gpu = system["device"] != "cpu" and this_machine(system).gpu_absent_reason is None
    plan["expected"] = expected_of(plan, output_dir, has_gpu=has_gpu)
    if plan["campaign"]["until"]:
        plan["expected"]["minutes_at_most"] = minutes_of_blocks(
            rows_that_take_time(plan), plan["campaign"]["until"]["at_most"], output_dir
        )
    write_json(arguments.out, plan)
    print(in_words(plan))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
