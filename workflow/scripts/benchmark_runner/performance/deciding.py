"""What would decide what the data leave open: one command, with the minutes that it would take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmark_runner.configuration.shortcuts import to_join, to_type
from benchmark_runner.display import S_PER_MIN, plural
from benchmark_runner.launch.progress import in_words
from benchmark_runner.performance.advice import is_affordable, is_excluded, is_given_up, listed, places_listed
from benchmark_runner.performance.at_limits import AtLimits, at_limits, comparisons
from benchmark_runner.performance.other_levels import OtherLevels, launches_of, other_levels, overrides, seconds_of
from benchmark_runner.performance.ranking import LATENCY, Standing
from benchmark_runner.statistics.levels import Grid, PlaceParts
from benchmark_runner.statistics.places import place_parts
from benchmark_runner.statistics.results import Cell, Results

CONFIGURATION: Final = "campaign.yaml"
"""The whole configuration of a campaign, in its results folder."""

QUIETER: Final = "Other programs disturbed so many launches that fewer may do without them."

MOST_CLAUSES: Final = 2
"""Chosen: who is told from whom in so many places; more make a sentence that nobody reads."""


class _Open(NamedTuple):
    """Two engines that nothing tells apart yet, in which respect, and at how many launches that would be told."""

    first: str
    other: str
    place: PlaceParts
    launches: int | None


class Deciding(NamedTuple):
    """The next step {sentence, command, launches, minutes}, None where there is none; and in a sentence what no
    affordable number of launches tells, where no step does."""

    step: dict[str, Any] | None
    without: str | None


def what_would_decide(results: Results, plan: Mapping[str, Any], standings: Mapping[Cell, Standing]) -> Deciding:
    """What tells apart the engines that leading groups and capacities leave open.

    The command asks for the fewest launches that tell anything: what they show also tells how many more it takes. Where
    engines hold the same level of load, no number of launches orders them: then it asks for other levels. Minutes are
    those to be added, from the times of the launches that were measured.
    """
    if (results.summary.get("until") or {"ended": "at_most"})["ended"] != "at_most":
        return Deciding(None, None)  # it goes on by itself, or there is nothing that further launches would decide
    pairs, asked, unknown = list[_Open](), list[OtherLevels](), set[str]()
    for grid in results.grids:
        held = list(_open_capacities(results, grid, found := at_limits(results, grid)))
        unknown |= {grid.workload for _ in held[:1]}  # whose capacity comes before its levels
        ordered = [one for one in held if is_affordable(results, one.launches)]
        other = other_levels(grid, found.held, [held[0].first, *(one.other for one in held)]) if held else None
        asked += [other] if other is not None and not ordered else []
        pairs += ordered or (held if other is None else [])
    for cell in (cell for cell in standings if cell.workload not in unknown):
        pairs += _open_pairs(results, cell, standings[cell])
    there = int(results.summary["campaign"]["launches"])
    by_number: dict[int, list[_Open]] = {}
    for one in (one for one in pairs if is_affordable(results, one.launches)):
        by_number.setdefault(max(there + 1, one.launches or 0), []).append(one)
    never = [one for one in pairs if not is_affordable(results, one.launches)]
    beyond = f"No affordable number of launches would tell {_named_or_counted(never)}." if never else None
    disturbed = any(one["kind"] == "few_undisturbed" for one in results.summary["warnings"])
    rest = [*filter(None, [beyond]), *([QUIETER] if pairs and disturbed else [])]
    if by_number:
        return Deciding(_more_launches(results, plan, by_number, [*rest, *_also(asked)]), None)
    if asked:
        return Deciding(_measured_elsewhere(results, plan, asked[0], rest), None)
    return Deciding(None, " ".join(rest) or None)


def _more_launches(
    results: Results, plan: Mapping[str, Any], by_number: dict[int, list[_Open]], rest: Sequence[str]
) -> dict[str, Any]:
    """The step to the fewest launches that tell anything, with what further ones would."""
    there, seconds = int(results.summary["campaign"]["launches"]), _seconds_a_block(results, plan)
    launches, *further = sorted(by_number)
    begin = f"About {plural(launches, 'launch')} each instead of {there}{_takes(seconds, launches - there)}"
    clauses = _told_apart(by_number[launches])
    many = f"{len(by_number[launches])} pairs of engines apart"
    told = "; ".join(clauses) if len(clauses) <= MOST_CLAUSES else many
    words = [f"{begin} would tell {told}, with 80 % power if they differ as seen."]
    if further:
        span = " to ".join(map(str, dict.fromkeys((further[0], further[-1]))))
        most = _takes(seconds, further[-1] - there, "up to" if len(further) > 1 else "about")
        pairs = [pair for number in further for pair in by_number[number]]
        words.append(f"To tell {_named_or_counted(pairs)} takes about {span}{most}.")
    return {
        "sentence": " ".join([*words, *rest]),
        "command": _command(plan, results, launches),
        "launches": launches,
        "minutes": None if seconds is None else seconds * (launches - there) / S_PER_MIN,
    }


def _measured_elsewhere(
    results: Results, plan: Mapping[str, Any], asked: OtherLevels, rest: Sequence[str]
) -> dict[str, Any]:
    """The step to other levels of a load, in a folder of their own."""
    launches, folder = launches_of(results, len(results.engines)), _folder(plan)
    seconds = seconds_of(results, plan, asked, launches)
    takes = "" if seconds is None else f", about {in_words(seconds)}"
    words = (
        f"{asked.kind.capitalize()} levels, {asked.words} ({plural(launches, 'launch')} each{takes}), may tell "
        f"{asked.engines[0]} from {listed(asked.engines[1:])}: at the levels measured they hold as much."
    )
    config = overrides(plan, asked, launches, f"{folder}-{asked.grid.title.replace(', ', '-')}-{asked.kind}")
    return {
        "sentence": " ".join([words, *rest]),
        "command": f"{_measure(folder)} {config}",
        "launches": launches,
        "minutes": None if seconds is None else seconds / S_PER_MIN,
    }


def _also(asked: Sequence[OtherLevels]) -> list[str]:
    """That some capacities need other levels, beside a step that adds launches."""
    return [
        f"To tell {one.engines[0]} from {listed(one.engines[1:])} in how much they hold takes {one.kind} levels: "
        f"{one.words}."
        for one in asked
    ]


def _takes(seconds: float | None, launches: int, about: str = "about") -> str:
    """ " (about 22 min more)" for so many further launches of everything; empty where no time is known."""
    return "" if seconds is None else f" ({about} {in_words(seconds * launches)} more)"


def _named_or_counted(pairs: Sequence[_Open]) -> str:
    """Who is told from whom of at most two pairs that one clause tells, else how many they are."""
    clauses = _told_apart(pairs) if len(pairs) <= 2 else []
    return clauses[0] if len(clauses) == 1 else f"{len(pairs)} further pairs"


def _told_apart(pairs: Sequence[_Open]) -> list[str]:
    """Who would be told from whom, places with the same clause together."""
    names: dict[tuple[PlaceParts, str], list[str]] = {}
    for one in pairs:
        names.setdefault((one.place, one.first), []).append(one.other)
    clauses: dict[frozenset[str] | str, tuple[str, list[PlaceParts]]] = {}
    for (place, first), others in names.items():
        who = f"{first} from {listed(others)}"
        same = frozenset((first, *others)) if len(others) == 1 else who  # of two it does not matter who is first
        clauses.setdefault(same, (who, []))[1].append(place)
    return [f"{who} in {places_listed(places)}" for who, places in clauses.values()]


def _open_pairs(results: Results, cell: Cell, now: Standing) -> Iterator[_Open]:
    """Comparisons of a leading group's first with the others that launches may decide."""
    for other in now.leading[1:]:
        one = results.between(now.leading[0], other, cell, LATENCY)
        if (
            one is not None
            and one["verdict"] != "equivalent"
            and not is_excluded(one)
            and not is_given_up(results, one)
        ):
            yield _Open(now.leading[0], other, place_parts(results, cell), one["launches_needed"])


def _open_capacities(results: Results, grid: Grid, found: AtLimits) -> Iterator[_Open]:
    """Of the engines that hold most and are not told apart, the first with each of the others."""
    for one in comparisons(results, grid, found.not_told_apart):
        first, pair = found.not_told_apart[0], {one["engine"], one["reference"]}
        if first in pair and one["p"] is not None:  # what has none cannot be compared
            (other,) = pair - {first}
            yield _Open(first, other, (f"how much they hold in {grid.workload}", grid.group), one["launches_needed"])


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
    folder = _folder(plan)
    if joined := plan["campaign"].get("joined"):
        return _command_of_joined(joined, folder, launches - int(plan["campaign"]["launches"]))
    value = f"{{at_most: {launches}}}" if results.summary["campaign"].get("until") else str(launches)
    return f"{_measure(folder)} {to_type(('benchmark', 'launches'), value)}"


def _folder(plan: Mapping[str, Any]) -> str:
    return str(plan["order"][0]["folder"]).partition("/launches/")[0]


def _measure(folder: str) -> str:
    """The command of a campaign with the configuration of a results folder."""
    return f"snakemake --cores 1 --resources gpu=1 --configfile {shlex.quote(f'{folder}/{CONFIGURATION}')}"


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
