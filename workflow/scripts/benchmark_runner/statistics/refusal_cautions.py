"""What engines were not measured in, since they cannot serve it: whole workloads under load, and test cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmark_runner.statistics.cautions import caution
from benchmark_runner.statistics.inputs import Measurements


def refusal_cautions(inputs: Measurements) -> Iterator[dict[str, Any]]:
    """A note for each workload that an engine refused, and for each test case that it was not asked for."""
    for name, engine in inputs.engines.items():
        for workload in inputs.refused[name]:
            yield caution(
                "load_refused",
                "note",
                inputs.why_unmeasured(name, workload),
                str(engine.of(workload)[0].record["remedy"] or "Leave it out of this workload"),
                engine=name,
                workload=workload,
            )
        for workload, cases in inputs.not_asked[name].items():
            for case in cases:
                yield caution(
                    "case_not_asked",
                    "note",
                    inputs.why_unmeasured(name, workload, case),
                    "Nothing: the others are compared there; leave it out of the workload to have what all serve",
                    engine=name,
                    workload=workload,
                )
