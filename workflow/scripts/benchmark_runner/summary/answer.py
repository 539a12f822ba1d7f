"""Stage answer: prints what a finished campaign found, in a few lines, and where the report is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.display import ABSENT, milliseconds, significant
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_valid
from benchmark_runner.statistics.planned import words_of
from benchmark_runner.summary.document import limits
from benchmark_runner.terminal import printable

TELLING: Final = frozenset({"all", "report", "join", "report.html", "summary.json"})
"""Targets, and names of files among them, that bring the answer up to date; behind others it may be that of before."""

NOTHING_MEASURED: Final = 1
"""Exit status of a campaign in which no launch of any engine ended well."""


def _row(engine: str, figures: Mapping[str, Any], ratio: float | None, width: int, *, baseline: bool) -> str:
    if figures["latency_ms"] is None:
        return f"  {engine:<{width}}  no measurement"
    rate = ABSENT if figures["throughput"] is None else f"{significant(figures['throughput'])} tokens/s"
    told = [f"{milliseconds(figures['latency_ms']):>8}", f"{rate:>15}"]
    told += ["the baseline"] if baseline else [] if ratio is None else [f"{significant(ratio)} times as fast"]
    told += [figures.get("lost_launches") or "", "" if figures.get("ranked", True) else "not ranked"]
    return f"  {engine:<{width}}  {'  '.join(filter(None, told))}"


def _ratios(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """How many times as fast as the baseline each engine is in the headline's test case, by the answer, the best
    first."""
    place = [summary["headline"]["latency"].get(key) for key in ("workload", "case")]
    cells = (one for one in summary["answer"]["workloads"] if [one["workload"], one["case"]] == place)
    return {row["engine"]: row["ratio_to_baseline"] for one in cells for row in one["engines"]}


def _place(summary: Mapping[str, Any]) -> str:
    """The workload that latencies and ratios are of, with their level of load, and that of the throughput where it is
    another."""
    headline, levels = summary["headline"], summary.get("load", {"levels": []})["levels"]
    words = {(one["workload"], one["case"]): one["words"] for one in levels}
    workload, other = (headline[figure].get("workload") for figure in ("latency", "throughput"))
    at, there = (
        words.get((headline[figure].get("workload"), headline[figure].get("case")), "")
        for figure in ("latency", "throughput")
    )
    where = " ".join(filter(None, ("" if other in (None, workload) else f"in {other}", there)))
    return f"{workload}{at and f' {at}'}{where and f'; throughput {where}'}"


def in_words(summary: Mapping[str, Any], report: Path) -> str:
    """The answer, a row an engine, what would decide what is open, and the report's path."""
    matrix, answer, until = summary["comparison_matrix"], summary["answer"], summary["until"]
    width, ratios = max(len(engine) for engine in matrix), _ratios(summary)
    rows = [
        _row(engine, matrix[engine], ratios.get(engine), width, baseline=engine == answer["baseline"])
        for engine in (*(name for name in ratios if name in matrix), *(name for name in matrix if name not in ratios))
    ]
    place = _place(summary)
    decide = answer["decide"]
    further = [decide["sentence"], f"  {decide['command']}"] if decide else []
    stood = words_of(until) if until else []
    said = [answer["sentence"], *answer.get("under_load", ()), *([answer["not_sure"]] if answer["not_sure"] else [])]
    said += limits(summary["campaign"], summary["model"])
    table = [f"Latency and ratio in {place}:", *rows] if answer["measured"] else []
    lines = [*said, *table, *stood, *further, f"The report: {report}"]
    return "\n".join(["", *map(printable, lines), ""])


def main(argv: Sequence[str]) -> int:
    """Print the answer of a results folder; nothing where there is none yet or something else was asked for.

    The status is 1 where nothing was measured.
    """
    parser = argparse.ArgumentParser(prog="benchmark_runner.summary.answer", description=__doc__)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("targets", nargs="*", help="what Snakemake was asked for; nothing means the whole campaign")
    arguments = parser.parse_args(argv)
    report = arguments.output_dir / "report.html"
    is_asked = not arguments.targets or not TELLING.isdisjoint(Path(target).name for target in arguments.targets)
    if report.is_file() and is_asked:
        summary = read_valid("summary", arguments.output_dir / "summary.json")
        print(in_words(summary, report))
        return os.EX_OK if summary["answer"]["measured"] else NOTHING_MEASURED
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
