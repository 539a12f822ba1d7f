"""Comparisons as statistical_summary.json has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark_runner.display import plural
from benchmark_runner.statistics import absences, families
from benchmark_runner.statistics.comparisons import Compared, Family, Measured, Member
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.families import Place
from benchmark_runner.statistics.hypotheses import EQUIVALENCE_MARGIN, TestResult
from benchmark_runner.statistics.inputs import Inputs
from benchmark_runner.statistics.looks import Looks
from benchmark_runner.statistics.metrics import METRICS, PRIMARY, Metric
from benchmark_runner.statistics.power import (
    detectable_ratio,
    fewest_launches,
    launches_to_detect_ratio,
    share_of_alpha,
)
from benchmark_runner.statistics.sentences import sentence
from benchmark_runner.statistics.settings import differing_settings, footnote
from benchmark_runner.statistics.verdicts import CERTAIN, Judgement


def _cell_qualifiers(measured: Measured, metric: Metric, place: Place, pair: Pair) -> list[str]:
    cells: list[Mapping[str, Any]] = [
        measured.described[(name, place.workload, place.case), metric.name] for name in (pair.engine, pair.reference)
    ]
    found = []
    if any(cell["noisy"] for cell in cells):
        found.append("noisy")
    if any((cell["drift"] or {}).get("drifts") for cell in cells):
        found.append("drift")
    if any((cell["steady_state"] or {}).get("steady") is False for cell in cells):
        found.append("not_steady")
    return found


def _test(test: TestResult) -> dict[str, Any]:
    return {"statistic": test.statistic, "p": test.p, "n": test.n, "method": test.method}


def _tests(judgement: Judgement) -> dict[str, Any]:
    """All tests of a pair; those of the scheme, and Mann-Whitney and the permutation test always, with corrected p."""
    evidence, first = judgement.evidence, judgement.scheme.first(paired=judgement.pair.paired)
    t_tests = {
        str(name): {**_test(found.test()), "p_holm": judgement.p_holm if name == first else None}
        for name, found in evidence.t.items()
    }
    exact = {
        str(name): {**_test(found), "p_bonferroni": judgement.p_bonferroni[name]}
        for name, found in evidence.seconds.items()
    }
    return {**t_tests, **exact}


def _equivalence(judgement: Judgement) -> dict[str, Any] | None:
    if judgement.comparison is None:
        return None
    return {
        "method": judgement.comparison.equivalence_method,
        "n": judgement.comparison.test.n,
        "p": judgement.comparison.equivalence_p,
        "p_bonferroni": judgement.equivalence_p,
        "margin": EQUIVALENCE_MARGIN,
        "equivalent": judgement.equivalent,
    }


def _numbers(judgement: Judgement, metric: Metric) -> dict[str, Any]:
    """What was compared and what came out: launches, ratio, tests, equivalence, effect sizes."""
    pair, evidence, comparison = judgement.pair, judgement.evidence, judgement.comparison
    return {
        "launches": {
            "engine": len(pair.values),
            "reference": len(pair.reference_values),
            "blocks": len(pair.values) if pair.paired else 0,
        },
        "ratio": judgement.ratio.to_json() if judgement.ratio else None,
        "simultaneous": comparison.simultaneous.to_json() if comparison else None,
        "tests": _tests(judgement),
        "equivalence": _equivalence(judgement),
        "cliffs_delta": evidence.cliffs_delta,
        "hedges_g": evidence.hedges_g,
        "hodges_lehmann": None if evidence.shift is None else {"shift": evidence.shift, "unit": metric.unit},
    }


def what_it_takes(judgement: Judgement, tests: int) -> tuple[float | None, int | None]:
    """Smallest ratio found with 80 % power at these launches, and launches at which the seen ratio would be.

    More launches make the next look, which may spend less of alpha; launches from which no verdict could come spent
    none.
    """
    pair, second, family = judgement.pair, judgement.scheme.second, max(tests, 1)
    if pair.excluded is not None:
        return None, None
    could_decide = pair.fewest >= fewest_launches(family, judgement.alpha, second)
    share = share_of_alpha(pair.look + 1) / share_of_alpha(pair.look) if could_decide else 1.0
    next_alpha = judgement.alpha * share
    if pair.fewest == 1:
        return None, fewest_launches(family, next_alpha, second)
    spread = judgement.evidence.sd_of_log_ratios
    if judgement.comparison is None or spread is None:
        return None, None
    detectable = detectable_ratio(pair.fewest, spread, family, judgement.alpha)
    ratio = judgement.comparison.ratio.point
    return detectable, launches_to_detect_ratio(ratio, spread, family, next_alpha, second=second)


def _outcome(judgement: Judgement) -> dict[str, Any]:
    ratio = judgement.ratio
    return {
        "verdict": judgement.verdict,
        "faster": judgement.faster,
        "ratio_point": ratio.point if ratio else None,
        "reason": judgement.reason,
    }


def _sensitivity(member: Member) -> dict[str, Any]:
    """What the verdict would be without flagged iterations, without disturbed launches and by the other tests."""
    judgement = member.judgement
    alternatives: dict[str, Judgement | None] = {
        "without_outliers": member.without_outliers,
        "without_events": member.without_events,
        **member.other_tests,
    }
    changed = [name for name, one in alternatives.items() if one is not None and one.outcome != judgement.outcome]
    events = None
    if member.without_events is not None:
        before, after = judgement.pair, member.without_events.pair
        events = {
            **_outcome(member.without_events),
            "launches_left_out": {
                "engine": len(before.values) - len(after.values),
                "reference": len(before.reference_values) - len(after.reference_values),
            },
        }
    return {
        "without_outliers": None if member.without_outliers is None else _outcome(member.without_outliers),
        "without_events": events,
        "other_tests": {name: _outcome(one) for name, one in member.other_tests.items()},
        "changed_by": changed,
    }


def _withheld(judgement: Judgement) -> Judgement:
    """The judgement without its certainty."""
    certain = judgement.verdict in CERTAIN
    return replace(judgement, verdict="significant_unconfirmed") if certain else judgement


def _against_baseline(member: Member, tests: int, *, withheld: bool) -> dict[str, Any] | None:
    """The verdict where only comparisons with the baseline are asked for; null where the pair is none."""
    if member.against_baseline is None:
        return None
    judgement = _withheld(member.against_baseline) if withheld else member.against_baseline
    second = judgement.scheme.second
    return {
        "tests": tests,
        "p_holm": judgement.p_holm,
        "p_bonferroni": judgement.p_bonferroni.get(second) if second else None,
        "simultaneous": judgement.comparison.simultaneous.to_json() if judgement.comparison else None,
        "verdict": judgement.verdict,
        "faster": judgement.faster,
        "reason": judgement.reason,
    }


class Writer:
    """Writes the comparisons of one campaign."""

    def __init__(self, inputs: Inputs, measured: Measured, compared: Compared) -> None:
        self._inputs = inputs
        self._measured = measured
        self._compared = compared

    def _marks(self, metric: Metric, member: Member, changed_by: Sequence[str]) -> list[str]:
        """Qualifiers of a comparison, the control's apart."""
        pair, engines = member.judgement.pair, self._inputs.engines
        marks = [] if pair.paired else ["unpaired"]
        marks += families.qualifiers(engines[pair.engine], engines[pair.reference])
        marks += _cell_qualifiers(self._measured, metric, member.place, pair)
        calm = member.without_events
        events = "few_undisturbed" if calm is not None and calm.verdict == "untestable" else "event_sensitive"
        sensitive = {"without_outliers": "outlier_sensitive", "without_events": events}
        return marks + [mark for name, mark in sensitive.items() if name in changed_by]

    def comparison(self, family: Family, member: Member, *, withheld: bool) -> dict[str, Any]:
        """One comparison; withheld takes certainty away because the control differs."""
        pair, metric, place = member.judgement.pair, family.metric, member.place
        sensitivity = _sensitivity(member)
        marks = self._marks(metric, member, sensitivity["changed_by"])
        differing = differing_settings(self._measured.settings[place.workload], pair.engine, pair.reference)
        marks += ["settings_differ"] if differing else []
        marks += ["control_differs"] if withheld else []
        judgement = _withheld(member.judgement) if withheld else member.judgement
        detectable, needed = what_it_takes(judgement, family.tests)
        document = {
            "workload": place.workload,
            "case": place.case,
            "metric": metric.name,
            "engine": pair.engine,
            "reference": pair.reference,
            "kind": family.kind,
            "paired": pair.paired,
            "look": pair.look,
            "alpha": judgement.alpha,
            **_numbers(judgement, metric),
            "detectable_ratio": detectable,
            "launches_needed": needed,
            "verdict": judgement.verdict,
            "faster": judgement.faster,
            "sentence": sentence(judgement, metric, marks, detectable),
            "qualifiers": marks,
            "settings": differing,
            "footnote": footnote(differing),
            "against_baseline": _against_baseline(member, family.baseline_tests, withheld=withheld),
            "sensitivity": sensitivity,
            "reason": judgement.reason,
        }
        return {**document, "undefined": absences.of_comparison(document)}

    def comparisons(self) -> Iterator[dict[str, Any]]:
        """All comparisons, metric by metric, those of engines before the control's."""
        for metric in METRICS:
            for member in self._compared.engines[metric.name].members:
                withheld = member.place.workload in self._compared.suspect[metric.name]
                yield self.comparison(self._compared.engines[metric.name], member, withheld=withheld)
            for member in self._compared.controls[metric.name].members:
                yield self.comparison(self._compared.controls[metric.name], member, withheld=False)

    def control(self, comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """The control's block: whether it was told from its twin in each cell of the primary metric."""
        names = families.control_pairs(self._inputs)
        if not names:
            return None
        own = [one for one in comparisons if one["kind"] == "control" and one["metric"] == PRIMARY]
        untold = {"untestable": None, "equivalent": False, "inconclusive": False}
        cells = [
            {
                **{key: one[key] for key in ("workload", "case", "ratio", "verdict", "sentence", "reason")},
                "differs": untold.get(one["verdict"], True),
            }
            for one in own
        ]
        differing = {cell["workload"] for cell in cells if cell["differs"]}
        return {"engine": names[0][0], "twin": names[0][1], "differs_in": sorted(differing), "cells": cells}


def _planned(inputs: Inputs, primary: Family, *, baseline_only: bool) -> int:
    baseline = inputs.plan["campaign"]["baseline"]
    return sum(not baseline_only or member.judgement.pair.reference == baseline for member in primary.members)


def families_json(inputs: Inputs, primary: Family, looks: Looks) -> dict[str, Any]:
    """Both families of the primary metric: what was planned and what corrections count."""
    engines = sum(engine.control_of is None for engine in inputs.engines.values())
    baseline, cells, look = inputs.plan["campaign"]["baseline"], len(inputs.cells), looks.last
    questions = (
        ("all_pairs", primary.tests, f"all pairs of {engines} engines (without the control)", False),
        ("against_baseline", primary.baseline_tests, f"every other engine against {baseline}", True),
    )
    found = {}
    for name, tests, what, baseline_only in questions:
        planned = _planned(inputs, primary, baseline_only=baseline_only)
        found[name] = {
            "metric": PRIMARY,
            "tests": tests,
            "planned": planned,
            "alpha": inputs.alpha,
            "look": look,
            "alpha_of_look": round(inputs.alpha * share_of_alpha(look), 12),
            "description": (
                f"{what} in {plural(cells, 'test case')} on {PRIMARY}: {plural(planned, 'comparison')} planned, "
                f"{tests} measured and comparable; these are what corrections count"
            ),
        }
    return found
