"""What two campaigns have in common, cell by cell, and what forbids a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from benchmark_runner.comparison.decision import SHOWN_NO_WORSE, Candidate, Decision, Doubt, withheld
from benchmark_runner.comparison.references import References, Relative
from benchmark_runner.comparison.side import Side
from benchmark_runner.statistics.estimates import from_log
from benchmark_runner.statistics.inputs import EngineData
from benchmark_runner.statistics.losses import loss_words, reason_words
from benchmark_runner.statistics.metrics import CASE_METRICS, LAUNCH_METRICS, STAGE_METRICS, Metric
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.wording import percent_or_times
from benchmark_runner.statistics.work import apart, work_words

NOTHING = np.empty(0)

DAY_SHIFT: Final = 0.05
"""Chosen: what a machine's speed may differ by from one day to another where nothing that did not change tells; 3 % is
usual."""


def _absent(side: Side, engine: str, workload: str, case: str | None) -> str | None:
    """Which part of a cell the campaign does not have at all."""
    if engine not in side.engines:
        return f"{engine} is not part of the campaign {side.word}"
    if workload not in side.workloads:
        return f"{workload} is not part of the campaign {side.word}"
    if case is not None and case not in side.workloads[workload]:
        return f"{case} is not part of {workload} in the campaign {side.word}"
    if case in side.left_out(engine, workload):
        return f"{side.inputs.why_unmeasured(engine, workload, case)} ({side.word})"
    return None


def _unmeasured(engine: EngineData, workload: str) -> str | None:
    """Why an engine has no launch that counts, or launches on several devices."""
    good = engine.ok(workload)
    if not good:
        own = engine.of(workload)
        why = reason_words(own) if own else "none is in the results folder"
        return f"no launch of {engine.name} on {workload} ended ok: {why}"
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
    if case is None and before.left_out(engine, workload) != after.left_out(engine, workload):
        told = (side.inputs.why_other_work(engine, workload) for side in (before, after))
        return next(filter(None, told)), False
    for one in (own, other):
        if one.fidelity_failed:
            detail = one.fidelity.get("reason") or "see its fidelity check"
            return f"{one.name} does not compute the same as the reference ({detail})", True
    return before.inputs.why_no_gate(engine) or after.inputs.why_no_gate(engine), True


Measured = tuple[Side, CellKey]
"""One of the two that are compared: a cell of a campaign."""


def unequal_work(both: Sequence[Measured], metric: Metric) -> str | None:
    """Why a metric's values are times of unequal work; None where they are not."""
    done = [work for side, cell in both if (work := side.work.get(cell)) is not None]
    parts = [part for part in apart(*done) if part in metric.work] if len(done) == len(both) else []
    names = [f"{cell[0]} {side.word}".rstrip() for side, cell in both]
    return f"{work_words(names, done, parts)}, so times of unequal work would be compared" if parts else None


def doubts(both: Sequence[Measured], metric: Metric) -> list[Doubt]:
    """What a verdict has to hold in spite of, each by its size: the larger difference of either control, and the
    coarser clock."""
    found = []
    size, word = max((side.control_difference(Cell(*cell[1:]), metric.name), side.word) for side, cell in both)
    if size:
        where = f" in the campaign {word}" if word else ""
        words = f"the {percent_or_times(from_log(size))} by which the control differed from its twin{where}"
        found.append(Doubt("control_differs", size, words))
    if step := max(side.resolution(cell, metric.name) for side, cell in both):
        found.append(Doubt("coarse_clock", step, f"the clock's steps, {100 * step:.2g} % of these times"))
    if error := max(side.client_allowance(cell, metric.name) for side, cell in both):
        words = f"the load client's own error, up to {percent_or_times(from_log(error))} of these times"
        found.append(Doubt("client_error", error, words))
    return found


def failing(both: Sequence[Measured]) -> str | None:
    """Which sides failed too many of their requests to be compared."""
    told = {f"{cell[0]} {side.word}".rstrip(): side.failing(cell) for side, cell in both}
    return "; ".join(f"{name}: {words}" for name, words in told.items() if words) or None


def _day(references: References, engine: str, relative: Relative | None) -> list[Doubt]:
    """The doubt about the day where nothing tells its shift."""
    unchanged = references.unchanged(engine)
    if relative is not None or (unchanged and references.same_surroundings):
        return []
    what = "its program did not change" if unchanged else "nothing that did not change ran beside it both times"
    words = f"a shift of {100 * DAY_SHIFT:g} % from one day to another, since {what}"
    return [Doubt("no_common_reference", math.log1p(DAY_SHIFT), words)]


def candidate(sides: Sequence[Side], references: References, cell: CellKey, metric: Metric) -> Candidate:
    """One metric of a cell that may be compared; of an unchanged engine only where its surroundings did not change
    either is the day's shift taken out, since it would be all that the change of the surroundings did."""
    before, after = sides
    own, other = (side.measured(cell, metric.name) for side in sides)
    told = ((before.word, own), (after.word, other))
    reasons = [f"{metric.label} {word}: {one.reason}" for word, one in told if one.reason]
    marks = [*before.qualifiers(cell, metric.name), *after.qualifiers(cell, metric.name)]
    unchanged = references.unchanged(cell[0])
    relative = None
    if not reasons and (references.same_surroundings or not unchanged):
        relative = references.relative(cell[0], Cell(cell[1], cell[2]), metric, after.inputs.level)
    return Candidate(
        *cell,
        metric,
        before=own.medians(),
        after=other.medians(),
        kept_before=own.medians(kept=True),
        kept_after=other.medians(kept=True),
        excluded="; ".join(reasons) or None,
        qualifiers=tuple(dict.fromkeys(marks)),
        relative=relative,
        unchanged=unchanged and references.same_surroundings,
        doubts=(*doubts([(side, cell) for side in sides], metric), *_day(references, cell[0], relative)),
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
    references, found = References(before, after), []
    for cell in _cells(before, after):
        excluded, meaningful = obstacle(before, after, *cell)
        both = [(before, cell), (after, cell)]
        stage = STAGE_METRICS if any(cell[1:] in side.inputs.loads for side in (before, after)) else ()
        for metric in LAUNCH_METRICS if cell[2] is None else (*CASE_METRICS, *stage):
            unequal = None if excluded else failing(both) or unequal_work(both, metric)
            if not meaningful or unequal:
                found.append(Candidate(*cell, metric, NOTHING, NOTHING, excluded=excluded or unequal))
                continue
            one = candidate((before, after), references, cell, metric)
            found.append(replace(one, excluded=excluded or one.excluded))
    return found


def losing_more(before: EngineData, after: EngineData, finding: Decision) -> Decision:
    """The finding, withheld where it says that nothing became worse and the engine lost more of its launches after."""
    if finding.verdict not in SHOWN_NO_WORSE:
        return finding
    own, other = (
        [one for one in side.launches if one.workload == finding.candidate.workload] for side in (before, after)
    )
    shares = [sum(one.status != "ok" for one in launches) / len(launches) for launches in (own, other)]
    if shares[1] <= shares[0]:
        return finding
    words = f"before it {loss_words(own) or 'lost none'}"
    return withheld(finding, f"{finding.candidate.engine} {loss_words(other)} after, {words}", "lost_launches")


def held(before: Side, after: Side, finding: Decision) -> Decision:
    """The finding, withheld where what surrounds it does not bear it: the engine lost more launches, or became worse
    although nothing that is recorded changed."""
    engine = finding.candidate.engine
    if engine in before.engines and engine in after.engines:
        finding = losing_more(before.engines[engine], after.engines[engine], finding)
    if not finding.candidate.unchanged or finding.verdict != "regression":
        return finding
    return withheld(finding, "neither its program nor anything recorded of the machine changed", "unchanged")
