"""The section "Under load": charts and a table of each grid of levels, and the capacity at the limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.display import ABSENT, estimate_parts, percent, significant
from benchmark_runner.performance.advice import listed
from benchmark_runner.performance.answer import sure_beside
from benchmark_runner.performance.at_limits import AtLimits, at_limits
from benchmark_runner.plots.levels import panels, throughput_panel
from benchmark_runner.report.card import NAMES_SHOWN, Card
from benchmark_runner.report.curves import Chart, chart
from benchmark_runner.report.forest import tokens_in_words
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import as_sentence, engine_cell
from benchmark_runner.report.tables import Column, Table, TableCell, heads, number, prose
from benchmark_runner.statistics.client import GATES
from benchmark_runner.statistics.levels import Grid, failed_words, level_text, slo_words
from benchmark_runner.statistics.metrics import BY_NAME, LEVEL_ENERGY
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.sentences import CLAUSES, shared_clauses, without_clauses

LEVEL_METRICS: Final = ("output_tokens_per_s", "requests_per_s", "ttft_ms", "tpot_ms", "goodput_requests_per_s")
BESIDE_SHOWN: Final = 2  # in a card, of what else is confirmed; the table to paste has all
CAPACITY_TONES: Final[Mapping[str, tuple[str, str]]] = {
    "confirmed_faster": ("confirmed", "sure"),
    "significant_unconfirmed": ("not confirmed", "perhaps"),
    "inconclusive": ("not told apart", "open"),
    "untestable": ("no verdict", "open"),
}


@dataclass(frozen=True)
class GridOfPage:
    """What the page shows of one grid."""

    title: str
    charts: Sequence[Chart]
    capacity: Table
    levels: Table
    own_clock: Table | None
    own_words: Sequence[str]


def under_load(inputs: ReportInputs) -> dict[str, Any] | None:
    """{sentences, grids}; None without load. sentences are those of the answer."""
    grids = [_grid(inputs, grid) for grid in inputs.results.grids]
    return {"sentences": inputs.summary["answer"].get("under_load", []), "grids": grids} if grids else None


def _grid(inputs: ReportInputs, grid: Grid) -> GridOfPage:
    drawn = [throughput_panel(inputs.statistics, grid), *panels(inputs.statistics, grid)]
    charts = [found for panel in drawn if (found := chart(panel, grid, inputs.signs))]
    return GridOfPage(
        grid.title,
        charts,
        _capacity(inputs, grid),
        _levels(inputs, grid),
        _own_clock(inputs, grid),
        list(_own_words(inputs, grid)),
    )


def _capacity(inputs: ReportInputs, grid: Grid) -> Table:
    columns = heads("Engine", Column("Capacity", hint="highest level that keeps the limits"), "Launches")
    columns += [*heads("Against the baseline", Column("Knee", hint="throughput flattens")), prose("In words")]
    rows, by_engine = [], inputs.results.of_grid(grid)
    told = [one["sentence"] for name in by_engine if (one := _against_baseline(inputs, grid, name)) is not None]
    shared = shared_clauses(told)
    for row in by_engine.values():
        compared = _against_baseline(inputs, grid, row["engine"])
        is_baseline = row["engine"] == inputs.plan["campaign"]["baseline"]
        alone = ("the baseline" if is_baseline else ABSENT, None)
        label, tone = alone if compared is None else CAPACITY_TONES[compared["verdict"]]
        if compared is not None and compared["higher"]:
            label = f"{'more' if compared['higher'] == row['engine'] else 'less'}, {label}"
        rows.append(
            [
                engine_cell(inputs, row["engine"]),
                _level_cell(row["capacity"]),
                TableCell(str(row["capacity"]["n"]), value=float(row["capacity"]["n"])),
                TableCell(label, tone=tone),
                _level_cell(row["knee"]),
                TableCell(
                    ABSENT if compared is None else as_sentence(without_clauses(compared["sentence"], shared), inputs)
                ),
            ]
        )
    of_all = [f"Of all comparisons: {CLAUSES.join(shared)}"] if shared else []
    return Table(
        ". ".join([f"Capacity at the limits, {grid.title}", *of_all]), columns, rows, chosen_by=_engines_alone(rows)
    )


def _against_baseline(inputs: ReportInputs, grid: Grid, engine: str) -> Document | None:
    pair = {engine, inputs.plan["campaign"]["baseline"]}
    return next(
        (
            one
            for one in inputs.statistics["capacity"]["comparisons"]
            if (one["quantity"], one["workload"], one["group"]) == ("capacity", grid.workload, grid.group)
            and {one["engine"], one["reference"]} == pair
        ),
        None,
    )


def _level_cell(estimate: Document) -> TableCell:
    """A level over launches in words, and which share of such intervals holds it, or that all launches agree."""
    if estimate["text"] is None:
        return TableCell(ABSENT, estimate["reason"])
    if estimate["level"] is None:
        return TableCell(estimate["text"], estimate["reason"])
    agree = len({(one["value"], one["bound"]) for one in estimate["launches"]}) == 1
    covers = f"all {estimate['n']} launches" if agree else f"{percent(estimate['level'])} interval"
    return TableCell(estimate["text"], covers)


def _engines_alone(rows: Sequence[Sequence[TableCell]]) -> list[tuple[str, str]]:
    """Rows that the filter of engines chooses, and no other."""
    return [(row[0].text, "") for row in rows]


def _levels(inputs: ReportInputs, grid: Grid) -> Table:
    """A row an engine and level."""
    columns = heads("Engine", number("Level", grid.unit))
    columns += [number("Arrived", "requests/s")] if grid.mode == "open" else []
    columns += [number(BY_NAME[name].short, BY_NAME[name].unit) for name in LEVEL_METRICS[:2]]
    columns += [number(f"{word} {short}") for short in ("TTFT", "TPOT") for word in ("Typical", "p99")]
    columns += [number("Goodput", "requests/s"), number("Failed"), number("With prompts", "tokens/s")]
    columns += [number("Waited p99", "ms")]
    measured = [
        (engine["name"], level, cell)
        for level, case in grid.cases.items()
        for engine in inputs.engines
        if inputs.results.load(engine["name"], cell := Cell(grid.workload, case)) is not None
    ]
    counted = any(inputs.results.estimate(name, cell, LEVEL_ENERGY) for name, _, cell in measured)
    columns += [number(BY_NAME[LEVEL_ENERGY].short, BY_NAME[LEVEL_ENERGY].unit)] if counted else []
    columns += [prose("Marks")]
    rows = []
    for name, level, cell in measured:
        *figures, marks = _level_row(inputs, name, level, cell)
        energy = [_typical(inputs, name, cell, LEVEL_ENERGY)] if counted else []
        rows.append([*figures, *energy, marks])
    caption = f"All levels of {grid.title}; the softer line is the {inputs.level} interval"
    return Table(caption, columns, rows, sortable=True, chosen_by=_engines_alone(rows))


def _level_row(inputs: ReportInputs, engine: str, level: float, cell: Cell) -> list[TableCell]:
    load = inputs.results.load(engine, cell) or {}
    tokens, requests, first, each, good = (_typical(inputs, engine, cell, name) for name in LEVEL_METRICS)
    return [
        engine_cell(inputs, engine),
        TableCell(level_text(level), value=level),
        *_came(load),
        tokens,
        requests,
        first,
        _tail(inputs, engine, cell, "ttft_ms"),
        each,
        _tail(inputs, engine, cell, "tpot_ms"),
        good,
        TableCell(failed_words(load), _error_range(load), value=load["error_rate"]),
        _of_level(load.get("total_tokens_per_s"), "tokens/s"),
        _of_level((load.get("waited_ms") or {}).get("p99"), "ms"),
        TableCell("; ".join([*(GATES[name].words for name in load["gates"]), *_cached(load)]) or ABSENT),
    ]


def _of_level(known: Document | None, unit: str) -> TableCell:
    """A figure of a level with its interval over launches."""
    if known is None:
        return TableCell(ABSENT)
    text, below = estimate_parts(known, unit)
    return TableCell(text if unit == "ms" else significant(known["point"]), below, known["point"])


def _error_range(load: Document) -> str | None:
    """The interval of the share of requests that fail."""
    known = load.get("error_rate_interval")
    return None if known is None else f"{significant(100 * known[0], 2)} to {significant(100 * known[1], 2)} %"


def _came(load: Document) -> list[TableCell]:
    """Of an open loop the rate that its schedule had, and the one that was sent where that is another."""
    if load["mode"] != "open":
        return []
    due, sent = load.get("due_requests_per_s"), load.get("achieved_requests_per_s")
    if due is None or sent is None:
        return [TableCell(ABSENT)]
    came, left = significant(due), significant(sent)
    return [TableCell(came, None if left == came else f"{left} sent", due)]


OWN_CLOCK: Final[Mapping[str, str]] = {
    "ttft_ms": "TTFT, ms",
    "decode_ms": "First token to last, ms",
    "e2e_ms": "End-to-end latency, ms",
    "queue_ms": "In the server's queue, ms",
    "output_tokens": "Tokens generated, with what was cancelled",
    "cached_tokens": "Prompt tokens from a cache",
}


def _own_clock(inputs: ReportInputs, grid: Grid) -> Table | None:
    """What servers say of themselves beside what the client measured; None where none tells anything."""
    columns = heads("Engine", number("Level", grid.unit), "What", number("By the client"))
    columns += [number("By the server"), number("Difference"), number("Requests", "by the client, the server")]
    rows = []
    for level, case in grid.cases.items():
        for engine in inputs.engines:
            load = inputs.results.load(engine["name"], Cell(grid.workload, case)) or {}
            for one in load.get("own_clock", ()):
                sides = [_figure(one[side]) for side in ("ours", "theirs", "difference")]
                counts = " / ".join(_figure(one[side]).text for side in ("ours_count", "theirs_count"))
                what = TableCell(OWN_CLOCK[one["name"]])
                at = TableCell(level_text(level), value=level)
                rows.append([engine_cell(inputs, engine["name"]), at, what, *sides])
                rows[-1].append(TableCell(counts if one["theirs_count"] is not None else ABSENT))
    caption = f"The server's own clock, {grid.title}: means over launches, shown and never used instead"
    return Table(caption, columns, rows, sortable=True, chosen_by=_engines_alone(rows)) if rows else None


def _own_words(inputs: ReportInputs, grid: Grid) -> Iterator[str]:
    """Of each server that has a clock of its own: its time to the first token at the highest level."""
    cell = Cell(grid.workload, list(grid.cases.values())[-1])
    for engine in inputs.engines:
        load = inputs.results.load(engine["name"], cell) or {}
        for one in load.get("own_clock", ()):
            if one["name"] == "ttft_ms" and one["ours"] is not None:
                ours, theirs = (f"{significant(one[side])} ms" for side in ("ours", "theirs"))
                yield (
                    f"The own clock of {engine['name']} says {theirs} to the first token {load['words']}; "
                    f"its client measured {ours}."
                )


def _cached(load: Document) -> list[str]:
    cached = load.get("cached_tokens")
    return [f"{cached:,} prompt tokens came from the server's cache"] if cached else []


def _figure(value: float | None) -> TableCell:
    return TableCell(ABSENT if value is None else significant(value), value=value)


def _typical(inputs: ReportInputs, engine: str, cell: Cell, metric: str) -> TableCell:
    estimate = inputs.results.estimate(engine, cell, metric)
    if estimate is None:
        return TableCell(ABSENT)
    numbers = inputs.results.metric(engine, cell, metric)
    text, span = estimate_parts(estimate, numbers["unit"])
    below = numbers["reason"] if estimate["low"] is None else span
    return TableCell(text if numbers["unit"] == "ms" else significant(estimate["point"]), below, estimate["point"])


def _tail(inputs: ReportInputs, engine: str, cell: Cell, metric: str) -> TableCell:
    found = inputs.results.metric(engine, cell, metric)["p99"]
    if found["value"] is None:
        return TableCell(ABSENT)
    text, below = estimate_parts({"point": found["value"], **found}, "ms")
    return TableCell(text, below, found["value"])


def load_cards(inputs: ReportInputs) -> list[Card]:
    """A card a grid: the engines with the highest capacity, and what is sure of that; then the throughput, and what is
    confirmed of engines that answer alike."""
    return [_card(inputs, grid) for grid in inputs.results.grids]


def _card(inputs: ReportInputs, grid: Grid) -> Card:
    found, limits = at_limits(inputs.results, grid), slo_words(inputs.statistics["load"]["slo"])
    lines = [f"Limits: {limits}."]
    lines += [] if found.nobody else _held(found)
    lines.append(f"{throughput_panel(inputs.statistics, grid).finding}.")
    lines += sure_beside(_answers(inputs, grid))[:BESIDE_SHOWN]
    verdicts = set(found.below.values())
    word, tone = ("most at the limits", "sure") if verdicts else ("not told apart", "open")
    if verdicts and len(found.most) > 1:
        word, tone = f"tie of {len(found.most)} at the limits", "open"
    if verdicts - {"confirmed_faster"}:
        word, tone = ("not told apart", "open") if None in verdicts else ("most, not confirmed", "perhaps")
    best = found.not_told_apart or list(found.most)
    shown = [(engine, inputs.signs[engine]) for engine in best[:NAMES_SHOWN]]
    heading = f"{grid.title} · {_tokens(inputs, grid)} · {levels_in_words(grid)}"
    if not found.held or found.nobody:
        word = "nobody keeps the limits" if found.held else "no answer"
        return Card(heading, [], word=word, tone="bad", lines=lines, is_workload=True)
    more = max(0, len(best) - NAMES_SHOWN)
    return Card(heading, shown, None, more, word if len(found.held) > 1 else None, tone, lines, is_workload=True)


def _held(found: AtLimits) -> list[str]:
    """What engines hold, those that hold the same in one line; of many lines the first."""
    groups: dict[str, list[str]] = {}
    for engine, one in found.held.items():
        groups.setdefault(one["text"], []).append(engine)
    lines = [f"{listed(names)} {'holds' if len(names) == 1 else 'hold'} {text}." for text, names in groups.items()]
    left = sum(len(names) for names in list(groups.values())[NAMES_SHOWN:])
    return [*lines[:NAMES_SHOWN], *([f"The section Under load has the other {left}."] if left else [])]


def _answers(inputs: ReportInputs, grid: Grid) -> list[Document]:
    """The answer on each level of a grid, from the lowest on."""
    found = {(one["workload"], one["case"]): one for one in inputs.summary["answer"]["workloads"]}
    return [found[key] for case in grid.cases.values() if (key := (grid.workload, case)) in found]


def _tokens(inputs: ReportInputs, grid: Grid) -> str:
    """Tokens in and out of a request."""
    here, case = _answers(inputs, grid), next(iter(grid.cases.values()))
    cells = [one for one in inputs.statistics["cells"] if (one["workload"], one["case"]) == (grid.workload, case)]
    if cells and (turns := cells[0].get("load", {}).get("turns")) is not None:
        return f"conversations of {turns} turns, each with all before it and scripted answers"
    return (tokens_in_words(inputs, here[0]) if here else None) or "under load"


def levels_in_words(grid: Grid) -> str:
    """ "1 to 8 requests in flight"."""
    return f"{' to '.join(dict.fromkeys(map(level_text, (grid.levels[0], grid.levels[-1]))))} {grid.unit}"


def load_in_words(inputs: ReportInputs) -> str:
    """Which levels the campaign has, shortly: "1 to 8 requests in flight"; "one request at a time" without load."""
    unloaded = any(one["name"] not in inputs.loaded_workloads for one in inputs.plan["workloads"])
    parts = ["one request at a time"] if unloaded else []
    parts += [levels_in_words(grid) for grid in inputs.results.grids]
    return ", ".join(dict.fromkeys(parts))
