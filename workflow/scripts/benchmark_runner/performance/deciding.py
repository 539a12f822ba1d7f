"""What would decide what the data leave open: one command, with the minutes that it would take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmark_runner.configuration.shortcuts import to_type
from benchmark_runner.display import S_PER_MIN, plural
from benchmark_runner.launch.progress import in_words
from benchmark_runner.performance.advice import is_excluded, is_given_up, listed, place_of
from benchmark_runner.performance.ranking import LATENCY, Standing
from benchmark_runner.statistics.results import Cell, Json, Results

CONFIGURATION: Final = "campaign.yaml"
"""The whole configuration of a campaign, in its results folder."""


def what_would_decide(
    results: Results, plan: Mapping[str, Any], standings: Mapping[Cell, Standing]
) -> dict[str, Any] | None:
    """{sentence, command, launches, minutes} for what leading groups leave open; None where no launches would help.

    Minutes are those of the launches to be added, from the times of the launches that were measured.
    """
    if (results.summary.get("until") or {"ended": "at_most"})["ended"] != "at_most":
        return None  # it goes on by itself, or there is nothing that further launches would decide
    wanted = {cell: list(_open_pairs(results, cell, now)) for cell, now in standings.items()}
    needed = [one["launches_needed"] for found in wanted.values() for one in found if one["launches_needed"]]
    if not needed:
        return None
    there = int(results.summary["campaign"]["launches"])
    launches = max(there + 1, *needed)
    seconds = _seconds_a_block(results, plan)
    minutes = None if seconds is None else seconds * (launches - there) / S_PER_MIN
    takes = "" if minutes is None else f" (about {in_words(minutes * S_PER_MIN)} more)"
    told = _told_apart(results, standings, wanted, affordable=True)
    never = _told_apart(results, standings, wanted, affordable=False)
    beyond = f"; no affordable number would tell {'; '.join(never)}" if never else ""
    sentence = (
        f"About {plural(launches, 'launch')} each instead of {there}{takes} would tell {'; '.join(told)}, with 80 % "
        f"power if they differ as seen{beyond}."
    )
    return {
        "sentence": sentence,
        "command": _command(plan, results, launches),
        "launches": launches,
        "minutes": minutes,
    }


def _told_apart(
    results: Results, standings: Mapping[Cell, Standing], wanted: Mapping[Cell, list[Json]], *, affordable: bool
) -> list[str]:
    """Who would be told from whom, cells with the same clause together."""
    clauses: dict[frozenset[str] | str, tuple[str, list[str]]] = {}
    for cell, found in wanted.items():
        first = standings[cell].leading[0] if found else ""
        pairs = [one for one in found if (one["launches_needed"] is not None) == affordable]
        names = [one["reference"] if one["engine"] == first else one["engine"] for one in pairs]
        if names:
            who = f"{first} from {listed(names)}"
            same = frozenset((first, *names)) if len(names) == 1 else who  # of two it does not matter who is first
            clauses.setdefault(same, (who, []))[1].append(place_of(results, cell))
    return [f"{who} in {listed(places)}" for who, places in clauses.values()]


def _open_pairs(results: Results, cell: Cell, now: Standing) -> Iterator[Json]:
    """Comparisons of a leading group's first with the others that launches may decide."""
    for other in now.leading[1:]:
        one = results.between(now.leading[0], other, cell, LATENCY)
        if (
            one is not None
            and one["verdict"] != "equivalent"
            and not is_excluded(one)
            and not is_given_up(results, one)
        ):
            yield one


def _seconds_a_block(results: Results, plan: Mapping[str, Any]) -> float | None:
    """Time of one launch of every engine, the control among them, on every workload; None where none is known."""
    known = [
        seconds
        for entry in results.summary["engines"]
        for workload in plan["workloads"]
        if (seconds := entry.get("launch_seconds", {}).get(workload["name"])) is not None
    ]
    return sum(known) if known else None


def _command(plan: Mapping[str, Any], results: Results, launches: int) -> str:
    """The command that adds the launches: the campaign's own configuration with another number of them."""
    folder = str(plan["order"][0]["folder"]).partition("/launches/")[0]
    value = f"{{at_most: {launches}}}" if results.summary["campaign"].get("until") else str(launches)
    return (
        f"snakemake --cores 1 --resources gpu=1 --configfile {shlex.quote(f'{folder}/{CONFIGURATION}')} "
        f"{to_type(('benchmark', 'launches'), value)}"
    )
