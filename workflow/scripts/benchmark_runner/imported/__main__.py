"""Compare result files of another tool, before and after, as two campaigns are compared.

Writes comparison.json and comparison.md into a folder. Known are pyperf's JSON, hyperfine's --export-json and Go's
benchmark text. Several files a side are further launches.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_runner.comparison.decision import Candidate, judge_all
from benchmark_runner.comparison.differences import Difference, unlike
from benchmark_runner.comparison.document import comparison_document
from benchmark_runner.comparison.output import write_comparison
from benchmark_runner.comparison.terms import Terms
from benchmark_runner.configuration.messages import bounded_number
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.imported.files import read_files
from benchmark_runner.imported.sample import TIME, ImportedFile, ImportedSample
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.power import fewest_launches
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN
from benchmark_runner.terminal import printable


def differences(before: ImportedFile, after: ImportedFile) -> list[Difference]:
    """What the two files tell of how they were measured and that differs."""
    return [
        difference
        for key, fact in {**before.facts, **after.facts}.items()
        for difference in unlike([(key, fact.label, before.value(key), after.value(key), fact.consequence)])
    ]


COPIED: Final = "both sides hold the same results: a copy of a file is no second run"


def _obstacle(before: ImportedSample | None, after: ImportedSample | None) -> str | None:
    """Why two samples must not be judged; None where they may."""
    if before is None or after is None:
        return f"it is not in the file {'before' if before is None else 'after'}"
    for word, sample in (("before", before), ("after", after)):
        if sample.unusable:
            return f"{word}: {sample.unusable}"
        if sample.one_process is not None:
            return (
                f"{word}: {sample.one_process} repetitions of one process are one launch, and at least "
                f"{fewest_launches(1)} are needed: give a file of each process, or --repetitions-are-launches where "
                "each line is a process"
            )
    if before.origins & after.origins:
        return COPIED
    return "what was run differs" if before.statement != after.statement else None


def _candidate(name: str, before: ImportedSample | None, after: ImportedSample | None) -> Candidate:
    present = next(sample for sample in (before, after) if sample)
    repeated = any(sample and sample.one_process for sample in (before, after))
    return Candidate(
        name,
        present.group,
        None,
        present.metric,
        before=before.medians if before else np.empty(0),
        after=after.medians if after else np.empty(0),
        excluded=_obstacle(before, after),
        qualifiers=("one_process",) if repeated else (),
    )


def candidates(before: ImportedFile, after: ImportedFile, pairs: Sequence[tuple[str, str]]) -> list[Candidate]:
    """Samples of one name on both sides, or those that the pairs (name before, name after) name.

    Raises BenchmarkError where a pair names what is not there.
    """
    copied = COPIED if before.contents & after.contents else None
    if not pairs:
        keys = dict.fromkeys((*before.samples, *after.samples))
        found = [_candidate(key[0], before.samples.get(key), after.samples.get(key)) for key in keys]
        return [replace(one, excluded=one.excluded or copied) for one in found]
    made = []
    for first, second in pairs:
        for word, name, side in (("before", first, before), ("after", second, after)):
            if name not in side.benchmarks:
                raise BenchmarkError(f"--pair: {name!r} is not in the file {word}; it has {_listed(side.benchmarks)}")
        for key in (key for key in before.samples if key[0] == first):
            other = after.samples.get((second, *key[1:]))
            own = replace(before.samples[key], statement=None)
            one = _candidate(f"{first} to {second}", own, replace(other, statement=None) if other else None)
            excluded = one.excluded or (copied if first == second else None)
            made.append(replace(one, names=(first, second), excluded=excluded))
    return made


def losses(before: ImportedFile, after: ImportedFile, gating: Collection[str], metric: Metric) -> list[Candidate]:
    """What failed and left nothing to judge, and what went without a metric that decides: neither lets the outcome be
    that nothing became worse. They stand under a metric that decides."""
    lost = {
        name: f"{word}: {reason}"
        for word, side in (("before", before), ("after", after))
        for name, reason in side.failed.items()
    }
    there = {key[:2] for key in after.samples}
    decided = {key[:2] for key in before.samples if key[2] in gating}
    gone = dict.fromkeys(key[:2] for key in before.samples if key[:2] not in there | decided)
    lost.update(dict.fromkeys(gone, "it is not in the file after"))
    none = np.empty(0)
    return [Candidate(name, group, None, metric, none, none, excluded=why) for (name, group), why in lost.items()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))


def _side_json(paths: Sequence[Path], side: ImportedFile) -> dict[str, Any]:
    return {
        "folder": ", ".join(str(path) for path in paths),
        "name": side.tool,
        "measured_at": None,
        "engines": side.benchmarks,
    }


def main(argv: Sequence[str]) -> int:
    """Read both sides, judge, write."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.imported", description=__doc__)
    parser.add_argument("--before", type=Path, nargs="+", required=True, help="result files before")
    parser.add_argument("--after", type=Path, nargs="+", required=True, help="result files after")
    parser.add_argument(
        "--pair",
        nargs=2,
        action="append",
        default=[],
        metavar=("BEFORE", "AFTER"),
        help="compare two benchmarks by name",
    )
    parser.add_argument(
        "--repetitions-are-launches", action="store_true", help="you know that each line of Go's text is a process"
    )
    margin, level = (
        bounded_number("--margin", "comparison.margin"),
        bounded_number("--confidence-level", "analysis.confidence_level"),
    )
    parser.add_argument("--margin", type=margin, default=EQUIVALENCE_MARGIN, help="loss that is a regression (0.02)")
    parser.add_argument("--confidence-level", type=level, default=0.95, help="level of intervals (0.95)")
    parser.add_argument("--metrics", nargs="+", help="metrics that decide (default: time, where there is one)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that receives comparison.json and comparison.md"
    )
    arguments = parser.parse_args(argv)
    before, after = (
        read_files(paths, repetitions_are_launches=arguments.repetitions_are_launches)
        for paths in (arguments.before, arguments.after)
    )
    # One that is named twice is one comparison, not two that each are corrected for the other.
    compared = candidates(before, after, [*dict.fromkeys((first, second) for first, second in arguments.pair)])
    known = {one.metric.name: one.metric for one in compared} or {TIME.name: TIME}
    there = list(known)
    metrics = [*dict.fromkeys(arguments.metrics or ([TIME.name] if TIME.name in there else there))]
    if unknown := [name for name in metrics if name not in there]:
        raise BenchmarkError(f"--metrics {_listed(unknown)}: the files have {_listed(there)}")
    terms = Terms(arguments.confidence_level, arguments.margin, tuple(metrics))
    compared += losses(before, after, metrics, known[metrics[0]])
    findings = judge_all(compared, terms.metrics, margin=terms.margin, level=terms.level)
    sides = (_side_json(arguments.before, before), _side_json(arguments.after, after))
    document = comparison_document("files", sides, differences(before, after), findings, terms)
    write_comparison(document, arguments.out / "comparison.json", arguments.out / "comparison.md")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
