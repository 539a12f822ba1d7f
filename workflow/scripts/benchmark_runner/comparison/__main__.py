"""Compare a campaign with one before it: comparison.json and comparison.md from the files of both."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark_runner.commands import command
from benchmark_runner.comparison.campaigns import candidates, held
from benchmark_runner.comparison.decision import judge_all
from benchmark_runner.comparison.differences import all_differences
from benchmark_runner.comparison.document import comparison_document
from benchmark_runner.comparison.look import count_look
from benchmark_runner.comparison.output import write_comparison
from benchmark_runner.comparison.side import Side, SideFiles, Word, read_side
from benchmark_runner.comparison.terms import Terms, read_terms
from benchmark_runner.errors import exit_status


def _flags(parser: argparse.ArgumentParser, word: Word) -> None:
    parser.add_argument(f"--{word}-plan", type=Path, required=True, help=f"plan.json in the results folder {word}")
    parser.add_argument(f"--{word}-environment", type=Path, required=True, help="its environment.json")
    parser.add_argument(f"--{word}-statistics", type=Path, required=True, help="its statistical_summary.json")
    parser.add_argument(f"--{word}-iterations", type=Path, required=True, help="its iterations.parquet")
    parser.add_argument(f"--{word}-raw", type=Path, nargs="+", required=True, help="its raw_data/<engine>.json")
    parser.add_argument(f"--{word}-fidelity", type=Path, nargs="*", default=[], help="its fidelity/<engine>.json")


def _files(arguments: argparse.Namespace, word: Word) -> SideFiles:
    given = vars(arguments)
    names = ("plan", "environment", "statistics", "iterations", "raw", "fidelity")
    return SideFiles(**{name: given[f"{word}_{name}"] for name in names})


def _side_json(side: Side) -> dict[str, Any]:
    campaign = side.inputs.plan["campaign"]
    return {
        "folder": side.folder,
        "name": campaign["name"],
        "measured_at": side.environment.get("collected_at"),
        "engines": list(side.engines),
    }


def compare(before: Side, after: Side, terms: Terms, looks: Path) -> dict[str, Any]:
    """Content of comparison.json of two campaigns; looks is the file that remembers how often they were compared."""
    made = count_look(candidates(before, after), [*before.launches, *after.launches], terms, looks)
    judged = judge_all(made, terms.metrics, margin=terms.margin, level=terms.level)
    findings = [held(before, after, one) for one in judged]
    sides = (_side_json(before), _side_json(after))
    return comparison_document("campaigns", sides, all_differences(before, after), findings, terms)


def main(argv: Sequence[str]) -> int:
    """Read both campaigns, judge, write; the status does not tell the verdict, which comparison.gate does."""
    parser = command("comparison", __doc__, "looks", out="comparison.json", table="comparison.md")
    _flags(parser, "before")
    _flags(parser, "after")
    parser.add_argument("--terms", type=Path, required=True, help="terms of the comparison, as terms.py writes them")
    arguments = parser.parse_args(argv)
    terms = read_terms(arguments.terms)
    before, after = (read_side(word, _files(arguments, word)) for word in ("before", "after"))
    write_comparison(compare(before, after, terms, arguments.looks), arguments.out, arguments.table)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
