"""Compare two engines of one campaign, such as two builds in the same blocks: comparison.json and comparison.md.

Both ran side by side, so that blocks and days cancel: paired t on log launch medians and sign flips must agree.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.comparison.campaigns import doubts, failing, losing_more, unequal_work
from benchmark_runner.comparison.decision import Candidate, judge_all
from benchmark_runner.comparison.differences import engine_differences
from benchmark_runner.comparison.document import comparison_document
from benchmark_runner.comparison.look import count_look
from benchmark_runner.comparison.output import write_comparison
from benchmark_runner.comparison.side import Side, SideFiles, read_side
from benchmark_runner.comparison.terms import Terms, read_terms
from benchmark_runner.errors import exit_status
from benchmark_runner.statistics.families import ByBlock, places
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.power import PERMUTATION
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.schemes import SCHEMES, Scheme

TESTS: Final[Scheme] = SCHEMES[PERMUTATION]
"""Mann-Whitney knows no blocks: what they vary by would hide what the paired t test sees."""


def _excluded(campaign: Side, place: Cell, metric: Metric, names: tuple[str, str]) -> str | None:
    both = [(campaign, (name, place.workload, place.case)) for name in names]
    reasons = {cell[0]: side.measured(cell, metric.name).reason for side, cell in both}
    told = "; ".join(f"{metric.label} of {name}: {reason}" for name, reason in reasons.items() if reason)
    passes = [why for name in names if (why := campaign.inputs.why_no_gate(name))]
    return failing(both) or unequal_work(both, metric) or told or next(iter(passes), None)


def _candidate(campaign: Side, place: Cell, metric: Metric, names: tuple[str, str]) -> Candidate:
    """One metric in one place of the engine after against the engine before."""
    before, after = names
    values = ByBlock({key: one.values for key, one in campaign.values.items()})
    kept = ByBlock({key: one.kept for key, one in campaign.values.items()})
    pair, without = (campaign.pairs.pair(metric, place, after, before, one) for one in (values, kept))
    cells = [(name, place.workload, place.case) for name in names]
    marks = [mark for cell in cells for mark in campaign.qualifiers(cell, metric.name)]
    same = without.paired == pair.paired
    return Candidate(
        after,
        place.workload,
        place.case,
        metric,
        before=pair.reference_values,
        after=pair.values,
        kept_before=without.reference_values if same else None,
        kept_after=without.values if same else None,
        excluded=pair.excluded or _excluded(campaign, place, metric, names),
        qualifiers=tuple(dict.fromkeys(marks)),
        names=names,
        paired=pair.paired,
        scheme=TESTS,
        doubts=tuple(doubts([(campaign, cell) for cell in cells], metric)),
    )


def candidates(campaign: Side, names: tuple[str, str]) -> Iterator[Candidate]:
    """Every metric in every place; names are the engine before and the engine after."""
    for metric in campaign.inputs.metrics:
        for place in places(campaign.inputs, metric):
            yield _candidate(campaign, place, metric, names)


def _side_json(campaign: Side, name: str) -> Mapping[str, Any]:
    folder, measured_at = f"{name} in {campaign.folder}", campaign.environment.get("collected_at")
    return {"folder": folder, "name": name, "measured_at": measured_at, "engines": [name]}


def compare_engines(campaign: Side, names: tuple[str, str], terms: Terms, looks: Path) -> dict[str, Any]:
    """Content of comparison.json of two engines of a campaign, the one before first."""
    before, after = (campaign.engines[name] for name in names)
    made = count_look(list(candidates(campaign, names)), [*before.launches, *after.launches], terms, looks)
    judged = judge_all(made, terms.metrics, margin=terms.margin, level=terms.level)
    findings = [losing_more(before, after, one) for one in judged]
    differences = engine_differences(after.name, before, after, campaign.inputs.workloads)
    sides = (_side_json(campaign, before.name), _side_json(campaign, after.name))
    return comparison_document("engines", sides, differences, findings, terms)


def main(argv: Sequence[str]) -> int:
    """Read the campaign, judge, write; the status does not tell the verdict, which comparison.gate does."""
    read = ("plan", "environment", "statistics", "iterations", "raw", "looks")
    parser = command("comparison.engines", __doc__, *read, out="comparison.json", table="comparison.md")
    parser.add_argument("--fidelity", type=Path, nargs="*", default=[], help="fidelity/<engine>.json of each engine")
    parser.add_argument("--before", required=True, help="name of the engine before")
    parser.add_argument("--after", required=True, help="name of the engine after")
    parser.add_argument("--terms", type=Path, required=True, help="terms of the comparison, as terms.py writes them")
    given = parser.parse_args(argv)
    files = SideFiles(given.plan, given.environment, given.statistics, given.iterations, given.raw, given.fidelity)
    campaign = read_side("", files)
    document = compare_engines(campaign, (given.before, given.after), read_terms(given.terms), given.looks)
    write_comparison(document, given.out, given.table)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
