"""The answer of a campaign, made once: what is sure, what is not, and what would decide it. Terminal, table, page and
business file render this document and add no judgement of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

from benchmark_runner.display import estimate_text, number_pair
from benchmark_runner.performance.advice import (
    advise,
    any_of,
    listed,
    losers,
    named,
    only,
    oriented,
    places,
    seen,
    spread_of,
    times,
)
from benchmark_runner.performance.deciding import what_would_decide
from benchmark_runner.performance.ranking import LATENCY, Standing, standing
from benchmark_runner.performance.under_load import InShort, capacities_differ, capacities_in_short, load_sentences
from benchmark_runner.statistics.inputs import not_restarted
from benchmark_runner.statistics.metrics import BY_NAME, Metric
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell, Json, Results
from benchmark_runner.statistics.wording import CERTAIN, EQUIVALENCE_MARGIN, chance_of_alarm

NOTHING: Final = "Nothing was measured, so there is no answer"

SEPARATING: Final = ("peak_rss_bytes", "peak_vram_bytes", "load_ms", "ttft_ms", "tpot_ms", "energy_joules_per_token")
"""Metrics by which engines that answer equally fast may still differ."""

PARTIAL: Final = "partial"
"""Status of an engine that was measured and ranks behind those that lost no launch."""

UNRANKED: Final = "unranked"
"""Status of an engine that was measured and that no ranking takes in."""

MOST_GROUPS: Final = 2
"""Of engines that fared differently against the baseline (chosen): more make a heading that nobody reads."""

_Fared = tuple[tuple[Cell, ...], tuple[Cell, ...]]
"""Test cases in which an engine is faster than the baseline, and slower."""

_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class _Gone(NamedTuple):
    """An engine that no ranking takes in: in which test cases, where not in all, and why, as a clause."""

    engine: str
    status: str
    place: str
    reason: str
    is_baseline: bool

    def sentence(self, names: Sequence[str]) -> str:
        """The same of all engines of these names."""
        several, reason = len(names) > 1, self.reason
        if several and reason.startswith("it "):
            reason = f"each {reason.removeprefix('it ')}"
        who = f"The baseline {listed(names)}" if self.is_baseline else listed(names)
        if self.status == UNRANKED:
            return f"{who} {'are' if several else 'is'} left out{self.place}: {reason}."
        tail = ", so no engine has a ratio to it" if self.is_baseline else ""
        return f"{who} {'were' if several else 'was'} not measured ({self.status}): {reason}{tail}."


def answer(results: Results, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Section `answer` of performance_analysis.json and summary.json."""
    cells = [Cell(workload["name"], case["name"]) for workload in plan["workloads"] for case in workload["cases"]]
    standings = {cell: standing(results, cell) for cell in cells}
    out = list(_gone(results, cells))
    failed = [{"engine": one.engine, "status": one.status, "sentence": one.sentence([one.engine])} for one in out]
    measured = any(entry["launches"].get("ok") for entry in results.engines.values())
    gone, lossy = _together(out), _lossy(results, standings)
    held = capacities_in_short(results) if measured else InShort([], [], [])
    held_perhaps, known = held.not_sure, held.known
    sure = [*held.sure, *_baseline_sentences(results, standings), *_leader_sentences(results, standings)]
    comparable = any(len(now.ranked) > 1 for now in standings.values())
    if not sure and comparable:
        label = BY_NAME[LATENCY].label
        sure = [f"No difference in {label} between the engines was confirmed"]
        if held_perhaps and not capacities_differ(results):
            both = f"neither in {label} nor in how much they hold within the limits"
            sure, held_perhaps = [f"No difference between the engines was confirmed, {both}"], []
        sure, known = [*known, *sure], []  # what is known before what is not
    first = [*gone, *sure, *known] if measured else [NOTHING, *gone]
    if measured and not comparable:
        first += _alone(results, standings)
    first += _passes(results, plan)
    decide = what_would_decide(results, plan, standings)
    under_load = [f"{words}." for words in load_sentences(results)] if measured else []
    return {
        "sentence": " ".join(f"{words.rstrip('.')}." for words in first),
        **({"under_load": under_load} if under_load else {}),
        "not_sure": " ".join(
            [*held_perhaps, *_open_sentences(results, standings), *filter(None, [decide.without]), *lossy.values()]
        )
        or None,
        "decide": decide.step,
        "baseline": results.baseline,
        "failed": [*failed, *({"engine": name, "status": PARTIAL, "sentence": lossy[name]} for name in lossy)],
        "measured": measured,
        "workloads": [_workload(results, plan, cell, now) for cell, now in standings.items()],
    }


def _passes(results: Results, plan: Mapping[str, Any]) -> list[str]:
    """Which engines that were measured are servers that already ran."""
    ran = not_restarted(plan)
    names = [name for name, entry in results.engines.items() if name in ran and entry["launches"].get("ok")]
    verb = "was" if len(names) == 1 else "were"
    who = "from it" if len(names) == 1 else "from them"
    return (
        [f"{listed(names)} already ran and {verb} not restarted, so no difference {who} is confirmed"] if names else []
    )


def _alone(results: Results, standings: Mapping[Cell, Standing]) -> list[str]:
    names = list(dict.fromkeys(name for now in standings.values() for name in now.ranked))
    return [f"{only(results, names)}, so there is nothing to compare"]


def _gone(results: Results, cells: Sequence[Cell]) -> Iterator[_Gone]:
    """Engines without a launch that ended well, and those that no ranking takes in; the baseline first."""
    engines = sorted(results.engines.values(), key=lambda entry: bool(entry["name"] != results.baseline))
    unranked = {cell: results.unranked(cell, LATENCY) for cell in cells}
    for entry in engines:
        name, is_baseline = entry["name"], entry["name"] == results.baseline
        if not entry["launches"].get("ok"):
            reason = str(entry["reason"] or "no launch ended well").rstrip(".")
            yield _Gone(name, entry["status"], "", reason, is_baseline=is_baseline)
            continue
        out = [cell for cell in cells if name in unranked[cell] and not results.why_not_served(name, cell)]
        for reason in dict.fromkeys(unranked[cell][name] for cell in out):
            where = [cell for cell in out if unranked[cell][name] == reason]
            place = "" if len(where) == len(cells) else f" in {places(results, where)}"
            yield _Gone(name, UNRANKED, place, reason, is_baseline=is_baseline)


def _together(gone: Sequence[_Gone]) -> list[str]:
    """Sentences on them, of those that are missing for one reason together."""
    alike: dict[_Gone, list[str]] = {}
    for one in gone:
        alike.setdefault(one if one.is_baseline else one._replace(engine=""), []).append(one.engine)
    return [one.sentence(names) for one, names in alike.items()]


def _lossy(results: Results, standings: Mapping[Cell, Standing]) -> dict[str, str]:
    """Sentences on the engines that lost some of their launches, each once."""
    told: dict[str, str] = {}
    for cell, now in standings.items():
        of_all = {name: results.lost(name) or words for name, words in now.lost.items()}
        told = losers(results, now._replace(lost=of_all), cell) | told
    return told


def _counted(names: Sequence[str], among: int) -> str:
    """ "All four engines", or the names."""
    if len(names) == among > 2:
        return f"All {_NUMBERS[among] if among < len(_NUMBERS) else among} engines"
    return listed(names)


def _baseline_sentences(results: Results, standings: Mapping[Cell, Standing]) -> Iterator[str]:
    """What is sure about engines against the baseline, engines that fared alike together."""
    cells = list(standings)
    others = [name for name in results.engines if any(name in now.ranked for now in standings.values())]
    others = [name for name in others if name != results.baseline]
    groups: dict[_Fared, list[str]] = {}
    for name in others:
        faster, slower = (
            tuple(
                cell for cell in cells if name in standings[cell].reliable and results.is_faster(*pair, cell, LATENCY)
            )
            for pair in ((name, results.baseline), (results.baseline, name))
        )
        if faster or slower:
            groups.setdefault((faster, slower), []).append(name)
    for (faster, slower), names, partly in _fewer(groups, cells):
        who, parts = _counted(names, len(others)), []
        ends = "s" if len(names) == 1 else ""
        for won, verb, word in ((faster, "answer", "fast"), (slower, "take", "long")):
            if won:
                found = [
                    oriented(results, name, results.baseline, cell)
                    for name in names
                    for cell in won
                    if results.separated(name, results.baseline, cell, LATENCY)
                ]
                span = times([one["point"] if word == "fast" else 1.0 / one["point"] for one in found if one])
                where = f"some of {len(cells)} test cases" if partly else places(results, won)
                parts.append(f"{verb}{ends} {span} as {word} as {results.baseline} in {where}")
        yield f"{who} {', and '.join(parts)}"


def _fewer(groups: Mapping[_Fared, list[str]], cells: Sequence[Cell]) -> Iterator[tuple[_Fared, list[str], bool]]:
    """The groups; of more than MOST_GROUPS those that are faster in a part of the test cases together and last, as true
    says."""
    partly = [key for key in groups if not key[1] and len(key[0]) < len(cells)]
    together = len(groups) > MOST_GROUPS and len(partly) > 1
    yield from ((key, names, False) for key, names in groups.items() if not together or key not in partly)
    if together:
        where = tuple(cell for cell in cells if any(cell in faster for faster, _ in partly))
        yield (where, ()), [name for key in partly for name in groups[key]], True


def _leader_sentences(results: Results, standings: Mapping[Cell, Standing]) -> Iterator[str]:
    """Who leads where: cells with the same leading group together, whatever its order."""
    groups: dict[frozenset[str], list[Cell]] = {}
    for cell, now in standings.items():
        # Of two engines the sentence on the baseline has told.
        told = len(now.reliable) == 2 and results.baseline in now.reliable
        if now.leading and len(now.leading) < len(now.reliable) and not told:
            groups.setdefault(frozenset(now.leading), []).append(cell)
    if any(one.isdisjoint(other) for one, other in combinations(groups, 2)):
        yield "Which engine is best depends on the workload"
    for cells in groups.values():
        where, leading = places(results, cells), standings[cells[0]].leading
        if len(leading) == 1:
            yield f"{leading[0]} answers fastest of all in {where}"
        else:
            yield f"In {where} the best is among {named(results, leading)}"


def _open_sentences(results: Results, standings: Mapping[Cell, Standing]) -> Iterator[str]:
    """What the data leave open, cells in which the same is open together."""
    groups: dict[tuple[str, str, frozenset[str]], list[Cell]] = {}
    for cell, now in standings.items():
        if (found := _what_is_open(results, cell, now)) is not None:
            groups.setdefault((*found, frozenset(now.leading)), []).append(cell)
    uncorrected = 0
    for (kind, reason, _), cells in groups.items():
        where, leading = places(results, cells), standings[cells[0]].leading
        because = f" ({reason})" if reason else ""
        spread = spread_of(results, leading, cells) if kind == "named" else None
        if kind == "lost":
            yield f"In {where} {reason} finished all its launches, so none is called the fastest."
        elif kind == "same":
            yield f"In {where} {listed(leading)} are the same within the margin: choose by what else separates them."
        elif spread is not None:
            verb = "answers" if len(leading) == 2 else "answer"
            span, alone = " to ".join(dict.fromkeys(number_pair(*spread))), not spread[0] <= 1.0 <= spread[1]
            told = f"{listed(leading[1:])} {verb} {span} times as fast as {leading[0]} in {where}"
            uncorrected += alone
            yield f"{told}: which of them is best is not confirmed{because}."
        else:
            yield f"In {where} it is not sure which of {any_of(leading)} answers fastest{because}."
            if kind == "all" and (words := seen(results, leading, cells)):
                yield f"Seen, though not confirmed: {words}."
    if uncorrected:
        which = "This interval is" if uncorrected == 1 else "These intervals are"
        yield f"{which} not corrected for the number of comparisons, which verdicts are."
    pairs = [one for cell, now in standings.items() for one in _pairs(results, cell, now.leading) if one is not None]
    if any("control_differs" in one["qualifiers"] for one in pairs):
        yield f"{chance_of_alarm(results.summary['control']['alpha'])}."


def _what_is_open(results: Results, cell: Cell, now: Standing) -> tuple[str, str] | None:
    """(kind, reason) of what a cell leaves open: lost, same, named (the sentence has the group) or all; else None."""
    if len(now.ranked) > 1 and not now.leading:
        return "lost", f"only {now.reliable[0]}" if now.reliable else "no engine"
    if len(now.leading) < 2 or len({results.engines[name]["device"] for name in now.leading}) > 1:
        return None  # devices are not compared, which the sentence says
    pairs = [one for one in _pairs(results, cell, now.leading) if one is not None]
    if pairs and all(one["verdict"] == "equivalent" for one in pairs):
        return "same", ""
    reasons = list(dict.fromkeys(one["reason"] for one in pairs if one["verdict"] != "equivalent"))
    reason = str(reasons[0] or "") if len(reasons) == 1 else ""
    return "named" if len(now.leading) < len(now.reliable) else "all", reason


def _pairs(results: Results, cell: Cell, names: Sequence[str]) -> list[Json | None]:
    return [results.between(a, b, cell, LATENCY) for at, a in enumerate(names) for b in names[at + 1 :]]


def _workload(results: Results, plan: Mapping[str, Any], cell: Cell, now: Standing) -> dict[str, Any]:
    workload = next(entry for entry in plan["workloads"] if entry["name"] == cell.workload)
    case = next(entry for entry in workload["cases"] if entry["name"] == cell.case)
    works = [done.prompt for name in now.ranked if (done := results.work(name, cell)) is not None]
    metric = BY_NAME[LATENCY]
    word = "none" if not now.leading else "clear" if len(now.leading) == 1 else "shared"
    if word == "shared" and len(now.leading) == len(now.reliable):
        word = "open"
    unranked = results.unranked(cell, LATENCY)
    order = [*now.ranked, *(name for name in results.engines if name not in now.ranked)]
    return {
        "workload": cell.workload,
        "case": cell.case,
        "metric": metric.name,
        "unit": metric.unit,
        "better": metric.better,
        "prompt_tokens": round(works[0]) if works else None,
        "max_tokens": case["max_new_tokens"],
        "leading": now.leading,
        "word": word,
        "sentence": advise(results, cell).answer,
        "engines": [_row(results, cell, now, name, unranked.get(name)) for name in order],
        "next_behind": _next_behind(results, cell, now),
        "separates": [*_separates(results, cell, now.leading), *_licences(plan.get("licences", {}), now.leading)],
    }


def _row(results: Results, cell: Cell, now: Standing, name: str, reason: str | None) -> dict[str, Any]:
    value, rate = (results.estimate(name, cell, metric) for metric in (LATENCY, results.throughput(cell)))
    one = None if name == results.baseline else results.between(name, results.baseline, cell, LATENCY)
    ratio = oriented(results, name, results.baseline, cell) if one else None
    return {
        "engine": name,
        "leading": name in now.leading,
        "ranked": name in now.ranked,
        "value": value["point"] if value else None,
        "interval": [value["low"], value["high"]] if value and value["low"] is not None else None,
        "tokens_per_s": rate["point"] if rate else None,
        "tokens_per_s_interval": [rate["low"], rate["high"]] if rate and rate["low"] is not None else None,
        "ratio_to_baseline": ratio["point"] if ratio else None,
        "ratio_interval": [ratio["low"], ratio["high"]] if ratio and ratio["low"] is not None else None,
        "verdict_to_baseline": one["verdict"] if one else None,
        "faster": one["faster"] if one else None,
        "launches": int(results.metric(name, cell, LATENCY)["launches"]),
        "reason": reason or now.lost.get(name),
    }


def _next_behind(results: Results, cell: Cell, now: Standing) -> dict[str, Any] | None:
    """The best engine outside the leading group, and how many times as fast the leader is that beats it."""
    behind = next((name for name in now.reliable if name not in now.leading), None)
    ahead = next((name for name in now.leading if behind and results.is_faster(name, behind, cell, LATENCY)), None)
    ratio = oriented(results, ahead, behind, cell) if ahead and behind else None
    if ratio is None:
        return None
    interval = [ratio["low"], ratio["high"]] if ratio["low"] is not None else None
    return {"engine": behind, "leader": ahead, "behind": ratio["point"], "interval": interval}


def _separates(results: Results, cell: Cell, leading: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What else tells members of a leading group apart, the best of each metric against the others."""
    for metric in (BY_NAME[name] for name in SEPARATING if len(leading) > 1):
        place = cell if metric.level != "launch" else Cell(cell.workload, None)
        known = {name: value for name in leading if (value := results.point(name, place, metric.name)) is not None}
        if len(known) < 2:
            continue
        best = min(known, key=lambda name: -metric.sign * known[name])
        pairs = [results.between(best, other, place, metric.name) for other in known if other != best]
        ahead = [one for one in pairs if one is not None and one["faster"] == best]
        apart = min(abs(known[other] - known[best]) for other in known if other != best)
        if ahead and apart > EQUIVALENCE_MARGIN * known[best]:  # the same within the margin is no reason to choose
            sure = len(ahead) == len(pairs) and all(one["verdict"] in CERTAIN for one in ahead)
            load = results.load_words(cell)
            where = f" in {cell.workload if metric.level == 'launch' else place_of(results, cell)}" if load else ""
            sentence = _separate_words(metric, best, known, where, sure=sure)
            yield {"metric": metric.name, "engine": best, "sentence": sentence, "sure": sure}


def sure_beside(workloads: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences on what is confirmed of engines none of which is behind in the answer's latency, each once."""
    beside = (one for cell in workloads if cell["word"] == "open" for one in cell["separates"])
    return list(dict.fromkeys(one["sentence"] for one in beside if one["sure"] and one["engine"]))


def _licences(known: Mapping[str, str], leading: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The licences of a leading group's members, where they differ."""
    groups: dict[str, list[str]] = {}
    for name in leading:
        if name in known:
            groups.setdefault(known[name], []).append(name)
    if len(groups) > 1:
        told = "; ".join(f"{listed(names)}: {licence}" for licence, names in groups.items())
        yield {"metric": "licence", "engine": None, "sentence": f"Licences differ: {told} (a fact).", "sure": True}


def _shown(metric: Metric, value: float) -> str:
    """A value as the page and the sentences have it."""
    return estimate_text({"point": value, "low": None, "high": None}, metric.unit)


def _separate_words(metric: Metric, best: str, known: Mapping[str, float], where: str, *, sure: bool) -> str:
    """The best value of a metric beside those of the others, with its sureness."""
    values = sorted(
        {_shown(metric, value): value for name, value in known.items() if name != best}.items(), key=lambda one: one[1]
    )
    rest = values[0][0] if len(values) == 1 else f"{values[0][0]} to {values[-1][0]}"
    which = "highest" if metric.better == "higher" else "lowest"
    others = "that of the other" if len(known) == 2 else "those of the others"
    certainty = "confirmed" if sure else "not confirmed"
    lead = f"{best} has the {which} {metric.label}{where}, {_shown(metric, known[best])}"
    return f"{lead}; {others}: {rest} ({certainty})."
