"""What to do, cell by cell: who is fastest, or what it would take to know. The one author of it: summary, table, page
and business file all take their words from here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from benchmark_runner.display import plural, significant
from benchmark_runner.performance.ranking import LATENCY, Standing, standing
from benchmark_runner.statistics.control import chance_of_alarm
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.wording import QUALIFIERS

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


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _place(results: Results, cell: Cell) -> str:
    """The workload, and the test case where it has several."""
    cases = {one["case"] for one in results.summary["cells"] if one["workload"] == cell.workload} - {None}
    return f"{cell.workload}, {cell.case}" if len(cases) > 1 else cell.workload


def _told(one: Json) -> str:
    """Sentence of a verdict with the settings that differ between the two."""
    return f"{one['sentence']} ({one['footnote']})" if one["footnote"] else str(one["sentence"])


def _distance(one: Json) -> float:
    """How far apart the two engines were seen; nothing seen is no distance."""
    return abs(math.log(one["ratio"]["point"])) if one["ratio"] else 0.0


def _lead(fastest: str, one: Json) -> str:
    """By how much the fastest leads another, with the interval of the ratio."""
    ratio, other = one["ratio"], one["reference"] if one["engine"] == fastest else one["engine"]
    if ratio is None:
        return ""
    point, low, high = (ratio[key] for key in ("point", "low", "high"))
    if one["engine"] != fastest:
        point, low, high = 1 / point, 1 / high, 1 / low
    span = "" if low == high else f" ({ratio['level']:.0%} interval {significant(low)} to {significant(high)})"
    return f": {significant(point)} times as fast as {other}{span}"


def _reservations(pairs: Sequence[Json]) -> str:
    """Qualifiers that the verdicts' own sentences and footnotes leave out."""
    marks = {name for one in pairs for name in one["qualifiers"]} - {"settings_differ"}
    words = [found.words for name, found in QUALIFIERS.items() if name in marks and not found.in_sentence]
    return f" But {', and '.join(words)}." if words else ""


def _losers(results: Results, now: Standing, cell: Cell) -> str:
    """Engines that lost launches, with what they showed where they ended well."""
    words = []
    for name, lost in now.lost.items():
        best = now.ranked[0]
        one = results.between(name, best, cell, LATENCY) if name != best else None
        ahead = one is not None and results.is_faster(name, best, cell, LATENCY)
        seen = f", although {one['sentence'].partition(';')[0]} in those that ended well" if one and ahead else ""
        words.append(f" {name} {lost}, so it ranks behind engines that lost none{seen}.")
    return "".join(words)


def _certain(results: Results, now: Standing, cell: Cell) -> Advice:
    """The fastest engine with the verdict against the nearest rival."""
    place = _place(results, cell)
    fastest, others = now.ranked[0], [name for name in now.ranked[1:] if name not in now.lost]
    against = {other: one for other in others if (one := results.between(now.ranked[0], other, cell, LATENCY))}
    nearest = min(against, key=lambda other: _distance(against[other]))
    words = f"Take {fastest} for the shortest answers in {place}: {_told(against[nearest])}."
    further = [other for other in others if other != nearest]
    if further:
        words += f" Its lead over {listed(further)} is larger and equally certain."
    pairs = list(against.values())
    doubts = any(one["qualifiers"] for one in pairs)
    answer = f"{fastest} is the fastest engine in {place}{_lead(fastest, against[nearest])}."
    words += _reservations(pairs) + _losers(results, now, cell)
    return Advice(fastest, "provisional" if doubts else "firm", answer, words, pairs)


def _what_it_takes(results: Results, pairs: Sequence[Json]) -> str:
    """What would separate engines that are not: more launches, another setting, or nothing since they are equal."""
    if all(one["verdict"] == "equivalent" for one in pairs):
        return "They are the same within the margin, so choose by memory, cost or features."
    open_pairs = [one for one in pairs if one["verdict"] != "equivalent"]
    needed = [one["launches_needed"] for one in open_pairs if one["launches_needed"] is not None]
    if any("control_differs" in one["qualifiers"] for one in pairs):
        return f"{chance_of_alarm(results.summary['control']['alpha'])}."
    if any(_is_excluded(one) for one in open_pairs):
        return "More launches would not change that."
    if not needed:
        return "No affordable number of launches would separate a difference as small as the one seen."
    launches = int(results.summary["campaign"]["launches"])
    about = f"About {plural(max(*needed, launches + 1), 'launch')} each instead of {launches} would separate"
    if len(needed) < len(open_pairs):
        return f"{about} the larger of the differences seen with 80 % power, but no affordable number the smallest."
    key = "at_most in benchmark.launches" if results.summary["campaign"].get("until") else "benchmark.launches"
    return f"{about} a difference of the size seen with 80 % power: raise {key}."


def _is_excluded(pair: Json) -> bool:
    """Whether a pair has no verdict for another reason than too few launches."""
    return pair["reason"] is not None and pair["launches_needed"] is None and pair["detectable_ratio"] is None


def _undecided(results: Results, now: Standing, cell: Cell) -> Advice:
    candidate, rivals, place = now.ranked[0], now.rivals, _place(results, cell)
    pairs = [one for rival in rivals if (one := results.between(candidate, rival, cell, LATENCY)) is not None]
    beaten = [name for name in now.ranked[1:] if name not in (*rivals, *now.lost)]
    ahead = f"{candidate} is faster than {listed(beaten)}. " if beaten else ""
    # With several rivals their verdicts would fill the page; the table of verdicts has each.
    reason = f": {_told(pairs[0]).rstrip('.')}" if len(pairs) == 1 else ""
    doubt = f"The data do not say whether {candidate} is faster than {listed(rivals)} in {place}{reason}."
    answer = (
        f"The data do not say which engine is fastest in {place}. {candidate} is ahead, but cannot be told from "
        f"{', '.join(rivals)}."
    )
    equal = not beaten and bool(pairs) and all(one["verdict"] == "equivalent" for one in pairs)
    takes = _what_it_takes(results, pairs)
    words = f"{ahead}{doubt} {takes}{_losers(results, now, cell)}"
    return Advice(None, "firm" if equal else "none", answer, words, pairs)


def advise(results: Results, cell: Cell) -> Advice:
    """Advice on the shortest answers in one cell."""
    now = standing(results, cell)
    reliable = [name for name in now.ranked if name not in now.lost]
    if not now.ranked:
        return Advice(None, "none", "No engine was measured, so there is no answer yet.", "No engine was measured.", [])
    if len(now.ranked) == 1:
        alone = f"Only {now.ranked[0]} was measured, so there is nothing to compare it with."
        return Advice(None, "none", alone, alone + _losers(results, now, cell), [])
    if len(reliable) < 2:
        place = _place(results, cell)
        who = f"Only {reliable[0]}" if reliable else "No engine"
        alone = f"{who} finished all its launches, so none is called the fastest in {place}."
        pairs = [one for one in results.comparisons(cell, LATENCY) if one["ratio"] is not None]
        return Advice(None, "none", alone, alone + _losers(results, now, cell), pairs)
    return _certain(results, now, cell) if now.fastest else _undecided(results, now, cell)


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
        if entry["fidelity"]["result"] == "fail":
            words = f"{name} is not advised at any speed: it did not compute the same model as the reference."
            found.append(_statement("fidelity", None, Advice(name, "firm", words, words, [])))
    return found
