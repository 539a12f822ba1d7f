"""What two campaigns have in common, cell by cell, and what forbids a comparison."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark_runner.comparison.decision import SHOWN_NO_WORSE, Candidate, Decision, withheld
from benchmark_runner.comparison.side import LaunchValues, Side
from benchmark_runner.statistics.inputs import EngineData
from benchmark_runner.statistics.losses import loss_words
from benchmark_runner.statistics.metrics import CASE_METRICS, LAUNCH_METRICS, Metric
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.work import apart, work_words

NOTHING = np.empty(0)


def _absent(side: Side, engine: str, workload: str, case: str | None) -> str | None:
    """Which part of a cell the campaign does not have at all."""
    if engine not in side.engines:
        return f"{engine} is not part of the campaign {side.word}"
    if workload not in side.workloads:
        return f"{workload} is not part of the campaign {side.word}"
    if case is not None and case not in side.workloads[workload]:
        return f"{case} is not part of {workload} in the campaign {side.word}"
    return None


def _unmeasured(engine: EngineData, workload: str) -> str | None:
    """Why an engine has no launch that counts, or launches on several devices."""
    own = [launch for launch in engine.launches if launch.workload == workload]
    good = engine.ok(workload)
    if not good:
        why = next((f" ({launch.status}: {launch.record.get('reason') or 'no reason given'})" for launch in own), "")
        return f"no launch of {engine.name} on {workload} ended ok{why or ' (none is in the results folder)'}"
    devices = sorted({launch.device for launch in good if launch.device is not None})
    return f"launches of {engine.name} ran on different devices ({', '.join(devices)})" if len(devices) > 1 else None


def _measured_otherwise(before: Side, after: Side, workload: str, case: str | None) -> str | None:
    """Why two launches of one name are measurements of different things."""
    versions = [{launch.record["measure_version"] for launch in side.inputs.launches} for side in (before, after)]
    if versions[0] != versions[1]:
        words = " and ".join(", ".join(map(str, sorted(one))) or "none" for one in versions)
        return f"the versions of the measurement differ ({words}): the two were not measured in the same way"
    own, other = before.requests(workload), after.requests(workload)
    if case is None:
        return None if own == other else f"the requests of {workload} differ (prompt, length or drawing)"
    return None if own.get(case) == other.get(case) else f"the requests of {case} differ (prompt, length or drawing)"


def obstacle(before: Side, after: Side, engine: str, workload: str, case: str | None) -> tuple[str | None, bool]:
    """(why a cell must not be compared or None, whether its ratio would mean something nonetheless)."""
    for side in (before, after):
        if reason := _absent(side, engine, workload, case):
            return reason, False
    own, other = before.engines[engine], after.engines[engine]
    for one in (own, other):
        if reason := _unmeasured(one, workload):
            return reason, False
    if reason := _measured_otherwise(before, after, workload, case):
        return reason, False
    for one in (own, other):
        if one.fidelity_failed:
            detail = one.fidelity.get("reason") or "see its fidelity check"
            return f"{one.name} does not compute the same as the reference ({detail})", True
    return None, True


def _unequal_work(before: Side, after: Side, cell: CellKey, metric: Metric) -> str | None:
    """Why a metric's values are times of unequal work; None where they are not."""
    done = [work for side in (before, after) if (work := side.work.get(cell)) is not None]
    parts = [part for part in apart(*done) if part in metric.work] if len(done) == len((before, after)) else []
    names = [f"{cell[0]} {side.word}" for side in (before, after)]
    return f"{work_words(names, done, parts)}, so times of unequal work would be compared" if parts else None


def _candidate(before: Side, after: Side, cell: CellKey, metric: Metric, excluded: str | None) -> Candidate:
    blank = LaunchValues(NOTHING, NOTHING, None)
    own, other = (side.values.get((cell, metric.name), blank) for side in (before, after))
    told = ((before.word, own), (after.word, other))
    reasons = [f"{metric.label} {word}: {one.reason}" for word, one in told if one.reason]
    marks = [*before.qualifiers(cell, metric.name), *after.qualifiers(cell, metric.name)]
    return Candidate(
        *cell,
        metric,
        before=own.values,
        after=other.values,
        kept_before=own.kept,
        kept_after=other.kept,
        excluded=excluded or ("; ".join(reasons) or None),
        qualifiers=tuple(dict.fromkeys(marks)),
    )


def _cells(before: Side, after: Side) -> Iterator[tuple[str, str, str | None]]:
    """All cells of either campaign, those of after in their order first; None is the workload as a whole."""
    engines = dict.fromkeys((*after.engines, *before.engines))
    workloads = dict.fromkeys((*after.workloads, *before.workloads))
    for engine in engines:
        for workload in workloads:
            cases = (*after.workloads.get(workload, ()), *before.workloads.get(workload, ()))
            yield from ((engine, workload, case) for case in (*dict.fromkeys(cases), None))


def candidates(before: Side, after: Side) -> list[Candidate]:
    """Every metric of every cell that either campaign has; what one of them lacks is excluded with its reason."""
    found = []
    for cell in _cells(before, after):
        excluded, meaningful = obstacle(before, after, *cell)
        for metric in LAUNCH_METRICS if cell[2] is None else CASE_METRICS:
            unequal = None if excluded else _unequal_work(before, after, cell, metric)
            one = _candidate(before, after, cell, metric, excluded or unequal)
            found.append(one if meaningful and unequal is None else _without_values(one))
    return found


def _without_values(one: Candidate) -> Candidate:
    """The candidate without numbers that would be those of different things."""
    return Candidate(one.engine, one.workload, one.case, one.metric, NOTHING, NOTHING, excluded=one.excluded)


def under_control(before: Side, after: Side, finding: Decision) -> Decision:
    """The finding, withheld where either campaign told its control from its twin in this workload."""
    workload = finding.candidate.workload
    for side in (before, after):
        if workload is not None and side.control_differs(workload):
            reason = f"the control differs from its twin in {workload} of the campaign {side.word}"
            return withheld(finding, f"{reason}, so a difference between campaigns proves nothing", "control_differs")
    return finding


def losing_more(before: Side, after: Side, finding: Decision) -> Decision:
    """The finding, withheld where it says that nothing became worse and the engine lost more of its launches after."""
    if finding.verdict not in SHOWN_NO_WORSE:
        return finding
    own, other = (
        [one for one in side.engines[finding.candidate.engine].launches if one.workload == finding.candidate.workload]
        for side in (before, after)
    )
    shares = [sum(one.status != "ok" for one in launches) / len(launches) for launches in (own, other)]
    if shares[1] <= shares[0]:
        return finding
    words = f"before it {loss_words(own) or 'lost none'}"
    return withheld(finding, f"{finding.candidate.engine} {loss_words(other)} after, {words}", "lost_launches")
