"""The first screen: what was measured, the quick look's limits, and a card for each workload, memory and cost."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Final

from markupsafe import Markup

from benchmark_runner.configuration.load import has_load
from benchmark_runner.display import bytes_text, plural, significant
from benchmark_runner.performance.advice import MOST_NAMED
from benchmark_runner.report.card import NAMES_SHOWN, Card
from benchmark_runner.report.figures import Figure, figure, in_unit, span
from benchmark_runner.report.forest import heading, times
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.load import load_cards, load_in_words
from benchmark_runner.report.machines import machines
from benchmark_runner.report.results import as_sentence
from benchmark_runner.statistics.levels import NO_LEVEL
from benchmark_runner.statistics.planned import each_in_words
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN, MARGIN
from benchmark_runner.summary.document import SYNTHETIC, joined_words

COMMIT_DIGITS: Final = 7


def masthead(inputs: ReportInputs) -> list[str]:
    """What was measured where, in a few words each."""
    engines, environment = inputs.statistics["engines"], inputs.environment
    threads = {engine["threads"] for engine in engines if engine["threads"] is not None}
    git = environment["workflow"]["git"]
    gpus = dict.fromkeys(str(found["name"] or "unknown GPU") for one in inputs.records if (found := one.get("gpu")))
    processor = _processors(inputs)
    parts = [
        inputs.plan["model"]["name"],
        " and ".join(sorted({str(engine["dtype"]) for engine in engines if engine["dtype"]})),
        f"{processor}, {plural(threads.pop(), 'thread')}" if len(threads) == 1 else processor,
        " and ".join(gpus),
        load_in_words(inputs),
        _span(inputs) or "",
        f"commit {git['commit'][:COMMIT_DIGITS]}" if git else "",
    ]
    return [str(part) for part in parts if part]


def _processors(inputs: ReportInputs) -> str:
    """The processor, and where there are several machines how many and their names."""
    found = machines(inputs)
    models = dict.fromkeys(str(document["cpu"]["model"] or "unknown processor") for _, document in found)
    if len(found) == 1:
        return " and ".join(models)
    return f"{len(found)} machines ({', '.join(name for name, _ in found)}), {' and '.join(models)}"


def _span(inputs: ReportInputs) -> str | None:
    """First and last day of the launches; None where none has ended."""
    if not inputs.records:
        return None
    first, last = inputs.records[0]["started_at"][:10], max(record["ended_at"] for record in inputs.records)[:10]
    return str(first) if first == last else f"{first} to {last}"


def quick_look(inputs: ReportInputs) -> str | None:
    """What a quick look is and what the comprehensive campaign adds; None where this is no quick look."""
    campaign = inputs.plan["campaign"]
    if not campaign["quick"]:
        return None
    totals = _counts(number for workload in inputs.plan["workloads"] for number in _measurements(workload, campaign))
    measured = f", which answers each test case {totals} times in all" if totals else ""
    text = (
        f"{each_in_words(campaign)} of each engine{measured}: enough to see "
        "large differences, not small ones or rare slow answers."
    )
    if inputs.comprehensive is None:
        return text
    return f"{text} {_what_more(inputs.plan, inputs.comprehensive)}"


def _measurements(workload: Document, campaign: Document) -> Iterator[int]:
    """How many times each test case is measured in all launches; nothing of one under load that ends by time."""
    if not has_load(workload):
        yield workload["iterations_total"]
        return
    for case in workload["cases"]:
        if case["load"]["requests"] is not None:
            yield case["load"]["requests"] * campaign["launches"]


def synthetic(inputs: ReportInputs) -> str | None:
    """That the weights are random numbers; None where they are a model's."""
    source = inputs.plan["model"]["source"]
    return SYNTHETIC.format(shape=source["shape"]) if source["kind"] == "synthetic" else None


def joined(inputs: ReportInputs) -> str | None:
    """That the campaign was joined from several, and what that means; None where it was not."""
    found = inputs.plan["campaign"].get("joined")
    return None if found is None else joined_words(found)


def _what_more(plan: Document, comprehensive: Document) -> str:
    here = {engine["name"] for engine in plan["engines"]}
    more = [engine["name"] for engine in comprehensive["engines"] if engine["name"] not in here]
    parts = [f"{comprehensive['benchmark']['launches']} launches instead of {plan['campaign']['launches']}"]
    counts = _counts(one["iterations"] for one in comprehensive["workloads"] if not has_load(one))
    parts.append(f"{counts} answers to each test case")
    if any(map(has_load, comprehensive["workloads"])):
        parts.append("several requests at once")
    if more:
        parts.append(f"the {'engine' if len(more) == 1 else 'engines'} {', '.join(more)}")
    parts.append(f"the model {comprehensive['benchmark']['model_path'].rstrip('/').rpartition('/')[2]}")
    return f"The comprehensive campaign adds: {'; '.join(parts)}."


def _counts(values: Iterable[int]) -> str:
    """The numbers as one span, "50 to 100"."""
    known = list(values)
    return " to ".join(map(str, dict.fromkeys((min(known), max(known))))) if known else ""


def cards(inputs: ReportInputs) -> list[Card]:
    """A card for each workload's case and for each grid of levels of load, then memory and cost."""
    unloaded = [
        number
        for number, one in enumerate(inputs.summary["answer"]["workloads"])
        if one["workload"] not in inputs.loaded_workloads
    ]
    workloads = [_workload(inputs, number) for number in unloaded]
    return [*workloads, *load_cards(inputs), *_memory(inputs), *_cost(inputs)]


def _workload(inputs: ReportInputs, number: int) -> Card:
    cell = inputs.summary["answer"]["workloads"][number]
    group = len(cell["leading"])
    word, tone = {
        "clear": ("ahead of all others", "sure"),
        "shared": (f"tie of {group}", "open"),
        "open": ("not told apart", "open"),
        "none": ("no answer", "bad"),
    }[cell["word"]]
    devices = {engine["device"] for engine in inputs.statistics["engines"] if engine["name"] in cell["leading"]}
    if len(devices) > 1:
        word = "devices are not compared"
    ranked = [place for place, one in enumerate(cell["engines"]) if one["ranked"]]
    if not group and len(ranked) == 1:  # nothing to compare, but measured
        path, name = ("answer", "workloads", number, "engines", ranked[0]), cell["engines"][ranked[0]]["engine"]
        value = figure(inputs, "summary", *path, "value", show=in_unit(cell["unit"]))
        alone = [(name, inputs.signs[name])]
        return Card(heading(inputs, cell), alone, value, lines=[cell["sentence"]], is_workload=True)
    lines = list(_workload_lines(inputs, number, cell)) if group else [cell["sentence"]]
    if group > MOST_NAMED:  # any three of them would seem chosen
        return Card(
            heading(inputs, cell), [], None, 0, word, tone, lines, is_workload=True, together=f"{group} engines"
        )
    named = [(engine, inputs.signs[engine]) for engine in cell["leading"][:NAMES_SHOWN]]
    return Card(heading(inputs, cell), named, None, max(0, group - NAMES_SHOWN), word, tone, lines, is_workload=True)


def _workload_lines(inputs: ReportInputs, number: int, cell: Document) -> Iterator[Markup | str]:
    """The leading group against the baseline, the next one behind, and what else separates the group's members."""
    path = ("answer", "workloads", number)
    leading = [place for place, one in enumerate(cell["engines"]) if one["leading"]]
    values = _sorted(inputs, [(*path, "engines", place, "value") for place in leading], in_unit(cell["unit"]))
    yield Markup("{}{}").format(span(values[0], values[-1]), _against_baseline(inputs, number, leading))
    behind, alone = cell["next_behind"], len(leading) == 1
    if behind is not None and not (alone and behind["engine"] == inputs.plan["campaign"]["baseline"]):
        by = figure(inputs, "summary", *path, "next_behind", "behind", show=times)
        ends = [figure(inputs, "summary", *path, "next_behind", "interval", end) for end in (0, 1)]
        interval = Markup(" ({})").format(span(*ends)) if all(ends) else ""
        told = (behind["leader"], by, behind["engine"], interval)
        yield Markup("{} answers {} as fast as {}, the next behind{}.").format(*told)
    yield from [one["sentence"] for one in cell["separates"] if one["sure"]][:1]


def _sorted(inputs: ReportInputs, paths: Iterable[tuple[str | int, ...]], show: Callable[[float], str]) -> list[Figure]:
    """Figures of summary.json that are known, the smallest first."""
    found = (figure(inputs, "summary", *path, show=show) for path in paths)
    return sorted((one for one in found if one is not None), key=attrgetter("value"))


def _against_baseline(inputs: ReportInputs, number: int, leading: Sequence[int]) -> Markup:
    """Ratios of the leading group to the baseline, unless it is one of them; of an engine that leads alone the interval
    too."""
    path = ("answer", "workloads", number, "engines")
    baseline = inputs.plan["campaign"]["baseline"]
    ratios = _sorted(inputs, [(*path, place, "ratio_to_baseline") for place in leading], times)
    engines = inputs.summary["answer"]["workloads"][number]["engines"]
    if not ratios or baseline in [engines[place]["engine"] for place in leading]:
        return Markup("")
    ends = [figure(inputs, "summary", *path, leading[0], "ratio_interval", end) for end in (0, 1)]
    interval = Markup(" ({})").format(span(*ends)) if len(leading) == 1 and all(ends) else ""
    return Markup(", {} as fast as {}{}").format(span(ratios[0], ratios[-1]), baseline, interval)


def _memory(inputs: ReportInputs) -> Iterator[Card]:
    """The engine that needs least main memory at its peak, and the least GPU memory where that was measured."""
    cells = inputs.summary["answer"]["workloads"]
    ranked = dict.fromkeys(one["engine"] for cell in cells for one in cell["engines"] if one["ranked"])
    shared = served_by_all(inputs, ranked)
    place = shared[0] if len(shared) < len(inputs.plan["workloads"]) else None
    for kind, label in (("peak_rss_bytes", "Memory, peak"), ("peak_vram_bytes", "GPU memory, peak")):
        found = {name: _peak(inputs, name, kind, place) for name in ranked}
        peaks = sorted(((one, name) for name, one in found.items() if one is not None), key=lambda peak: peak[0].value)
        if not peaks:
            continue
        sizes, names = [one for one, _ in peaks], [name for _, name in peaks]
        weights = figure(inputs, "performance", "memory", names[0], "weights_bytes", show=bytes_text)
        lines: list[Markup | str] = [Markup("The weights are {}.").format(weights)] if weights else []
        most = sizes[0].value * (1 + EQUIVALENCE_MARGIN)  # what is the same within the margin is no reason to choose
        least = [name for size, name in peaks if size.value <= most]
        if rest := sizes[len(least) :]:
            lines.insert(0, Markup("The others need {}.").format(span(rest[0], rest[-1])))
        if place is not None:
            lines.append(f"In {place}, which all of them serve.")
        else:
            lines += [f"{words}." for words in inputs.results.not_asked_sentences(ranked)]
        word, tone = _least_is_sure(inputs, names, kind, shared) if len(least) == 1 else (None, "open")
        is_many = len(least) > NAMES_SHOWN
        shown = [] if is_many else [(name, inputs.signs[name]) for name in least]
        together = f"{len(least)} engines within {MARGIN}" if is_many else ""
        yield Card(label, shown, sizes[0], 0, word, tone, lines, together=together)


def served_by_all(inputs: ReportInputs, names: Container[str]) -> list[str]:
    """Workloads that these engines serve, or the same test cases of them: memory is compared where all had the same to
    hold. All where no workload is left."""
    engines = [entry for entry in inputs.statistics["engines"] if entry["name"] in names]
    refused = {workload for entry in engines for workload in entry.get("refused_loads", {})}
    left_out = [entry.get("not_asked", {}) for entry in engines]
    partly = {workload for one in left_out for workload in one}
    refused |= {name for name in partly if len({frozenset(one.get(name, ())) for one in left_out}) > 1}
    all_of_them = [workload["name"] for workload in inputs.plan["workloads"]]
    return [name for name in all_of_them if name not in refused] or all_of_them


def _peak(inputs: ReportInputs, name: str, kind: str, workload: str | None) -> Figure | None:
    """Highest memory of an engine in a workload, or in any."""
    if workload is None:
        return figure(inputs, "performance", "memory", name, kind, show=bytes_text)
    wanted = {"engine": name, "workload": workload, "case": None}
    for place, cell in enumerate(inputs.statistics["cells"]):
        if wanted.items() <= cell.items() and kind in cell["metrics"]:
            return figure(inputs, "statistics", "cells", place, "metrics", kind, "max", show=bytes_text)
    return None


def _least_is_sure(
    inputs: ReportInputs, names: Sequence[str], metric: str, workloads: Sequence[str]
) -> tuple[str | None, str]:
    """(word, tone): confirmed where in each of these workloads all others certainly need more than the first."""
    if len(names) < 2:
        return None, "open"
    places = [Cell(workload, None) for workload in workloads]
    sure = all(inputs.results.is_faster(names[0], other, place, metric) for other in names[1:] for place in places)
    return ("confirmed", "sure") if sure else ("not confirmed", "open")


def _cost(inputs: ReportInputs) -> Iterator[Card]:
    """What a million tokens costs with the cheapest engine at full use, under load within the limits; without a price,
    what would make it known."""
    priced = [
        (row["usd_per_million_output_tokens"]["full_utilisation"]["point"], place, cell)
        for place, row in enumerate(inputs.business["costs"])
        if row["price"] is not None
        and row["engine"] not in inputs.results.unranked(cell := Cell(row["workload"], row["case"]), "e2e_ms")
    ]
    rows = inputs.business["costs"]
    known = [one for one in priced if one[2] in inputs.results.levels_at_limits(rows[one[1]]["engine"], one[2])]
    if not known:
        yield _no_cost(inputs, is_ranked=bool(priced))
        return
    place = min(known, key=itemgetter(0, 1))[1]
    row, path = inputs.business["costs"][place], ("costs", place)
    value = figure(inputs, "business", *path, "usd_per_million_output_tokens", "full_utilisation", "point", show=usd)
    price = figure(inputs, "business", *path, "price", "usd_per_hour", "point", show=usd)
    words = inputs.results.load_words(Cell(row["workload"], row["case"])) or "one request at a time"
    where = Markup("A million output tokens in {}, always busy, {}, at {} an hour.").format(
        row["workload"], words, price
    )
    yield Card("Cost", [(row["engine"], inputs.signs[row["engine"]])], value, lines=[where])


def _no_cost(inputs: ReportInputs, *, is_ranked: bool) -> Card:
    """Why no cost is told: no price, none of an engine that can be ranked, or no level of load within the limits."""
    if all(row["price"] is None for row in inputs.business["costs"]):
        remedy = "Set business.usd_per_hour to what an hour of this machine costs."
        return Card("Cost", [], word="no price known", lines=[remedy])
    why = as_sentence(NO_LEVEL, inputs) if is_ranked else "No engine with a known price can be ranked."
    return Card("Cost", [], word="not known", lines=[why])


def usd(value: float) -> str:
    """An amount in US dollars."""
    return f"{value:.4g} USD" if value < 1 else f"{significant(value)} USD"
