"""Comparisons as statistical_summary.json has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark_runner.display import plural, significant
from benchmark_runner.statistics import absences, families
from benchmark_runner.statistics.comparisons import Compared, Family, Measured, Member
from benchmark_runner.statistics.control import control_sentence
from benchmark_runner.statistics.estimates import from_log
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.hypotheses import TestResult
from benchmark_runner.statistics.inputs import Measurements
from benchmark_runner.statistics.levels import load_words
from benchmark_runner.statistics.looks import Looks
from benchmark_runner.statistics.losses import loss_words
from benchmark_runner.statistics.metrics import BY_NAME, PRIMARY, Metric
from benchmark_runner.statistics.power import (
    detectable_ratio,
    launches_to_detect_ratio,
    share_of_alpha,
)
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.sentences import sentence
from benchmark_runner.statistics.settings import differing_settings, footnote
from benchmark_runner.statistics.verdicts import Judgement
from benchmark_runner.statistics.wording import QUALIFIERS, percent_or_times, qualifier_words
from benchmark_runner.statistics.work import unequal, work_words


def _cell_qualifiers(measured: Measured, metric: Metric, place: Cell, pair: Pair) -> list[str]:
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
        str(name): {
            **_test(found.test()),
            "df": found.df,
            "standard_error": found.standard_error,
            "p_holm": judgement.p_holm if name == first else None,
        }
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
        "margin": judgement.margin,
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
    pair, scheme, family = judgement.pair, judgement.scheme, max(tests, 1)
    if pair.excluded is not None or pair.passes:
        return None, None
    could_decide = pair.fewest >= scheme.fewest_launches(family, judgement.alpha, paired=pair.paired)
    next_alpha = judgement.alpha * (pair.next_share / pair.share if could_decide else 1.0)
    least = scheme.fewest_launches(family, next_alpha, paired=pair.paired)
    if pair.fewest == 1:
        return None, least
    spread, further = _spread(judgement)
    if judgement.comparison is None or spread is None:
        return None, None
    detectable = detectable_ratio(pair.fewest, spread, family, judgement.alpha, further_df=further)
    ratio = judgement.comparison.ratio.point
    needed = launches_to_detect_ratio(ratio, spread, family, next_alpha, second=None, further_df=further)
    if further and detectable is not None and needed is not None:  # the guard must find it too
        level = 1.0 - judgement.level
        detectable = max(detectable, detectable_ratio(pair.fewest, spread, 1, level) or detectable)
        needed = max(needed, launches_to_detect_ratio(ratio, spread, 1, level, second=None) or needed)
    return detectable, None if needed is None else max(needed, least)


def _spread(judgement: Judgement) -> tuple[float | None, float]:
    """Standard deviation of log ratios that a pair is judged by, and the degrees of freedom that others add to it."""
    t = judgement.evidence.t.get(judgement.scheme.first(paired=judgement.pair.paired))
    if t is None or not judgement.scheme.guarded or not judgement.pair.paired:
        return judgement.evidence.sd_of_log_ratios, 0.0
    return math.sqrt(t.variance), t.df - (t.n - 1)


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
        engine, reference = member.disturbed
        events = {
            **_outcome(member.without_events),
            "launches_left_out": {"engine": engine, "reference": reference},
        }
    return {
        "without_outliers": None if member.without_outliers is None else _outcome(member.without_outliers),
        "without_events": events,
        "other_tests": {name: _outcome(one) for name, one in member.other_tests.items()},
        "changed_by": changed,
    }


def _against_baseline(member: Member, tests: int) -> dict[str, Any] | None:
    """The verdict where only comparisons with the baseline are asked for; null where the pair is none."""
    judgement = member.against_baseline
    if judgement is None:
        return None
    second = judgement.scheme.beside(paired=judgement.pair.paired)
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

    def __init__(self, inputs: Measurements, measured: Measured, compared: Compared, *, carried: bool) -> None:
        self._inputs = inputs
        self._measured = measured
        self._compared = compared
        self._carried = carried

    def _marks(self, family: Family, member: Member, changed_by: Sequence[str], settings: bool) -> dict[str, str]:
        """Qualifiers of a comparison with their words; settings says whether some differ."""
        judgement, place = member.judgement, member.place
        pair = judgement.pair
        engines = [self._inputs.engines[name] for name in (pair.engine, pair.reference)]
        started = [one for one in engines if place.workload not in self._inputs.refused[one.name]]
        lost = [f"{one.name} {words}" for one in started if (words := loss_words(one.of(place.workload)))]
        seen_modes, loads = self._compared.modes[family.metric.name], self._inputs.loads
        both = (pair.engine, pair.reference)
        modes = [
            one.words(name, loads) + ("" if one.place.workload == place.workload else ", which may happen here too")
            for name in both
            if (one := seen_modes.at(name, place)) is not None
        ]
        done = self._measured.work_of(place, (pair.engine, pair.reference))
        parts = unequal(*done) if done else []
        gates = self._measured.gates(place, (pair.engine, pair.reference))
        calm = member.without_events
        events = "few_undisturbed" if calm is not None and calm.verdict == "untestable" else "event_sensitive"
        cell = _cell_qualifiers(self._measured, family.metric, place, pair)
        held = {
            "not_restarted": bool(pair.passes),
            "control_differs": judgement.allowance_matters and pair.doubt > 0.0,
            "machines_differ": pair.machines is not None and pair.counts,
            "slow_mode": bool(modes),
            "client_error": judgement.allowance_matters and pair.client > 0.0,
            "client_limited": bool(gates - {"failed_requests"}),
            "failed_requests": "failed_requests" in gates,
            "carry_over": self._carried,
            "lost_launches": bool(lost),
            "unequal_work": bool(parts),
            "coarse_clock": pair.resolution > 0.0,
            "unpaired": not pair.paired,
            "outlier_sensitive": "without_outliers" in changed_by,
            events: "without_events" in changed_by,
            "settings_differ": settings,
            **dict.fromkeys((*families.qualifiers(*engines), *cell), True),
        }
        seen = {
            "not_restarted": f"{' and '.join(pair.passes)} {'was' if len(pair.passes) == 1 else 'were'}",
            "control_differs": percent_or_times(from_log(pair.doubt)),
            "lost_launches": "; ".join(lost),
            "machines_differ": pair.machines.words(pair.engine, pair.reference) if pair.machines else "",
            "slow_mode": "; ".join(modes),
            "client_error": percent_or_times(from_log(pair.client)),
            "coarse_clock": f"{significant(100 * pair.resolution, 2)} %",
        }
        if done:
            seen["unequal_work"] = work_words((pair.engine, pair.reference), done, parts)
        return {name: qualifier_words(name, seen.get(name, "")) for name in QUALIFIERS if held.get(name)}

    def comparison(self, family: Family, member: Member) -> dict[str, Any]:
        """One comparison with its qualifiers and words."""
        judgement, place = member.judgement, member.place
        load = self._inputs.loads.get((place.workload, place.case or ""))
        metric = family.metric.of_request() if load else family.metric
        pair, sensitivity = judgement.pair, _sensitivity(member)
        differing = differing_settings(self._measured.settings[place.workload], pair.engine, pair.reference)
        marks = self._marks(family, member, sensitivity["changed_by"], bool(differing))
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
            "sentence": sentence(judgement, metric, marks, detectable, load_words(load)),
            "qualifiers": list(marks),
            "qualifier_words": marks,
            "control_allowance": math.expm1(pair.doubt),
            "mode_allowance": math.expm1(pair.modes),
            "loss_allowance": math.expm1(pair.losses),
            **({"machine_ratios": dict(pair.machines.ratios)} if pair.machines and pair.counts else {}),
            **({"client_allowance": math.expm1(pair.client)} if load else {}),
            "settings": differing,
            "footnote": footnote(differing),
            "against_baseline": _against_baseline(member, family.baseline_tests),
            "sensitivity": sensitivity,
            "reason": judgement.reason,
        }
        return {**document, "undefined": absences.of_comparison(document)}

    def comparisons(self) -> Iterator[dict[str, Any]]:
        """All comparisons, metric by metric, those of engines before the control's."""
        for metric in self._inputs.metrics:
            for family in (self._compared.engines[metric.name], self._compared.controls[metric.name]):
                yield from (self.comparison(family, member) for member in family.members)

    def control(self, comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """The control's block: whether it was told from its twin in each cell of the primary metric."""
        names = families.control_pairs(self._inputs)
        if not names:
            return None
        found = self._compared.heeded[PRIMARY]
        own = [one for one in comparisons if one["kind"] == "control" and one["metric"] == PRIMARY]
        cells = []
        for one in own:
            place = Cell(one["workload"], one["case"])
            cells.append(
                {
                    **{key: one[key] for key in ("workload", "case", "ratio", "verdict", "reason")},
                    "sentence": control_sentence(found, place) or one["sentence"],
                    "p_holm": found.p_holm.get(place),
                    "differs": found.differs(place),
                }
            )
        differing = {cell["workload"] for cell in cells if cell["differs"]}
        return {
            "engine": names[0][0],
            "twin": names[0][1],
            "alpha": found.alpha,
            "differs_in": sorted(differing),
            "cells": cells,
        }


def _planned(inputs: Measurements, primary: Family, *, baseline_only: bool) -> int:
    baseline = inputs.plan["campaign"]["baseline"]
    return sum(not baseline_only or member.judgement.pair.reference == baseline for member in primary.members)


def families_json(inputs: Measurements, primary: Family, looks: Looks) -> dict[str, Any]:
    """Both families of the primary metric: what was planned and what corrections count."""
    engines = sum(engine.control_of is None for engine in inputs.engines.values())
    baseline, cells, look = inputs.plan["campaign"]["baseline"], len(inputs.cells), looks.last
    share = looks.planned.share if looks.planned else share_of_alpha(look)
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
            "alpha_of_look": round(inputs.alpha * share, 12),
            "description": (
                f"{what} in {plural(cells, 'test case')} by {BY_NAME[PRIMARY].label}: {plural(planned, 'comparison')} "
                f"planned, {tests} measured and comparable, which are what corrections count"
            ),
        }
    return found
