"""What would decide what the data leave open: one command, with the minutes that it would take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.configuration.shortcuts import to_type
from benchmark_runner.display import S_PER_MIN, plural
from benchmark_runner.launch.progress import in_words
from benchmark_runner.performance.advice import is_excluded, is_given_up, listed, place_of
from benchmark_runner.performance.ranking import LATENCY, Standing
from benchmark_runner.statistics.results import Cell, Json, Results

CONFIGURATION: Final = "campaign.yaml"
"""The whole configuration of a campaign, in its results folder."""

MOST_STEPS: Final = 3
"""Chosen: numbers of launches that a reader compares."""

AFFORDABLE: Final = 20
"""Chosen: times as many launches as there are; who needs more has no difference that is worth the time."""


def what_would_decide(
    results: Results, plan: Mapping[str, Any], standings: Mapping[Cell, Standing]
) -> dict[str, Any] | None:
    """{sentence, command, launches, minutes} for what leading groups leave open; None where no launches would help.

    The command asks for the fewest that tell anything: what they show also tells how many more it takes. Minutes are
    those of the launches to be added, from the times of the launches that were measured.
    """
    if (results.summary.get("until") or {"ended": "at_most"})["ended"] != "at_most":
        return None  # it goes on by itself, or there is nothing that further launches would decide
    wanted = [(cell, one) for cell, now in standings.items() for one in _open_pairs(results, cell, now)]
    there = int(results.summary["campaign"]["launches"])
    steps = _steps(there, {one["launches_needed"] for _, one in wanted} - {None})
    if not steps:
        return None
    seconds, parts = _seconds_a_block(results, plan), list[str]()
    for launches in steps:
        takes = "" if seconds is None else f" (about {in_words(seconds * (launches - there))} more)"
        number = f"about {launches}" if parts else f"About {plural(launches, 'launch')} each instead of {there}"
        pairs = [found for found in wanted if _step_of(found[1], steps) == launches]
        also = "also " if parts else ""
        parts.append(f"{number}{takes} would tell {also}{'; '.join(_told_apart(results, standings, pairs))}")
    never = _told_apart(results, standings, [found for found in wanted if _step_of(found[1], steps) is None])
    beyond = f"; no affordable number would tell {'; '.join(never)}" if never else ""
    asked = f" The command asks for {steps[0]}." if len(steps) > 1 else ""
    return {
        "sentence": f"{'; '.join(parts)}, with 80 % power if they differ as seen{beyond}.{asked}",
        "command": _command(plan, results, steps[0]),
        "launches": steps[0],
        "minutes": None if seconds is None else seconds * (steps[0] - there) / S_PER_MIN,
    }


def _steps(there: int, needed: set[int]) -> list[int]:
    """Numbers of launches worth a word, rising to the largest that is affordable, or the only ones that tell anything:
    each adds at most half of what the next one adds; of more than MOST_STEPS the first ones and the last."""
    totals = {max(there + 1, launches) for launches in needed}
    totals = {launches for launches in totals if launches <= AFFORDABLE * there} or {min(totals)} if totals else set()
    steps = [max(totals)] if totals else []
    while smaller := [launches for launches in totals if 2 * (launches - there) <= steps[0] - there]:
        steps.insert(0, max(smaller))
    return steps if len(steps) <= MOST_STEPS else [*steps[: MOST_STEPS - 1], steps[-1]]


def _step_of(pair: Json, steps: Sequence[int]) -> int | None:
    """The first of these numbers of launches that tells a pair; None where no affordable number does."""
    needed = pair["launches_needed"]
    return None if needed is None else next((launches for launches in steps if needed <= launches), None)


def _told_apart(results: Results, standings: Mapping[Cell, Standing], pairs: Sequence[tuple[Cell, Json]]) -> list[str]:
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
        return _command_of_joined(joined["folders"], folder, launches - int(plan["campaign"]["launches"]))
    value = f"{{at_most: {launches}}}" if results.summary["campaign"].get("until") else str(launches)
    return (
        f"snakemake --cores 1 --resources gpu=1 --configfile {shlex.quote(f'{folder}/{CONFIGURATION}')} "
        f"{to_type(('benchmark', 'launches'), value)}"
    )


def _command_of_joined(folders: Sequence[Mapping[str, Any]], out: str, more: int) -> str:
    """The same of a joined campaign: the first folder gets the launches, on its machine, and is joined again."""
    launches = str(int(folders[0]["blocks"]) + more)
    first = shlex.quote(f"{folders[0]['folder']}/{CONFIGURATION}")
    names = ",".join(str(one["folder"]) for one in folders)
    return (
        f"snakemake --cores 1 --resources gpu=1 --configfile {first} {to_type(('benchmark', 'launches'), launches)} && "
        f"snakemake --cores 1 join --config folders={shlex.quote(names)} output_dir={shlex.quote(out)}"
    )
