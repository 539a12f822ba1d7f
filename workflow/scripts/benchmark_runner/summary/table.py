"""comparison_table.md: a table a workload and test case, with intervals, verdicts and footnotes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.configuration.load import has_load
from benchmark_runner.configuration.not_asked import not_asked_words
from benchmark_runner.display import (
    ABSENT,
    Markdown,
    estimate_text,
    markdown,
    markdown_code,
    markdown_table,
    plural,
    ratio_text,
    significant,
)
from benchmark_runner.performance.advice import undecided
from benchmark_runner.performance.answer import sure_beside
from benchmark_runner.performance.ranking import LATENCY
from benchmark_runner.performance.under_load import OUTPUT
from benchmark_runner.statistics.levels import failed_words, level_text, load_words, slo_words
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.planned import each_in_words, words_of
from benchmark_runner.statistics.results import Cell, Results
from benchmark_runner.statistics.sentences import CLAUSES, shared_clauses, without_clauses
from benchmark_runner.statistics.settings import alike_workloads, shown
from benchmark_runner.statistics.wording import SIGNS_IN_WORDS, VERDICTS, median_is_mean
from benchmark_runner.summary.document import limits

COLUMNS: Final = (
    "engine",
    "end-to-end latency",
    "TTFT",
    "TPOT",
    "throughput",
    "peak memory",
    "times as fast as {baseline}",
    "verdict",
)

TAIL: Final = "TTFT, p99"
"""Column of the table of levels that stands where a level has enough requests for it."""


def _case_value(results: Results, name: str, cell: Cell, metric: str) -> str:
    return estimate_text(results.estimate(name, cell, metric), results.metric(name, cell, metric)["unit"])


def _verdict(results: Results, name: str, other: str, cell: Cell) -> tuple[str, str, str | None]:
    """(ratio, verdict, footnote) of an engine against another."""
    if (one := results.between(name, other, cell, LATENCY)) is None:
        return ABSENT, ABSENT, None
    note = CLAUSES.join(part for part in (one["sentence"], one["footnote"]) if part)
    ratio = ratio_text(one["ratio"])
    if other != results.baseline:
        ratio = f"{ratio} (to {other})"
    return ratio, VERDICTS[one["verdict"]].told_of_pair(one["faster"]), note


def _of_all(results: Results, cell: Cell) -> list[str]:
    """Clauses that the footnotes of all verdicts in a table of engines have in common."""
    others = ((entry, entry["control_of"] or results.baseline) for entry in results.summary["engines"])
    notes = [_verdict(results, entry["name"], other, cell)[2] for entry, other in others]
    return shared_clauses([note for note in notes if note])


def _marked(label: str, note: str, notes: dict[str, int]) -> Markdown:
    """A label with the number of its footnote; a note that was told before keeps its number."""
    return Markdown(f"{label} [{notes.setdefault(note, len(notes) + 1)}]")


def _peak_memory(results: Results, entry: Mapping[str, Any], cell: Cell, notes: dict[str, int]) -> str:
    """The peak of whole launches, with a note where these were not of all test cases of the workload."""
    peak = _case_value(results, entry["name"], Cell(cell.workload, None), "peak_rss_bytes")
    if (left_out := entry.get("not_asked", {}).get(cell.workload)) is None:
        return peak
    words = not_asked_words(entry["name"], cell.workload, left_out)
    return _marked(markdown(peak), f"{words}; its peak memory is that of the other test cases", notes)


def _row(
    results: Results, entry: Mapping[str, Any], cell: Cell, notes: dict[str, int], of_all: Sequence[str]
) -> list[str]:
    name = entry["name"]
    label = f"{name} (control)" if entry["control_of"] else name
    if results.point(name, cell, LATENCY) is None:
        note = f"{name}: no measurement, since {results.why_unmeasured(name, cell, LATENCY)}"
        return [_marked(markdown(label), note, notes), *[ABSENT] * (len(COLUMNS) - 1)]
    if name in results.unranked(cell, LATENCY):
        note = f"{name} is not ranked: {results.unranked(cell, LATENCY)[name]}"
        label = _marked(f"~~{markdown(label)}~~", note, notes)
    if name == results.baseline:
        ratio, verdict = "1 (baseline)", ABSENT
    else:
        ratio, verdict, told = _verdict(results, name, entry["control_of"] or results.baseline, cell)
        if note := without_clauses(told or "", of_all):
            verdict = _marked(markdown(verdict), note, notes)
    return [
        label,
        *(_case_value(results, name, cell, metric) for metric in (LATENCY, "ttft_ms", "tpot_ms")),
        _case_value(results, name, cell, results.throughput(cell)),
        _peak_memory(results, entry, cell, notes),
        ratio,
        verdict,
    ]


def _pair_sign(results: Results, row: str, column: str, cell: Cell) -> str:
    """Sign and ratio of a row's engine against a column's; above 1 the row is faster."""
    one = results.between(row, column, cell, LATENCY)
    if one is None:
        return ABSENT
    sign = VERDICTS[one["verdict"]].sign(None if one["faster"] is None else one["faster"] == row)
    if one["ratio"] is None:
        return sign
    point = one["ratio"]["point"] if one["engine"] == row else 1.0 / one["ratio"]["point"]
    return f"{sign} {significant(point)}"


def _pairs(results: Results, cell: Cell) -> list[str]:
    """A matrix of all pairs of engines; none of fewer than three, whose table says it already."""
    names = list(results.engines)
    if len(names) < 3:
        return []
    rows = [
        [row, *(ABSENT if row == column else _pair_sign(results, row, column, cell) for column in names)]
        for row in names
    ]
    return [*markdown_table(["times as fast as", *names], rows), ""]


def _leading_lines(answer: Mapping[str, Any], results: Results) -> list[str]:
    """The answer before all tables: what is sure, what is not, a line a test case of which these do not say all that is
    known, and the command."""
    decide, lines = answer["decide"], [markdown(answer["sentence"]), ""]
    lines += [markdown(answer["not_sure"]), ""] if answer["not_sure"] else []
    lines += [f"- {markdown(words)}" for words in answer.get("under_load", ())]
    cells = {Cell(one["workload"], one["case"]): one for one in answer["workloads"] if answer["measured"]}
    told = [one["sentence"] for cell, one in cells.items() if not (answer["not_sure"] and _is_open(results, cell, one))]
    told += sure_beside([one for cell, one in cells.items() if results.load_words(cell)])
    lines += [f"- {markdown(words)}" for words in dict.fromkeys(told)]
    return [*lines, *(["", f"{markdown(decide['sentence'])} {markdown_code(decide['command'])}"] if decide else [])]


def _is_open(results: Results, cell: Cell, one: Mapping[str, Any]) -> bool:
    """Whether nothing tells a test case's engines apart, as what is not sure says already; it says nothing of engines
    on several devices, which are not compared."""
    devices = {results.engines[name]["device"] for name in one["leading"]}
    return len(devices) == 1 and one["sentence"] == undecided(one["leading"], place_of(results, cell))


def _request(case: Mapping[str, Any], workload: Mapping[str, Any], campaign: Mapping[str, Any]) -> str:
    load = case.get("load")
    if load is not None:
        duration = (
            f"{load['duration_seconds']:g} s" if load["requests"] is None else plural(load["requests"], "request")
        )
        lengths = case.get("answer_lengths", {})
        varies = lengths.get("min") != lengths.get("max")
        return (
            f"{'Up to ' if varies else ''}{plural(case['max_new_tokens'], 'token')} asked for "
            f"{load_words(load)}; {duration} in each of "
            f"{each_in_words(campaign)} after {plural(load['warmup_requests'], 'warm-up request')}."
        )
    iterations, warmups = workload["iterations_per_launch"], workload["warmup_iterations"]
    return (
        f"{plural(case['max_new_tokens'], 'token')} asked for; {plural(iterations, 'iteration')} in each of "
        f"{each_in_words(campaign)} after {plural(warmups, 'warm-up')}."
    )


def _under_load(results: Results) -> list[str]:
    """For each grid of levels a row an engine and level, and the capacity of each engine."""
    lines = []
    for grid in results.grids:
        rows_of_grid = results.of_grid(grid)
        held = {engine: rows_of_grid[engine]["capacity"]["text"] or ABSENT for engine in results.engines}
        rows = [
            {"engine": engine, grid.unit: level_text(level)}
            | (_came(results, engine, Cell(grid.workload, case)) if grid.mode == "open" else {})
            | _level_values(results, engine, Cell(grid.workload, case))
            for engine in held
            for level, case in grid.cases.items()
        ]
        head = [column for column in rows[0] if column != TAIL or any(row[column] != ABSENT for row in rows)]
        lines += [f"## {markdown(grid.title)} under load", ""]
        lines += [*markdown_table(head, [[row[column] for column in head] for row in rows]), ""]
        lines += [markdown(f"Highest level within the limits ({slo_words(results.summary['load']['slo'])}):"), ""]
        lines += [*(f"- {markdown(f'{engine}: {text}')}" for engine, text in held.items()), ""]
    return lines


def _came(results: Results, engine: str, cell: Cell) -> dict[str, str]:
    """The rate at which the requests of an open level were due, and the one that was sent where that is another."""
    load = results.load(engine, cell) or {}
    known = [load.get(f"{what}_requests_per_s") for what in ("due", "achieved")]
    came, *sent = dict.fromkeys(ABSENT if rate is None else significant(rate) for rate in known)
    return {"arrived": came + "".join(f" ({rate} sent)" for rate in sent)}


def _level_values(results: Results, engine: str, cell: Cell) -> dict[str, str]:
    """What an engine did at a level, by column."""
    tail = results.metric(engine, cell, "ttft_ms")["p99"]
    known = None if tail["value"] is None else {"point": tail["value"], **tail}
    rate, first, each, good = (
        _case_value(results, engine, cell, name) for name in (OUTPUT, "ttft_ms", "tpot_ms", "goodput_requests_per_s")
    )
    ended = {"goodput": good, "failed": failed_words(results.load(engine, cell))}
    return {"output": rate, "TTFT": first, TAIL: estimate_text(known, "ms"), "TPOT": each, **ended}


def _settings(by_workload: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of settings for workloads that have the same ones; a star marks a setting that differs."""
    lines = []
    for workloads, settings in alike_workloads(by_workload):
        engines = list(settings[0]["values"])
        rows = [
            [Markdown(f"{markdown(entry['label'])} *") if entry["differs"] else entry["label"]]
            + [shown(entry["values"][engine]) for engine in engines]
            for entry in settings
        ]
        lines += [
            f"## Settings in {markdown(', '.join(workloads))}",
            "",
            *markdown_table(["setting", *engines], rows),
            "",
        ]
    return [*lines, "\\* differs between engines that tell it.", ""] if lines else []


def _test_cases(
    results: Results, plan: Mapping[str, Any], workload: Mapping[str, Any], notes: dict[str, int]
) -> Iterator[str]:
    """A table of engines, one of pairs and the footnotes for each test case; levels of load are folded, since the table
    of levels above has their figures."""
    header = [column.format(baseline=results.baseline) for column in COLUMNS]
    if has_load(workload):
        yield from ("<details>", f"<summary>All pairs in {markdown(workload['name'])}, level by level</summary>", "")
    for case in workload["cases"]:
        cell, before = Cell(workload["name"], case["name"]), len(notes)
        of_all = _of_all(results, cell)
        rows = [_row(results, entry, cell, notes, of_all) for entry in results.summary["engines"]]
        yield from (f"## {markdown(place_of(results, cell))}", "")
        yield from (_request(case, workload, plan["campaign"]), "")
        yield from (*markdown_table(header, rows), "", *_pairs(results, cell))
        fresh = [f"{number}. {markdown(note)}" for note, number in notes.items() if number > before]
        yield from (*fresh, "") if fresh else ()
        yield from (markdown(f"Of all verdicts in the table of engines: {CLAUSES.join(of_all)}."), "") if of_all else ()
    if has_load(workload):
        yield from ("</details>", "")


def comparison_table(plan: Mapping[str, Any], results: Results, answer: Mapping[str, Any]) -> str:
    """Content of comparison_table.md."""
    settings, summary = results.summary["settings"], results.summary
    level = f"{100 * settings['confidence_level']:g} %"
    lines = [f"# {markdown(plan['campaign']['name'])}", "", *_leading_lines(answer, results), ""]
    stood = words_of(summary["until"]) if summary["until"] else []
    for words in (*stood, *limits(plan["campaign"], plan["model"])):
        lines += [markdown(words), ""]
    if not answer["measured"]:  # the answer has said why
        return "\n".join(lines)
    lines += _under_load(results)
    notes: dict[str, int] = {}
    for workload in plan["workloads"]:
        lines += _test_cases(results, plan, workload, notes)
    lines += _settings(summary["engine_settings"])
    unloaded = [workload for workload in plan["workloads"] if not has_load(workload)]
    told = dict.fromkeys(median_is_mean(workload["iterations_per_launch"]) for workload in unloaded)
    few = "".join(f" ({words})" for words in told if words)
    flagged = "without flagged outliers" if settings["remove_outliers"] else "with all iterations"
    whole = ", under load those of all requests together over the time taken" if results.summary.get("load") else ""
    lines += [
        "---",
        "",
        f"Values are geometric means of launch medians {flagged}{few}; in brackets are {level} intervals over "
        "launches, which are the unit of replication. TTFT: time to first token. TPOT: time per output token after the "
        f"first. Throughput: tokens of an answer over its end-to-end time{whole}. Peak memory: resident, the engine's "
        "processes together.",
        "",
        f"Of pairs: {SIGNS_IN_WORDS}.",
        "",
        f"Ratios above 1 mean faster than {results.baseline}; they and the verdicts come from all iterations, compared "
        f"launch by launch within blocks. Compared are {summary['families']['all_pairs']['description']}.",
        "",
    ]
    return "\n".join(lines)
