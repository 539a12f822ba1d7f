"""Stage forecast: prints what a campaign will do and cost before it runs; what `snakemake plan` shows."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.asking import not_served
from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.continued import equal_share
from benchmark_runner.campaign.control import seconds_a_block
from benchmark_runner.commands import command
from benchmark_runner.configuration import load
from benchmark_runner.configuration.shortcuts import WANTED_DIFFERENCE, share
from benchmark_runner.display import percent, plural
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json
from benchmark_runner.launch import progress
from benchmark_runner.planning.groups import group_lines
from benchmark_runner.planning.minutes import S_PER_MIN, Expected, expected, minutes_of_blocks, rows_that_take_time
from benchmark_runner.planning.plan import controls_of, launches_in_words, plan_design, power_of, purpose
from benchmark_runner.planning.promise import launches_for
from benchmark_runner.planning.spread import measured_spread
from benchmark_runner.statistics.planned import at_most, wanted_launches
from benchmark_runner.statistics.power import MOST_LAUNCHES_SEARCHED, sd_of_log_ratios
from benchmark_runner.terminal import printable

LABEL_WIDTH: Final = 14
WIDTH: Final = 100
"""Chosen: most terminals show as many characters."""


def time_in_words(forecast: Expected, owed: int) -> str:
    """How long the launches take, and by what that is known."""
    if forecast.total_minutes is None or forecast.owed_minutes is None:
        return f"not known: {forecast.reason}"
    total = f"about {progress.in_words(forecast.total_minutes * S_PER_MIN)} for all launches"
    left = f", {progress.in_words(forecast.owed_minutes * S_PER_MIN)} for those owed" if owed else ""
    return f"{total}{left}, by {plural(forecast.known, 'finished launch')} of the same kind"


def _gpu_hours(plan: Mapping[str, Any]) -> str:
    hours = plan["expected"]["gpu_hours"]
    return f", of which {hours:.2g} hours hold a GPU" if hours else ""


def _levels(workload: Mapping[str, Any]) -> str:
    """What a launch of a workload under load does, and how long its arrivals take whatever the engine does."""
    seconds = sum(load.scheduled_seconds(case["load"]) for case in workload["cases"])
    paced = f", at least {progress.in_words(seconds)} in all" if seconds else ""
    return f"{load.levels_in_words(workload['cases'])}{paced}"


def _iterations(plan: Mapping[str, Any]) -> Iterator[str]:
    wanted = {entry["name"]: entry.get("iterations") for entry in plan["config"]["workloads"]}
    for workload in plan["workloads"]:
        if load.has_load(workload):
            yield f"{workload['name']}: {_levels(workload)}"
            continue
        name, each = workload["name"], workload["iterations_per_launch"]
        as_before = ""
        if each > equal_share(wanted[name], at_most(wanted_launches(plan["campaign"]))):
            as_before = f", as in the launches that are there, {workload['iterations_total']} in all"
        yield f"{name}: {each} and {workload['warmup_iterations']} to warm up{as_before}"


def _first_block(plan: Mapping[str, Any], owed: Collection[int]) -> Iterator[str]:
    """The launches of block 1 in their order, each with whether it is owed."""
    rows = [row for row in plan["order"] if row["block"] == 1]
    width = max(len(row["engine"]) for row in rows)
    for row in rows:
        state = "owed" if row["position"] in owed else "there"
        yield f"    {row['position']:>3}  {row['engine']:<{width}}  {row['workload']}  ({state})"


def _control(plan: Mapping[str, Any], seconds: Mapping[str, float]) -> str:
    """Which engine runs twice, and what that costs; seconds is what a block of an engine's launches takes."""
    name = next((entry["control_of"] for entry in plan["engines"] if entry["control_of"] is not None), None)
    if name is None:
        return "none, so nothing will show how large a difference this machine makes by itself"
    words = f"{plan['campaign']['control']}, {name} a second time"
    if not seconds:
        return words
    times = {engine: f"{progress.in_words(value)} a block" for engine, value in seconds.items()}
    own = f": {times[name]}" if name in times else ""
    cheapest = min(seconds, key=lambda engine: seconds[engine])
    other = f"; cheapest is {cheapest}: {times[cheapest]}" if cheapest != name else ", the cheapest"
    return f"{words}{own}{other}"


def _wanted(plan: Mapping[str, Any], difference: float, output_dir: Path) -> str:
    """What it takes to find a difference (0.05 is 5 %): launches and minutes."""
    known = plan["power"]
    if known["tests"] == 0:
        return "there is no pair of engines to compare"
    spread = sd_of_log_ratios(known["cv"])
    needed = launches_for(plan_design(plan), spread, 1.0 + difference, known["power"], controls_of(plan))
    told = f"{100 * difference:g} % with {percent(known['power'])} power"
    if needed is None:
        return f"{told}: more than {MOST_LAUNCHES_SEARCHED} launches, which this machine's spread does not allow for"
    minutes = minutes_of_blocks(rows_that_take_time(plan), needed, output_dir)
    time = f"about {progress.in_words(minutes * S_PER_MIN)}" if minutes is not None else "minutes not known"
    return f"{told}: {plural(needed, 'launch')} of each engine and workload (benchmark.launches), {time}"


def _line(label: str, text: str) -> str:
    margin = " " * LABEL_WIDTH
    return textwrap.fill(
        text, WIDTH, initial_indent=f"  {label:<{LABEL_WIDTH - 2}}", subsequent_indent=margin, break_on_hyphens=False
    )


def in_words(
    plan: Mapping[str, Any],
    owed: Collection[int],
    forecast: Expected,
    seconds: Mapping[str, float],
    more: Iterable[tuple[str, str]] = (),
) -> str:
    """The forecast for the terminal: launches, iterations, time, what can be found, the order of the first block.

    seconds is what the launches of an engine take in a block, where that is known; more are further lines, as of a
    campaign until decided.
    """
    campaign, power = plan["campaign"], plan["power"]
    blocks, is_pilot = campaign["launches"], bool(campaign.get("pilot"))
    launches = plural(power["fewest_launches"], "launch")
    spare = "; none is to spare, so a lost one costs verdicts" if power["launches"] == power["fewest_launches"] else ""
    lines = [
        printable(campaign["name"]),
        _line("launches", f"{launches_in_words(plan)}; {len(owed) or 'none'} owed"),
        _line("iterations", f"a launch, {'; '.join(_iterations(plan))}"),
        _line(
            "time", f"{time_in_words(forecast, len(owed))}{_gpu_hours(plan)}; builds, checks and analysis come on top"
        ),
        *([] if is_pilot else [_line("control", _control(plan, seconds))]),
        *(_line(label, text) for label, text in more),
        _line("pilot" if is_pilot else "can find", purpose(plan)),
        *([] if is_pilot else [_line("needs", f"{launches} or more of each engine and workload for a verdict{spare}")]),
        _line("order", f"block 1 of {blocks}, drawn with seed {campaign['seed']}:"),
        *_first_block(plan, owed),
    ]
    if blocks > 1:
        lines.append(f"    {plural(blocks - 1, 'block')} more of the same launches, each in an order of its own")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Print the forecast of a plan.json. It changes with every finished launch, so no file holds it."""
    parser = command("planning.forecast", main.__doc__, "plan", "config", "engines-folder")
    parser.add_argument("--wanted-difference", default="", help="difference to be found, as 5% or 0.05")
    arguments = parser.parse_args(argv)
    wanted = share(arguments.wanted_difference, WANTED_DIFFERENCE)
    plan = read_json(arguments.plan)
    campaign = load_campaign(read_json(arguments.config)["config"], [], arguments.engines_folder)
    owed = {launch.position for launch in campaign.owed_launches.values()}
    own = {entry["name"] for entry in plan["engines"] if entry["control_of"] is None}
    output_dir = Path(campaign.output_dir)
    # plan.json reckons with what was measured when it was written; since then more may have been.
    plan["power"] = power_of(plan, measured_spread(plan["order"], output_dir, os.uname().nodename))
    seconds = seconds_a_block([row for row in plan["order"] if row["engine"] in own], output_dir)
    forecast = expected(rows_that_take_time(plan), owed, output_dir)
    lines = [*group_lines(plan, output_dir)]
    lines += [("not asked", words) for words in not_served(plan)]
    if wanted is not None:
        lines.append(("to find", _wanted(plan, wanted, output_dir)))
    print(in_words(plan, owed, forecast, seconds, lines))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
