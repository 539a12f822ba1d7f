"""All comparisons of a campaign: the primary family, the exploratory ones, the control against its twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark_runner.statistics import families
from benchmark_runner.statistics.families import LaunchValues, Pairing, Place
from benchmark_runner.statistics.hypotheses import EQUIVALENCE_MARGIN, TestResult
from benchmark_runner.statistics.inputs import Inputs
from benchmark_runner.statistics.metrics import METRICS, PRIMARY, Metric
from benchmark_runner.statistics.power import detectable_ratio, fewest_launches, launches_to_detect_ratio
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.sentences import sentence
from benchmark_runner.statistics.settings import Entry, differing_settings, footnote
from benchmark_runner.statistics.verdicts import CERTAIN, FEWEST_LAUNCHES, Judgement, Pair, family_tests, judge_family

Kind = Literal["primary", "exploratory", "control"]


@dataclass(frozen=True)
class Measured:
    """Launch values with all iterations and without flagged ones, the description of each cell's metric, and the
    settings of the engines by workload."""

    values: LaunchValues
    kept: LaunchValues
    described: Mapping[tuple[CellKey, str], Mapping[str, Any]]
    settings: Mapping[str, Sequence[Entry]]


@dataclass(frozen=True)
class Family:
    """Judged pairs of one metric and kind, each with its place and its judgement without outliers (None for launch
    metrics)."""

    metric: Metric
    kind: Kind
    tests: int
    members: tuple[tuple[Place, Judgement, Judgement | None], ...]


def _with_reason(pair: Pair, place: Place, metric: Metric, measured: Measured) -> Pair:
    """The pair, excluded for the reason that its cell gives where a side has no values."""
    if pair.excluded is not None or pair.counts:
        return pair
    name = pair.engine if len(pair.values) == 0 else pair.reference
    reason = measured.described[(name, place.workload, place.case), metric.name]["reason"]
    return replace(pair, excluded=f"{metric.label} of {name} is not known ({reason})" if reason else None)


def judge(
    inputs: Inputs, pairing: Pairing, measured: Measured, metric: Metric, kind: Kind, names: Sequence[tuple[str, str]]
) -> Family:
    """Judge one family, with all iterations and again without flagged ones."""
    where = [(place, pair) for place in families.places(inputs, metric) for pair in names]
    pairs = [
        _with_reason(pairing.pair(metric, place, *pair, measured.values), place, metric, measured)
        for place, pair in where
    ]
    judged = judge_family(pairs, inputs.level)
    if metric.level == "launch":
        without: list[Judgement | None] = [None] * len(pairs)
    else:
        cleaned = [pairing.pair(metric, place, *pair, measured.kept) for place, pair in where]
        without = list(judge_family(cleaned, inputs.level))
    members = tuple((place, one, other) for (place, _), one, other in zip(where, judged, without, strict=True))
    return Family(metric, kind, family_tests(pairs), members)


def control_differs(family: Family) -> set[str]:
    """Workloads in which the control was told from its twin by at least one test."""
    return {
        place.workload
        for place, judgement, _ in family.members
        if judgement.verdict in (*CERTAIN, "significant_unconfirmed")
    }


def _cell_qualifiers(measured: Measured, metric: Metric, place: Place, judgement: Judgement) -> list[str]:
    cells = [
        measured.described[(name, place.workload, place.case), metric.name]
        for name in (judgement.pair.engine, judgement.pair.reference)
    ]
    found = []
    if any(cell["noisy"] for cell in cells):
        found.append("noisy")
    if any((cell["drift"] or {}).get("drifts") for cell in cells):
        found.append("drift")
    if any((cell["steady_state"] or {}).get("steady") is False for cell in cells):
        found.append("not_steady")
    return found


def flips(judgement: Judgement, without: Judgement | None) -> bool:
    """Whether leaving flagged iterations out changes the verdict or its direction."""
    return without is not None and (judgement.verdict, judgement.faster) != (without.verdict, without.faster)


def _test_json(test: TestResult, correction: str, corrected: float | None) -> dict[str, Any]:
    statistic = "u" if correction == "p_bonferroni" else "statistic"
    return {statistic: test.statistic, "p": test.p, correction: corrected, "n": test.n, "method": test.method}


def _tests_json(judgement: Judgement) -> dict[str, Any]:
    tests: dict[str, Any] = {}
    if judgement.comparison is not None:
        name = "paired_t" if judgement.pair.paired else "welch_t"
        tests[name] = _test_json(judgement.comparison.test, "p_holm", judgement.p_holm)
    if judgement.mann_whitney is not None:
        tests["mann_whitney_u"] = _test_json(judgement.mann_whitney, "p_bonferroni", judgement.p_bonferroni)
    return tests


def _equivalence_json(judgement: Judgement) -> dict[str, Any] | None:
    if judgement.comparison is None:
        return None
    return {
        "method": judgement.comparison.equivalence_method,
        "p": judgement.comparison.equivalence_p,
        "p_bonferroni": judgement.equivalence_p,
        "margin": EQUIVALENCE_MARGIN,
        "equivalent": judgement.equivalent,
    }


def _what_it_takes(judgement: Judgement, tests: int) -> tuple[float | None, int | None]:
    """Smallest ratio found with 80 % power at these launches, and launches at which the seen ratio would be."""
    if judgement.pair.excluded is not None:
        return None, None
    n = min(len(judgement.pair.values), len(judgement.pair.reference_values))
    if n == 1:
        return None, max(FEWEST_LAUNCHES, fewest_launches(max(tests, 1), judgement.alpha))
    if judgement.comparison is None or judgement.sd_of_log_ratios is None:
        return None, None
    spread, alpha, family = judgement.sd_of_log_ratios, judgement.alpha, max(tests, 1)
    detectable = detectable_ratio(n, spread, family, alpha)
    return detectable, launches_to_detect_ratio(judgement.comparison.ratio.point, spread, family, alpha)


def _marks(
    inputs: Inputs, measured: Measured, metric: Metric, member: tuple[Place, Judgement, Judgement | None]
) -> list[str]:
    """Qualifiers of a comparison, the control's apart."""
    place, judgement, without = member
    pair = judgement.pair
    marks = [] if pair.paired else ["unpaired"]
    marks += families.qualifiers(inputs.engines[pair.engine], inputs.engines[pair.reference])
    marks += _cell_qualifiers(measured, metric, place, judgement)
    return marks + (["outlier_sensitive"] if flips(judgement, without) else [])


def comparison_json(
    inputs: Inputs,
    measured: Measured,
    family: Family,
    member: tuple[Place, Judgement, Judgement | None],
    *,
    withheld: bool,
) -> dict[str, Any]:
    """One comparison as statistical_summary.json has it; withheld takes certainty away because the control differs."""
    place, judgement, without = member
    pair, metric = judgement.pair, family.metric
    marks = _marks(inputs, measured, metric, member)
    differing = differing_settings(measured.settings[place.workload], pair.engine, pair.reference)
    if differing:
        marks.append("settings_differ")
    if withheld:
        marks.append("control_differs")
        if judgement.verdict in CERTAIN:
            judgement = replace(judgement, verdict="significant_unconfirmed")
    detectable, needed = _what_it_takes(judgement, family.tests)
    comparison = judgement.comparison
    return {
        "workload": place.workload,
        "case": place.case,
        "metric": metric.name,
        "engine": pair.engine,
        "reference": pair.reference,
        "kind": family.kind,
        "paired": pair.paired,
        "launches": {
            "engine": len(pair.values),
            "reference": len(pair.reference_values),
            "blocks": len(pair.values) if pair.paired else 0,
        },
        "ratio": judgement.ratio.to_json() if judgement.ratio else None,
        "simultaneous": comparison.simultaneous.to_json() if comparison else None,
        "tests": _tests_json(judgement),
        "equivalence": _equivalence_json(judgement),
        "cliffs_delta": judgement.cliffs_delta,
        "hedges_g": judgement.hedges_g,
        "hodges_lehmann": None if judgement.shift is None else {"shift": judgement.shift, "unit": metric.unit},
        "detectable_ratio": detectable,
        "launches_needed": needed,
        "verdict": judgement.verdict,
        "faster": judgement.faster,
        "sentence": sentence(judgement, metric, marks, detectable),
        "qualifiers": marks,
        "settings": differing,
        "footnote": footnote(differing),
        "without_outliers": None
        if without is None
        else {"verdict": without.verdict, "ratio_point": without.ratio.point if without.ratio else None},
        "reason": judgement.reason,
    }


def family_json(inputs: Inputs, primary: Family) -> dict[str, Any]:
    """The primary family: what was planned and what corrections count."""
    engines = sum(engine.control_of is None for engine in inputs.engines.values())
    planned, cells = len(primary.members), len(inputs.cells)
    return {
        "metric": PRIMARY,
        "tests": primary.tests,
        "planned": planned,
        "alpha": inputs.alpha,
        "description": (
            f"all pairs of {engines} engines (without the control) in {cells} test cases on {PRIMARY}: {planned} "
            f"comparisons planned, {primary.tests} measured and comparable; these are what corrections count"
        ),
    }


def control_json(inputs: Inputs, family: Family, comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The control's block: whether it was told from its twin in each cell of the primary metric."""
    names = families.control_pairs(inputs)
    if not names:
        return None
    differing = control_differs(family)
    own = [one for one in comparisons if one["kind"] == "control" and one["metric"] == PRIMARY]
    untold = {"untestable": None, "equivalent": False, "inconclusive": False}
    return {
        "engine": names[0][0],
        "twin": names[0][1],
        "differs_in": sorted(differing),
        "cells": [
            {
                "workload": one["workload"],
                "case": one["case"],
                "differs": untold.get(one["verdict"], True),
                "ratio": one["ratio"],
                "verdict": one["verdict"],
                "sentence": one["sentence"],
            }
            for one in own
        ],
    }


def compare_all(
    inputs: Inputs, measured: Measured
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any] | None]:
    """(comparisons, family, control) of statistical_summary.json."""
    pairing = Pairing(inputs)
    controls = {
        metric.name: judge(inputs, pairing, measured, metric, "control", families.control_pairs(inputs))
        for metric in METRICS
    }
    differing = {name: control_differs(family) for name, family in controls.items()}
    compared: list[dict[str, Any]] = []
    judged: dict[str, Family] = {}
    for metric in METRICS:
        kind: Kind = "primary" if metric.name == PRIMARY else "exploratory"
        judged[metric.name] = judge(inputs, pairing, measured, metric, kind, families.engine_pairs(inputs))
        suspect = differing[PRIMARY] | differing[metric.name]
        for member in judged[metric.name].members:
            withheld = member[0].workload in suspect
            compared.append(comparison_json(inputs, measured, judged[metric.name], member, withheld=withheld))
        for member in controls[metric.name].members:
            compared.append(comparison_json(inputs, measured, controls[metric.name], member, withheld=False))
    control = control_json(inputs, controls[PRIMARY], compared)
    return compared, family_json(inputs, judged[PRIMARY]), control
