"""What would decide what the data leave open: one command, with the minutes that it would take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.configuration.shortcuts import to_join, to_type
from benchmark_runner.display import S_PER_MIN, plural
from benchmark_runner.launch.progress import in_words
from benchmark_runner.performance.advice import is_excluded, is_given_up, listed, place_of
from benchmark_runner.performance.ranking import LATENCY, Standing
from benchmark_runner.statistics.results import Cell, Json, Results

CONFIGURATION: Final = "campaign.yaml"
"""The whole configuration of a campaign, in its results folder."""

AFFORDABLE: Final = 20
"""Chosen: times as many launches as there are; who needs more has no difference that is worth the time."""

_Pair = tuple[Cell, Json]
"""A comparison with the cell that it is of."""


def what_would_decide(
    results: Results, plan: Mapping[str, Any], standings: Mapping[Cell, Standing]
) -> dict[str, Any] | None:
    """{sentence, command, launches, minutes} for what leading groups leave open; None where no launches would help.

    The command asks for the fewest that tell anything: what they show also tells how many more it takes. Minutes are
    those of the launches to be added, from the times of the launches that were measured.
    """
    if (results.summary.get("until") or {"ended": "at_most"})["ended"] != "at_most":
        return None  # it goes on by itself, or there is nothing that further launches would decide
    there = int(results.summary["campaign"]["launches"])
    by_number: dict[int, list[_Pair]] = {}
    never: list[_Pair] = []
    for cell, now in standings.items():
        for one in _open_pairs(results, cell, now):
            needed = one["launches_needed"]
            found = never if needed is None else by_number.setdefault(max(there + 1, needed), [])
            found.append((cell, one))
    if not by_number:
        return None
    launches, seconds = min(by_number), _seconds_a_block(results, plan)
    begin = f"About {plural(launches, 'launch')} each instead of {there}{_takes(seconds, launches - there)}"
    told = "; ".join(_told_apart(results, standings, by_number.pop(launches)))
    affordable = sorted(number for number in by_number if number <= AFFORDABLE * there)
    further = [pair for number in affordable for pair in by_number.pop(number)]
    never += [pair for pairs in by_number.values() for pair in pairs]
    rest = []
    if further:
        span = " to ".join(map(str, dict.fromkeys((affordable[0], affordable[-1]))))
        most = _takes(seconds, affordable[-1] - there, "up to" if len(affordable) > 1 else "about")
        rest.append(f"To tell {_named_or_counted(results, standings, further)} takes about {span}{most}.")
    if never:
        rest.append(f"No affordable number would tell {_named_or_counted(results, standings, never)}.")
    return {
        "sentence": " ".join([f"{begin} would tell {told}, with 80 % power if they differ as seen.", *rest]),
        "command": _command(plan, results, launches),
        "launches": launches,
        "minutes": None if seconds is None else seconds * (launches - there) / S_PER_MIN,
    }


def _takes(seconds: float | None, launches: int, about: str = "about") -> str:
    """ " (about 22 min more)" for so many further launches of everything; empty where no time is known."""
    return "" if seconds is None else f" ({about} {in_words(seconds * launches)} more)"


def _named_or_counted(results: Results, standings: Mapping[Cell, Standing], pairs: Sequence[_Pair]) -> str:
    """Who is told from whom of at most two pairs that one clause tells, else how many they are."""
    clauses = _told_apart(results, standings, pairs) if len(pairs) <= 2 else []
    return clauses[0] if len(clauses) == 1 else f"{len(pairs)} further pairs"


def _told_apart(results: Results, standings: Mapping[Cell, Standing], pairs: Sequence[_Pair]) -> list[str]:
    """Who would be told from whom, cells with the same clause together."""
    names: dict[Cell, list[str]] = {}
    for cell, one in pairs:
        other = one["reference"] if one["engine"] == standings[cell].leading[0] else one["engine"]
        names.setdefault(cell, []).append(other)
    clauses: dict[frozenset[str] | str, tuple[str, list[str]]] = {}
    for cell, others in names.items():
        first = standings[cell].leading[0]
        who = f"{first} from {listed(others)}"
        same = frozenset((first, *others)) if len(others) == 1 else who  # of two it does not matter who is first
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
    if joined := plan["campaign"].get("joined"):
        return _command_of_joined(joined, folder, launches - int(plan["campaign"]["launches"]))
    value = f"{{at_most: {launches}}}" if results.summary["campaign"].get("until") else str(launches)
    return (
        f"snakemake --cores 1 --resources gpu=1 --configfile {shlex.quote(f'{folder}/{CONFIGURATION}')} "
        f"{to_type(('benchmark', 'launches'), value)}"
    )


def _command_of_joined(joined: Mapping[str, Any], out: str, more: int) -> str:
    """The same of a joined campaign: the first folder gets the launches, on its machine, and is joined again.

    That folder may hold launches alone, so the configuration is that of the whole, which differs in the folder alone.
    """
    first, configuration = joined["folders"][0], shlex.quote(f"{out}/{CONFIGURATION}")
    launches = to_type(("benchmark", "launches"), str(int(first["blocks"]) + more))
    return (
        f"snakemake --cores 1 launches --resources gpu=1 --configfile {configuration} {launches} "
        f"output_dir={shlex.quote(first['folder'])} && {to_join(joined, out)}"
    )
