"""All comparisons of a campaign: the primary family, the exploratory ones, the control against its twin; each judged
again under what could change its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from benchmark_runner.statistics import absences, families
from benchmark_runner.statistics.client import Client, has_client
from benchmark_runner.statistics.clock import STAMPED, resolution
from benchmark_runner.statistics.control import Control, heed
from benchmark_runner.statistics.disturbances import is_disturbed
from benchmark_runner.statistics.evidence import Evidence, Pair, weigh
from benchmark_runner.statistics.families import ByBlock, CampaignPairs, LaunchValues
from benchmark_runner.statistics.inputs import MeasuredLaunch, Measurements
from benchmark_runner.statistics.levels import errors_at, loads_at
from benchmark_runner.statistics.losses import loss_allowance, lost_share
from benchmark_runner.statistics.machines import within_machines
from benchmark_runner.statistics.metrics import BY_NAME, PRIMARY, Metric
from benchmark_runner.statistics.moderated import Prior, prior_from
from benchmark_runner.statistics.modes import STEPS_APART, Modes, SeenModes, find_modes
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.samples import CellKey
from benchmark_runner.statistics.schemes import SCHEMES, Scheme
from benchmark_runner.statistics.settings import Entry
from benchmark_runner.statistics.verdicts import Judgement, beyond_margin, family_tests, judge_evidence
from benchmark_runner.statistics.wording import CERTAIN, SHOWN
from benchmark_runner.statistics.work import Work, WorkDone, apart, work_words

Kind = Literal["primary", "exploratory", "control"]


@dataclass(frozen=True)
class Measured:
    """Launch values with all iterations, without flagged ones and without disturbed launches, the description of each
    cell's metric, the settings of the engines by workload, the work that they did in each cell, the step of the clock
    that its times show, the load client, and `load` of the cells that have it."""

    values: LaunchValues
    kept: LaunchValues
    undisturbed: LaunchValues
    described: Mapping[tuple[CellKey, str], Mapping[str, object]]
    settings: Mapping[str, Sequence[Entry]]
    work: WorkDone
    steps_ns: Mapping[CellKey, int]
    client: Client = field(default_factory=Client)
    loads: Mapping[CellKey, Mapping[str, Any]] = field(default_factory=dict)

    def up_to(self, block: int) -> Measured:
        """The same with the launches up to a block alone."""
        values, kept, calm = (
            {key: {at: value for at, value in found.items() if at <= block} for key, found in some.items()}
            for some in (self.values, self.kept, self.undisturbed)
        )
        return replace(self, values=values, kept=kept, undisturbed=calm)

    def resolution(self, place: Cell, names: Sequence[str], metric: str) -> float:
        """The coarser of two engines' clocks, relative to the times that a metric rests on; 0 where it is fine."""
        return max(self._resolution((name, place.workload, place.case), metric) for name in names)

    def _resolution(self, cell: CellKey, metric: str) -> float:
        if cell[2] is None:
            return 0.0
        described = {name: self.described[cell, name] for name in STAMPED}
        return resolution(metric, described, self.steps_ns.get(cell, 0))

    def client_allowance(self, place: Cell, names: Sequence[str], metric: str) -> float:
        """What a verdict on two engines under load has to allow for: the client's own error, of logarithms."""
        cells = [(name, place.workload, place.case) for name in names]
        cells = [cell for cell in cells if has_client(self.loads.get(cell))]
        return self.client.allowance(metric, [{time: self.described[cell, time] for time in STAMPED} for cell in cells])

    def gates(self, place: Cell, names: Sequence[str]) -> set[str]:
        """What the load client could not keep up with in either cell of a pair; failed requests alone of a launch."""
        loads = [load for name in names for load in loads_at(self.loads, name, place.workload, place.case)]
        found = {gate for load in loads for gate in load["gates"]}
        return found if place.case is not None else found & {"failed_requests"}

    def work_of(self, place: Cell, names: Sequence[str]) -> list[Work] | None:
        """The work that two engines did in a place; None for metrics of a whole launch, and where one measured
        nothing."""
        found = [self.work.get((name, place.workload, place.case or "")) for name in names]
        return [one for one in found if one is not None] if None not in found else None


def undisturbed(values: LaunchValues, launches: Sequence[MeasuredLaunch]) -> LaunchValues:
    """Launch values without those of disturbed launches."""
    touched = {(one.engine, one.workload, one.block) for one in launches if is_disturbed(one.record)}
    return {
        (cell, metric): {block: value for block, value in found.items() if (*cell[:2], block) not in touched}
        for (cell, metric), found in values.items()
    }


@dataclass(frozen=True)
class Member:
    """One comparison of a family: where, how it was judged, and how it would be otherwise.

    without_outliers is None for metrics of a whole launch, without_events where no launch was disturbed,
    against_baseline where neither engine is the baseline. disturbed counts the launches of engine and reference that
    were.
    """

    place: Cell
    judgement: Judgement
    other_tests: Mapping[str, Judgement]
    without_outliers: Judgement | None
    without_events: Judgement | None
    disturbed: tuple[int, int]
    against_baseline: Judgement | None

    def after(self, before: Member, doubt: float) -> Member:
        """This look at a comparison after the one before, whose verdicts stand where they showed something."""
        if _stands(before.judgement, doubt):
            return before
        return (
            replace(self, against_baseline=before.against_baseline) if _stands(before.against_baseline, doubt) else self
        )


def _stands(judgement: Judgement | None, doubt: float) -> bool:
    """Whether a comparison showed something at an earlier look that holds in spite of what the control shows now: an
    alarm only takes certainty away, at whichever look."""
    if judgement is None or judgement.verdict not in SHOWN or judgement.comparison is None:
        return False
    more = doubt - judgement.pair.doubt
    if more <= 0.0:
        return True
    widened = judgement.comparison.simultaneous.widened(judgement.pair.allowance + more)
    if judgement.verdict == "meaningfully_faster":
        return beyond_margin(widened)
    return judgement.verdict in CERTAIN and not widened.holds_1


@dataclass(frozen=True)
class Family:
    """Judged pairs of one metric and kind; tests counts those of all pairs, baseline_tests those with the baseline."""

    metric: Metric
    kind: Kind
    tests: int
    baseline_tests: int
    members: tuple[Member, ...]


NOTHING: Final = np.empty(0)

Where = Sequence[tuple[Cell, tuple[str, str]]]
"""A family's comparisons: the place, the engine and the reference of each."""

Doubts = Mapping[Cell, float]
"""What verdicts have to allow for (of logarithms), by place; empty without an alarm of the control."""


@dataclass(frozen=True)
class _Weighed:
    """Pairs of one kind and metric by the same launch values, and what was found of each."""

    where: Where
    pairs: Sequence[Pair]
    evidence: Sequence[Evidence]

    def doubting(self, doubts: Doubts) -> list[Pair]:
        """The pairs, each with the doubt of its place."""
        return [
            replace(pair, doubt=doubts.get(place, 0.0)) for pair, (place, _) in zip(self.pairs, self.where, strict=True)
        ]


class Judge:
    """Judges families of one campaign. Launch values are named "all", "kept" (without flagged iterations) and
    "undisturbed"; what was found by them is looked for once."""

    def __init__(self, inputs: Measurements, measured: Measured, pairing: CampaignPairs) -> None:
        self._inputs = inputs
        self._measured = measured
        self._pairing = pairing
        self._scheme = SCHEMES[inputs.settings["significance_test"]]
        values = {"all": measured.values, "kept": measured.kept, "undisturbed": measured.undisturbed}
        self._values = {name: ByBlock(one) for name, one in values.items()}
        self._engines, self._controls = families.engine_pairs(inputs), families.control_pairs(inputs)
        self._lost = cache(lambda name, workload: lost_share(inputs.engines[name].of(workload)))
        self._weighed, self._prior, self.modes = cache(self._weigh), cache(self._prior_of), cache(self._find_modes)

    def _find_modes(self, metric: Metric, values: str) -> SeenModes:
        """The two groups into which these values of the launches of engines fall."""
        return SeenModes(tuple(self._modes_in(metric, self._values[values])), self._inputs.loads)

    def _modes_in(self, metric: Metric, values: ByBlock) -> Iterator[tuple[Cell, str, Modes]]:
        """Modes in each place that no rounding of the clock makes."""
        for place in families.places(self._inputs, metric):
            launches = {name: values.of(metric.name, place, name) for name in self._inputs.engines}
            for name, modes in find_modes(within_machines(self._inputs, place.workload, launches)).items():
                if modes.apart > STEPS_APART * self._measured.resolution(place, (name,), metric.name):
                    yield place, name, modes

    def _weigh(self, metric: Metric, values: str, *, control: bool) -> _Weighed:
        """All pairs of engines, or of the control, with the evidence of each and what it has to allow for itself."""
        names = self._controls if control else self._engines
        where = [(place, pair) for place in families.places(self._inputs, metric) for pair in names]
        pairs, seen = self._pairs(metric, where, self._values[values]), self.modes(metric, values)
        evidence = [weigh(pair, self._inputs.level) for pair in pairs]
        allowing = []
        for pair, (place, both), found in zip(pairs, where, evidence, strict=True):
            modes = seen.apart(both, place)
            lost = max(self._lost(name, place.workload) for name in both)
            losses = loss_allowance(lost, found.sd_of_log_ratios or 0.0, pair.fewest)
            client = 0.0
            if (place.workload, place.case) in self._inputs.loads:
                client = self._measured.client_allowance(place, both, metric.name)
            allowing.append(replace(pair, modes=modes, losses=losses, client=client))
        return _Weighed(where, allowing, evidence)

    def _prior_of(self, metric: Metric, values: str) -> Prior:
        """What all pairs of the campaign, the control's among them, say of the variance of one."""
        both = [self._weighed(metric, values, control=control) for control in (False, True)]
        return prior_from([one for weighed in both for one in weighed.evidence])

    def _pairs(self, metric: Metric, where: Where, values: ByBlock) -> list[Pair]:
        """Pairs of launch values, each with the reason where a side has no values."""
        pairs = []
        for place, names in where:
            pair = replace(
                self._pairing.pair(metric, place, *names, values),
                resolution=self._measured.resolution(place, names, metric.name),
            )
            pair = self._of_equal_work(self._of_served(pair, place), place, metric)
            pairs.append(self._with_reason(pair, place, metric))
        return pairs

    def _of_served(self, pair: Pair, place: Cell) -> Pair:
        """The pair, without its values where a side failed so many requests that it cannot win."""
        for name in (pair.engine, pair.reference):
            words = errors_at(self._measured.loads, name, place.workload, place.case)
            if pair.excluded is None and words:
                return replace(pair, values=NOTHING, reference_values=NOTHING, excluded=f"{name}: {words}")
        return pair

    def _of_equal_work(self, pair: Pair, place: Cell, metric: Metric) -> Pair:
        """The pair, without its values where these are the times of unequal work."""
        names = (pair.engine, pair.reference)
        done = self._measured.work_of(place, names)
        parts = [part for part in apart(*done) if part in metric.work] if done else []
        if not done or not parts or pair.excluded is not None:
            return pair
        reason = f"{work_words(names, done, parts)}, so times of unequal work would be compared"
        return replace(pair, values=NOTHING, reference_values=NOTHING, excluded=reason)

    def _with_reason(self, pair: Pair, place: Cell, metric: Metric) -> Pair:
        """The pair, excluded for the reason that the cell of a side without values gives."""
        if pair.excluded is not None or pair.counts:
            return pair
        for name in (pair.engine, pair.reference):
            numbers = self._measured.described[(name, place.workload, place.case), metric.name]
            reason = numbers["reason"]
            if numbers["launches"]:
                flagged = metric.several and numbers["without_outliers"] is None
                reason = absences.ALL_FLAGGED if flagged else None
            if reason:
                return replace(pair, excluded=f"{metric.label} of {name} is not known ({reason})")
        return pair

    def _judged(
        self, pairs: Sequence[Pair], evidence: Sequence[Evidence], prior: Prior, scheme: Scheme | None = None
    ) -> list[Judgement]:
        return judge_evidence(pairs, evidence, self._inputs.level, scheme or self._scheme, prior)

    def _judged_by(self, metric: Metric, values: str, doubts: Doubts, *, control: bool) -> list[Judgement]:
        """A family's comparisons by some of the launch values."""
        weighed = self._weighed(metric, values, control=control)
        return self._judged(weighed.doubting(doubts), weighed.evidence, self._prior(metric, values))

    def _disturbed(self, metric: Metric, place: Cell, names: Sequence[str]) -> list[int]:
        """How many values of each engine in a place come from disturbed launches."""
        cells = [((name, place.workload, place.case), metric.name) for name in names]
        every, calm = self._measured.values, self._measured.undisturbed
        return [len(every.get(cell, ())) - len(calm.get(cell, ())) for cell in cells]

    def family(self, metric: Metric, kind: Kind, doubts: Doubts, standing: Sequence[Member] = ()) -> Family:
        """Judge one family and each of its members under the alternatives, all of them with the same doubts.

        standing are the family's members as the look before left them: verdicts that showed something stay.
        """
        control = kind == "control"
        weighed, prior = self._weighed(metric, "all", control=control), self._prior(metric, "all")
        pairs, evidence = weighed.doubting(doubts), weighed.evidence
        doubt = [pair.doubt for pair in pairs]
        told = {
            row
            for row, one in enumerate(standing)
            if one.judgement.verdict in CERTAIN and _stands(one.judgement, doubt[row])
        }
        judged = self._judged([replace(pair, settled=row in told) for row, pair in enumerate(pairs)], evidence, prior)
        beside = [one for one in SCHEMES.values() if one != self._scheme]
        others = {one.name: self._judged(pairs, evidence, prior, one) for one in beside}
        without_outliers: Sequence[Judgement | None] = (
            self._judged_by(metric, "kept", doubts, control=control) if metric.several else [None] * len(pairs)
        )
        disturbed = [self._disturbed(metric, place, names) for place, names in weighed.where]
        calm = self._judged_by(metric, "undisturbed", doubts, control=control) if any(map(any, disturbed)) else judged
        baseline = self._inputs.plan["campaign"]["baseline"]
        rows = [row for row, pair in enumerate(pairs) if not control and pair.reference == baseline]
        told &= {row for row in rows if standing and _stands(standing[row].against_baseline, doubt[row])}
        asked = [replace(pairs[row], settled=row in told) for row in rows]
        own = self._judged(asked, [evidence[row] for row in rows], prior)
        against = dict(zip(rows, own, strict=True))
        members = tuple(
            Member(
                place,
                judged[row],
                {name: found[row] for name, found in others.items()},
                without_outliers[row],
                calm[row] if any(disturbed[row]) else None,
                (disturbed[row][0], disturbed[row][1]),
                against.get(row),
            )
            for row, (place, _) in enumerate(weighed.where)
        )
        if standing:
            members = tuple(map(Member.after, members, standing, doubt))
        return Family(metric, kind, family_tests(pairs), family_tests([pairs[row] for row in rows]), members)


@dataclass(frozen=True)
class Compared:
    """All families of a campaign by metric, what the control showed in each, and the engines with modes in it."""

    engines: Mapping[str, Family]
    controls: Mapping[str, Family]
    heeded: Mapping[str, Control]
    modes: Mapping[str, SeenModes]

    @property
    def primary(self) -> Family:
        """The family that verdicts are about."""
        return self.engines[PRIMARY]


def _standing(inputs: Measurements, measured: Measured, earlier: Sequence[CampaignPairs]) -> tuple[Member, ...]:
    """The primary family as the planned looks before the present one left it, each by the launches up to its block."""
    members: tuple[Member, ...] = ()
    alpha = SCHEMES[inputs.settings["significance_test"]].control_alpha
    for pairing in earlier:
        judge = Judge(inputs, measured.up_to(pairing.last_block), pairing)
        metric = BY_NAME[PRIMARY]
        control = judge.family(metric, "control", {})
        found = heed([(member.place, member.judgement) for member in control.members], alpha)
        doubts = {place: found.doubt(place) for place in families.places(inputs, metric)} if found.alarm else {}
        members = judge.family(metric, "primary", doubts, members).members
    return members


def compare_all(inputs: Measurements, measured: Measured, pairings: Sequence[CampaignPairs]) -> Compared:
    """Judge the control against its twin in every metric, and every pair of engines in spite of what that showed.

    An alarm in the metric itself or in the primary one casts doubt on all its verdicts. pairings has the looks in turn,
    of a campaign until decided all planned ones: what an earlier one has shown in the primary metric stands.
    """
    judge = Judge(inputs, measured, pairings[-1])
    standing = _standing(inputs, measured, pairings[:-1])
    controls = {metric.name: judge.family(metric, "control", {}) for metric in inputs.metrics}
    alpha = SCHEMES[inputs.settings["significance_test"]].control_alpha
    heeded = {
        name: heed([(member.place, member.judgement) for member in family.members], alpha)
        for name, family in controls.items()
    }
    engines = {}
    for metric in inputs.metrics:
        kind: Kind = "primary" if metric.name == PRIMARY else "exploratory"
        own = heeded[metric.name]
        alarm = own.alarm or heeded[PRIMARY].alarm
        doubts = {place: own.doubt(place) for place in families.places(inputs, metric)} if alarm else {}
        before = standing if kind == "primary" else ()
        engines[metric.name] = judge.family(metric, kind, doubts, before)
    seen = {metric.name: judge.modes(metric, "all") for metric in inputs.metrics}
    return Compared(engines, controls, heeded, seen)
