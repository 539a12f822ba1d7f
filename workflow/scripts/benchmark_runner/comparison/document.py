"""comparison.json: what differs, what was judged and how, and a verdict an engine, cell and metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.comparison.decision import Decision, beyond, outcome
from benchmark_runner.comparison.differences import Difference
from benchmark_runner.comparison.references import Relative
from benchmark_runner.comparison.terms import Terms
from benchmark_runner.comparison.words import outcome_words, sentence
from benchmark_runner.statistics.estimates import typical_estimate
from benchmark_runner.statistics.hypotheses import TestResult
from benchmark_runner.statistics.power import MANN_WHITNEY
from benchmark_runner.statistics.verdicts import Judgement

SCHEMA_VERSION: Final = 1

Kind = Literal["campaigns", "engines", "files"]
"""What is compared: two campaigns, two engines of one campaign, two files of another tool."""


def _side_json(values: FloatArray, level: float) -> dict[str, Any]:
    typical = typical_estimate(values, level)
    return {
        "launches": len(values),
        "median": float(np.median(values)) if len(values) else None,
        "typical": typical.to_json() if typical else None,
        "reason": None if typical else "fewer than two launches with a positive value",
    }


def _test_json(test: TestResult | None, corrected: float | None) -> dict[str, Any] | None:
    if test is None:
        return None
    return {"statistic": test.statistic, "p": test.p, "p_corrected": corrected, "n": test.n, "method": test.method}


def _tests_json(judgement: Judgement) -> dict[str, Any]:
    comparison, scheme = judgement.comparison, judgement.scheme
    second = scheme.second or MANN_WHITNEY
    return {
        "welch_t": None,
        "mann_whitney_u": None,
        scheme.first(paired=judgement.pair.paired): _test_json(
            comparison.test if comparison else None, judgement.p_holm
        ),
        second: _test_json(judgement.evidence.seconds.get(second), judgement.p_bonferroni.get(second)),
    }


def _machine_json(relative: Relative | None) -> dict[str, Any] | None:
    """What the programs that did not change show of the machine."""
    if relative is None:
        return None
    return {
        "ratio": relative.machine.to_json(),
        "names": list(relative.names),
        "programs": relative.programs,
        "own_shift_sd": math.sqrt(relative.variance) if relative.df else None,
    }


def _bound_json(judgement: Judgement, bound: float) -> dict[str, Any]:
    side: dict[int, Literal["better", "worse"]] = {1: "better", -1: "worse"}
    return {"ratio": bound, "after_is": side.get(beyond(judgement)), **_tests_json(judgement)}


def finding_json(finding: Decision, differences: Sequence[Difference], level: float) -> dict[str, Any]:
    """One entry of `comparisons`."""
    candidate, judgement = finding.candidate, finding.judgement
    own = [one for one in differences if one.engine in (None, candidate.engine)]
    comparison, metric = judgement.comparison, candidate.metric
    return {
        "engine": candidate.engine,
        "workload": candidate.workload,
        "case": candidate.case,
        "metric": metric.name,
        "unit": metric.unit,
        "better": metric.better,
        "gates": finding.gates,
        "verdict": finding.verdict,
        "reason": finding.reason,
        "sentence": sentence(finding, {one.consequence for one in own}),
        "qualifiers": list(finding.qualifiers),
        "before": _side_json(candidate.before, level),
        "after": _side_json(candidate.after, level),
        "machine": _machine_json(candidate.relative),
        "unchanged": candidate.unchanged,
        "allowance": math.expm1(judgement.pair.doubt),
        "ratio": judgement.ratio.to_json() if judgement.ratio else None,
        "simultaneous": comparison.simultaneous.to_json() if comparison else None,
        "look": candidate.look,
        "alpha": judgement.alpha,
        "tests_in_family": finding.tests,
        "tests": _tests_json(judgement),
        "against_loss": _bound_json(finding.against_loss, 1.0 / (1.0 + finding.margin)),
        "against_gain": _bound_json(finding.against_gain, 1.0 + finding.margin),
        "cliffs_delta": judgement.evidence.cliffs_delta,
        "hedges_g": judgement.evidence.hedges_g,
        "hodges_lehmann_shift": judgement.evidence.shift,
        "launches_needed": finding.launches_needed,
    }


def comparison_document(
    kind: Kind,
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    differences: Sequence[Difference],
    findings: Sequence[Decision],
    terms: Terms,
) -> dict[str, Any]:
    """Content of comparison.json; sides say what before and after are, in this order."""
    gating = [one for one in findings if one.gates]
    verdicts = [one.verdict for one in gating]
    found = outcome(verdicts)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "differences": [one.to_json() for one in differences],
        "before": dict(sides[0]),
        "after": dict(sides[1]),
        "settings": {
            "confidence_level": terms.level,
            "margin": terms.margin,
            "metrics": list(terms.metrics),
            "tests_in_family": gating[0].tests if gating else 0,
        },
        "outcome": {"verdict": found, "words": outcome_words(found, verdicts, terms.margin)},
        "comparisons": [finding_json(one, differences, terms.level) for one in findings],
    }
