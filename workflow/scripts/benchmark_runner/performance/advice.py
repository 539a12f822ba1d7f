"""What to do, cell by cell: who is fastest, or what it would take to know. The one author of it: summary, table, page
and business file all take their words from here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from benchmark_runner.checked import FAIL
from benchmark_runner.display import number_pair, significant
from benchmark_runner.performance.ranking import LATENCY, Standing, standing
from benchmark_runner.statistics.levels import PlaceParts, level_text, under_load
from benchmark_runner.statistics.places import place_of, place_parts
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN, QUALIFIERS, chance_of_alarm

Strength = Literal["firm", "provisional", "none"]

_BECAUSE: Final = ("workload", "case", "metric", "engine", "reference", "verdict", "faster", "qualifiers")


class Advice(NamedTuple):
    """Advice on one cell: the engine to take (None: none), how firmly, the answer in a sentence, the same with what it
    rests on, and the comparisons that it follows from."""

    engine: str | None
    strength: Strength
    answer: str
    words: str
    because: Sequence[Json]


MOST_NAMED: Final = 6
"""Names that a sentence lists; of more it gives three and the number of the others (chosen)."""


AFFORDABLE: Final = 20
"""Chosen: times as many launches as there are; who needs more has no difference that is worth the time."""


def is_affordable(results: Results, launches: int | None) -> bool:
    """Whether so many launches of each engine are worth their time; None: no number helps."""
    return launches is not None and launches <= AFFORDABLE * int(results.summary["campaign"]["launches"])


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"; of many the first three and how many more."""
    if len(names) > MOST_NAMED:
        names = [*names[:3], f"{len(names) - 3} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def named(results: Results, names: Sequence[str]) -> str:
    """The names listed, each with its device where they ran on several, as those are not compared."""
    devices = {name: results.engines[name]["device"] for name in names}
    if len(set(devices.values())) == 1:
        return listed(names)
    return f"{listed([f'{name} on {device}' for name, device in devices.items()])} (devices are not compared)"


def only(results: Results, names: Sequence[str], place: str = "") -> str:
    """ "Only a was measured", or that only it can be ranked (place: and where) where others were measured too."""
    measured = [name for name, entry in results.engines.items() if entry["launches"].get("ok")]
    if not names:
        return "No engine that was measured can be ranked" if measured else "No engine was measured"
    return f"Only {listed(names)} {'was measured' if len(measured) == len(names) else f'can be ranked{place}'}"


def places_listed(parts: Sequence[PlaceParts]) -> str:
    """Several places in a sentence, those of one workload together: "chat and summary (case_1 and case_2)"."""
    if len(parts) == 1:
        return ", ".join(filter(None, parts[0]))
    by_workload: dict[str, list[str]] = {}
    for workload, part in parts:
        by_workload.setdefault(workload, []).extend([part] if part else [])
    return listed([f"{name} ({listed(found)})" if found else name for name, found in by_workload.items()])


def places(results: Results, cells: Sequence[Cell]) -> str:
    """These test cases by name, or how many of all they are."""
    all_cells = dict.fromkeys(
        Cell(cell["workload"], cell["case"]) for cell in results.summary["cells"] if cell["case"] is not None
    )
    if len(cells) == len(all_cells) > 2:
        return f"all {len(all_cells)} test cases"
    parts = list[PlaceParts]()
    for workload in dict.fromkeys(cell.workload for cell in cells):
        here = [cell for cell in cells if cell.workload == workload]
        whole = len(here) > 1 and set(here) == {cell for cell in all_cells if cell.workload == workload}
        together = [(workload, None)] if whole else _level_places(results, here)
        parts += together or [place_parts(results, cell) for cell in here]
    return places_listed(parts) if len(parts) <= 2 else f"{len(cells)} of {len(all_cells)} test cases"


def _level_places(results: Results, cells: Sequence[Cell]) -> list[PlaceParts]:
    """Several levels of one grid as one place, "serving with 2 and 4 requests in flight"; none of anything else."""
    for grid in results.grids:
        levels = [level for level, case in grid.cases.items() if Cell(grid.workload, case) in cells]
        if len(levels) == len(cells) > 1 and not grid.turns:
            *first, last = map(level_text, levels)
            words = grid.words(levels[-1]).replace(last, listed([*first, last]), 1)
            words = words.replace("request a", "requests a")
            return [under_load(grid.workload, grid.group, words)]
    return []


def _told(one: Json) -> str:
    """Sentence of a verdict with the settings that differ between the two."""
    return f"{one['sentence']} ({one['footnote']})" if one["footnote"] else str(one["sentence"])


def _distance(one: Json) -> float:
    """How far apart the two engines were seen; nothing seen is no distance."""
    return abs(math.log(one["ratio"]["point"])) if one["ratio"] else 0.0


def oriented(results: Results, name: str, other: str, cell: Cell) -> dict[str, Any] | None:
    """How many times as fast an engine is as another: {point, low, high, level}; None where that was not compared."""
    one = results.between(name, other, cell, LATENCY)
    if one is None or one["ratio"] is None:
        return None
    point, low, high = (one["ratio"][key] for key in ("point", "low", "high"))
    if one["engine"] != name:
        point = 1 / point
        low, high = (None, None) if low is None else (1 / high, 1 / low)
    return {"point": point, "low": low, "high": high, "level": one["ratio"]["level"]}


def times(ratios: Sequence[float]) -> str:
    """ "1.82 to 2.41 times"."""
    low, high = (significant(value) for value in (min(ratios), max(ratios)))
    return f"{low} times" if low == high else f"{low} to {high} times"


def seen(results: Results, leading: Sequence[str], cells: Sequence[Cell]) -> str | None:
    """What the launches show of engines of which no verdict tells: how many times as fast as the last of them those are
    whose interval lies beyond the margin in all of these cells. None where none is."""
    *others, last = leading
    told = []
    for name in others:
        ratios = [one for cell in cells if (one := oriented(results, name, last, cell)) and one["low"] is not None]
        if len(ratios) == len(cells) and min(one["low"] for one in ratios) > 1.0 + EQUIVALENCE_MARGIN:
            told.append(f"{name} {times([one['point'] for one in ratios])}")
    return f"{listed(told)} as fast as {last}" if told else None


def spread_of(results: Results, leading: Sequence[str], cells: Sequence[Cell]) -> tuple[float, float] | None:
    """Ratios of the others to the first of these engines over all these cells, from the lowest end of an interval to
    the highest."""
    found = [oriented(results, other, leading[0], cell) for other in leading[1:] for cell in cells]
    lows, highs = ([one and one[end] for one in found] for end in ("low", "high"))
    if None in (*lows, *highs):
        return None
    return min(filter(None, lows)), max(filter(None, highs))


def _lead(results: Results, name: str, other: str, cell: Cell) -> str:
    """By how much an engine leads another, with the interval of the ratio; empty where that is not known."""
    ratio = oriented(results, name, other, cell)
    if ratio is None:
        return ""
    wide = ratio["low"] is not None and ratio["low"] != ratio["high"]
    ends = " to ".join(number_pair(ratio["low"], ratio["high"])) if wide else ""
    span = f" ({ends}, {100 * ratio['level']:g} %)" if wide else ""
    return f"{significant(ratio['point'])} times as fast as {other}{span}"


def _reservations(pairs: Sequence[Json]) -> str:
    """Qualifiers that the verdicts' own sentences and footnotes leave out."""
    marks = {name for one in pairs for name in one["qualifiers"]} - {"settings_differ"}
    words = [found.words for name, found in QUALIFIERS.items() if name in marks and not found.in_sentence]
    return f" But {', and '.join(words)}." if words else ""


def losers(results: Results, now: Standing, cell: Cell) -> dict[str, str]:
    """Engines that lost launches, each with a sentence: what it lost and what it showed where it ended well."""
    words = {}
    for name, lost in now.lost.items():
        best = now.ranked[0]
        one = results.between(name, best, cell, LATENCY) if name != best else None
        ahead = one is not None and results.is_faster(name, best, cell, LATENCY)
        where = f", although in {place_of(results, cell)}, in launches that ended well, "
        seen = f"{where}{one['sentence'].partition(';')[0]}" if one and ahead else ""
        words[name] = f"{name} {lost}, so it ranks behind engines that lost none{seen}."
    return words


def _losers(results: Results, now: Standing, cell: Cell) -> str:
    return "".join(f" {words}" for words in losers(results, now, cell).values())


def _certain(results: Results, now: Standing, cell: Cell) -> Advice:
    """The fastest engine with the verdict against the nearest rival."""
    place = place_of(results, cell)
    fastest, others = now.leading[0], [name for name in now.reliable if name != now.leading[0]]
    beaten = [name for name in others if results.is_faster(fastest, name, cell, LATENCY)]
    against = {other: one for other in beaten if (one := results.between(fastest, other, cell, LATENCY))}
    nearest = min(against, key=lambda other: _distance(against[other]))
    words = f"Take {fastest} for the shortest answers in {place}: {_told(against[nearest])}."
    further = [other for other in beaten if other != nearest]
    if further:
        words += f" Its lead over {listed(further)} is larger and equally certain."
    pairs = list(against.values())
    doubts = now.fastest is None or any(one["qualifiers"] for one in pairs)
    lead = _lead(results, fastest, nearest, cell)
    answer = f"{fastest} answers fastest in {place}{lead and f': {lead}'}."
    words += _reservations(pairs) + _losers(results, now, cell)
    return Advice(fastest, "provisional" if doubts else "firm", answer, words, pairs)


def _what_it_takes(results: Results, pairs: Sequence[Json]) -> str:
    """What would separate engines that are not, where more launches would not; empty where they would."""
    if all(one["verdict"] == "equivalent" for one in pairs):
        return "They are the same within the margin, so choose by memory, cost or features."
    open_pairs = [one for one in pairs if one["verdict"] != "equivalent"]
    if any("control_differs" in one["qualifiers"] for one in pairs):
        return f"{chance_of_alarm(results.summary['control']['alpha'])}."
    if any(is_excluded(one) for one in open_pairs):
        return "More launches would not change that."
    if any(is_affordable(results, one["launches_needed"]) or is_given_up(results, one) for one in open_pairs):
        return ""  # the answer's `decide` says how many, once
    return "No affordable number of launches would separate a difference as small as the one seen."


def is_given_up(results: Results, pair: Json) -> bool:
    """Whether a campaign until decided has given a comparison up, so that nothing suggests further launches for it."""
    until = results.summary.get("until")
    place = ("workload", "case", "engine", "reference")
    return until is not None and any(
        one["given_up"] and all(one[key] == pair[key] for key in place) for one in until["open"]
    )


def is_excluded(pair: Json) -> bool:
    """Whether a pair has no verdict for another reason than too few launches, or no sure one whatever their number."""
    nothing_known = pair["reason"] is not None and pair["launches_needed"] is None and pair["detectable_ratio"] is None
    return nothing_known or "not_restarted" in pair["qualifiers"]


def any_of(names: Sequence[str]) -> str:
    """Engines of which nothing tells which one is best: their names, or how many they are."""
    return f"these {len(names)} engines" if len(names) > MOST_NAMED else listed(names)


def undecided(names: Sequence[str], place: str) -> str:
    """That nothing tells which of the engines is fastest in a place."""
    return f"The data do not say which of {any_of(names)} answers fastest in {place}."


def _undecided(results: Results, now: Standing, cell: Cell) -> Advice:
    """The leading group of a cell in which no engine alone leads."""
    candidate, place = now.leading[0], place_of(results, cell)
    pairs = [one for other in now.leading[1:] if (one := results.between(candidate, other, cell, LATENCY)) is not None]
    behind = [name for name in now.reliable if name not in now.leading]
    equal = bool(pairs) and all(one["verdict"] == "equivalent" for one in pairs)
    # With several pairs their verdicts would fill the page; the table of verdicts has each.
    reason = f": {_told(pairs[0]).rstrip('.')}" if len(pairs) == 1 else ""
    doubt = undecided(now.leading, f"{place}{reason}")
    shared = f"{named(results, now.leading)} share the lead in {place}"
    if behind:
        ahead = next((name for name in now.leading if results.is_faster(name, behind[0], cell, LATENCY)), candidate)
        lead = _lead(results, ahead, behind[0], cell)
        answer = f"{shared}; the next is {behind[0]}{lead and f': {ahead} is {lead}'}."
    elif equal:
        answer = f"{listed(now.leading)} answer equally fast in {place}, within the margin."
    elif results.point(candidate, cell, LATENCY) == results.point(now.leading[-1], cell, LATENCY):
        answer = f"{listed(now.leading)} took the same time in {place}."
    else:
        answer = undecided(now.leading, place)
    takes = _what_it_takes(results, pairs)
    words = f"{answer if behind else doubt}{takes and f' {takes}'}{_losers(results, now, cell)}"
    return Advice(None, "firm" if equal else "none", answer, words, pairs)


def advise(results: Results, cell: Cell) -> Advice:
    """Advice on the shortest answers in one cell."""
    now = standing(results, cell)
    reliable = now.reliable
    if not now.ranked:
        none = only(results, [])
        return Advice(None, "none", f"{none}, so there is no answer yet.", f"{none}.", [])
    if len(now.ranked) == 1:
        cells = {(one["workload"], one["case"]) for one in results.summary["cells"] if one["case"] is not None}
        place = f" in {place_of(results, cell)}" if len(cells) > 1 else ""
        alone = f"{only(results, now.ranked, place)}, so there is nothing to compare it with."
        return Advice(None, "none", alone, alone + _losers(results, now, cell), [])
    if len(reliable) < 2:
        place = place_of(results, cell)
        who = f"Only {reliable[0]}" if reliable else "No engine"
        alone = f"{who} finished all its launches, so none is called the fastest in {place}."
        pairs = [one for one in results.comparisons(cell, LATENCY) if one["ratio"] is not None]
        return Advice(None, "none", alone, alone + _losers(results, now, cell), pairs)
    return _certain(results, now, cell) if len(now.leading) == 1 else _undecided(results, now, cell)


def _statement(kind: str, cell: Cell | None, one: Advice) -> dict[str, Any]:
    return {
        "kind": kind,
        "workload": cell.workload if cell else None,
        "case": cell.case if cell else None,
        "engine": one.engine,
        "strength": one.strength,
        "answer": one.answer,
        "sentence": one.words,
        "because": [{key: pair[key] for key in _BECAUSE} for pair in one.because],
    }


def statements(results: Results, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Advice on every test case, then on the engines that are out on fidelity.

    Each is {kind, workload, case, engine, strength, answer, sentence, because}; because lists the verdicts that it
    follows from.
    """
    cells = [Cell(workload["name"], case["name"]) for workload in plan["workloads"] for case in workload["cases"]]
    found = [_statement("latency", cell, advise(results, cell)) for cell in cells]
    for name, entry in results.engines.items():
        if entry["fidelity"]["result"] == FAIL:
            words = f"{name} is not advised at any speed: it did not compute the same model as the reference."
            found.append(_statement("fidelity", None, Advice(name, "firm", words, words, [])))
    return found
