"""Capacity: the highest level of a load up to which an engine keeps analysis.slo, a value a launch; and the knee, the
level from which throughput grows less than half as fast.

Both are levels of the grid, and a capacity at either end of it is a bound. So they are estimated by order statistics
and compared by ranks: neither needs a distance between levels, or a number where there is only a bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from scipy.special import bdtr

from benchmark_runner.arrays import FloatArray
from benchmark_runner.configuration.load import slots_of
from benchmark_runner.statistics import families
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.families import ByBlock, CampaignPairs
from benchmark_runner.statistics.hypotheses import bonferroni, mann_whitney, pairs_won
from benchmark_runner.statistics.inputs import Measurements
from benchmark_runner.statistics.levels import CONVERSATIONS, Grid, grids, level_text
from benchmark_runner.statistics.losses import loss_words
from benchmark_runner.statistics.metrics import Metric
from benchmark_runner.statistics.power import MANN_WHITNEY, can_reach, launches_to_order
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.stages import Stage, Stages
from benchmark_runner.statistics.wording import Verdict

Quantity = Literal["capacity", "knee"]
Ranks = Mapping[int, int]
"""By block the number of a level in its grid, from 1; 0 is below the first."""

FEWEST_FOR_KNEE: Final = 5
"""Chosen: with fewer levels one of the two segments has no point of its own."""

FLATTER: Final = 0.5
"""Chosen: a knee is where the second segment rises less than half as fast as the first."""

METHOD: Final = "median of launches, interval by order statistics"
NO_KNEE: Final = "throughput rises along one line"

_COMPARED: Final = Metric(
    "capacity", "level", "higher", "stage", "capacity", "highest level that keeps analysis.slo", "holds {ratio} times"
)


def capacity_rank(met: Sequence[bool]) -> int:
    """How many levels, from the lowest on, keep the objective without a gap."""
    return next((rank for rank, kept in enumerate(met) if not kept), len(met))


def knee_rank(levels: FloatArray, throughput: FloatArray) -> int | None:
    """Number (from 1) of the level at which two joined lines through the throughput bend down, by least squares.

    None below FEWEST_FOR_KNEE levels, and where the second line is not flatter by FLATTER.
    """
    if len(levels) < FEWEST_FOR_KNEE:
        return None
    fits = []
    for rank in range(1, len(levels) - 1):
        columns = np.column_stack((np.ones_like(levels), levels, np.maximum(levels - levels[rank], 0.0)))
        terms = np.linalg.lstsq(columns, throughput, rcond=None)[0]
        fits.append((float(np.sum((columns @ terms - throughput) ** 2)), rank + 1, float(terms[1]), float(terms[2])))
    _, rank, slope, bend = min(fits)
    return rank if slope > 0.0 and slope + bend <= FLATTER * slope else None


def over_launches(ranks: Sequence[int], level: float) -> dict[str, Any] | None:
    """{point, low, high, level, n} of launch values that only have an order; None without any.

    The point is the lower median. Of n launches the r-th smallest and largest enclose the median with probability
    1 - 2 P(B(n, 1/2) < r), which is the level told; r is the largest that keeps the level asked for, and 1 where none
    does.
    """
    ordered, n = sorted(ranks), len(ranks)
    if not n:
        return None
    point = ordered[(n - 1) // 2]
    if n == 1:
        return {"point": point, "low": None, "high": None, "level": None, "n": 1}
    covers = {r: 1.0 - 2.0 * float(bdtr(r - 1, n, 0.5)) for r in range(1, n // 2 + 1)}
    depth = max((r for r, covered in covers.items() if covered >= level), default=1)
    return {"point": point, "low": ordered[depth - 1], "high": ordered[n - depth], "level": covers[depth], "n": n}


@dataclass(frozen=True)
class _Scale:
    """Ranks of a grid as levels: bounds at the ends of a capacity, none of a knee."""

    levels: Sequence[float]
    bounded: bool

    def at(self, rank: int | None) -> dict[str, Any] | None:
        if rank is None:
            return None
        if rank == 0:
            return {"value": self.levels[0], "bound": "<"}
        bound = ">=" if self.bounded and rank == len(self.levels) else None
        return {"value": self.levels[rank - 1], "bound": bound}

    def text(self, rank: int) -> str:
        found = self.at(rank)
        assert found is not None
        sign = {"<": "less than ", ">=": "at least ", None: ""}[found["bound"]]
        return f"{sign}{level_text(found['value'])}"

    def words(self, ranks: dict[str, Any], unit: str) -> str:
        """ "4 requests in flight (2 to at least 8 over launches)"."""
        point = self.text(ranks["point"])
        if point.split()[-1] == "1":
            unit = unit.replace("requests", "request").replace(CONVERSATIONS, CONVERSATIONS.removesuffix("s"))
        if ranks["low"] is None or ranks["low"] == ranks["high"]:
            return f"{point} {unit}"
        return f"{point} {unit} ({self.text(ranks['low'])} to {self.text(ranks['high'])} over launches)"


def _estimate(scale: _Scale, ranks: Ranks, grid: Grid, level: float, reason: str | None) -> dict[str, Any]:
    found = over_launches(list(ranks.values()), level)
    if found is None:
        blank = dict.fromkeys(("point", "low", "high", "level", "text"))
        return {**blank, "n": 0, "method": METHOD, "launches": [], "reason": reason}
    return {
        **{key: scale.at(found[key]) for key in ("point", "low", "high")},
        "level": found["level"],
        "n": found["n"],
        "method": METHOD,
        "text": scale.words(found, grid.unit),
        "launches": [{"block": block, **(scale.at(rank) or {})} for block, rank in sorted(ranks.items())],
        "reason": None if found["n"] > 1 else "one launch: no interval",
    }


def _by_launch(stages: Stages, engine: str, grid: Grid, blocks: set[int]) -> dict[int, list[Stage | None]]:
    """By block its stages in the order of the grid's levels."""
    rows = {
        (row["block"], case): row
        for case in grid.cases.values()
        for row in stages.get((engine, grid.workload, case), ())
    }
    there = sorted({block for block, _ in rows} & blocks)
    return {block: [rows.get((block, case)) for case in grid.cases.values()] for block in there}


def _ranks(launches: Mapping[int, Sequence[Stage | None]], grid: Grid) -> dict[Quantity, Ranks]:
    levels = np.array(grid.levels, dtype=np.float64)
    capacity = {
        block: capacity_rank([row is not None and bool(row["slo_met"]) for row in rows])
        for block, rows in launches.items()
    }
    knees = {}
    for block, rows in launches.items():
        rates = [None if row is None else row["output_tokens_per_s"] for row in rows]
        known = np.array([value for value in rates if value is not None], dtype=np.float64)
        rank = knee_rank(levels, known) if len(known) == len(levels) else None
        if rank is not None:
            knees[block] = rank
    return {"capacity": capacity, "knee": knees}


def _no_knee(grid: Grid) -> str:
    count = len(grid.cases)
    return f"{count} levels: at least {FEWEST_FOR_KNEE} are needed" if count < FEWEST_FOR_KNEE else NO_KNEE


class Capacities:
    """Capacities and knees of a campaign, and their comparisons."""

    def __init__(self, inputs: Measurements, stages: Stages, pairing: CampaignPairs, *, alarm: bool) -> None:
        self._inputs = inputs
        self._pairing = pairing
        self._alarm = alarm
        self._grids = grids(inputs.loads)
        self._asked = {
            (name, number): grid.without(inputs.not_asked[name].get(grid.workload, {}))
            for name in inputs.engines
            for number, grid in enumerate(self._grids)
        }
        """The levels of each grid that an engine was asked for; capacities are those of engines with the same ones."""
        self._ranks = {
            (name, number): _ranks(
                _by_launch(stages, name, grid, {launch.block for launch in inputs.engines[name].ok(grid.workload)}),
                grid,
            )
            for (name, number), grid in self._asked.items()
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row an engine and grid."""
        for (name, number), ranks in self._ranks.items():
            grid, asked = self._grids[number], self._asked[name, number]
            left_out = [case for case in grid.cases.values() if case not in asked.cases.values()]
            unasked = left_out[0] if left_out and not asked.cases else None
            ended = self._inputs.why_unmeasured(name, grid.workload, unasked)
            starts = name not in self._inputs.not_restarted
            capacity, knee = (_Scale(asked.levels, bounded) for bounded in (True, False))
            level = self._inputs.level
            yield {
                "engine": name,
                "workload": grid.workload,
                "group": grid.group,
                "mode": grid.mode,
                "unit": grid.unit,
                **({"turns": grid.turns} if grid.turns else {}),
                **({"slots": self._slots(grid)} if grid.mode == "open" and starts else {}),
                "levels": [{"level": at, "case": case} for at, case in grid.cases.items()],
                **({"not_asked": left_out} if left_out else {}),
                "capacity": _estimate(capacity, ranks["capacity"], grid, level, ended),
                "knee": _estimate(knee, ranks["knee"], grid, level, _no_knee(asked) if ranks["capacity"] else ended),
            }

    def _slots(self, grid: Grid) -> int:
        return max(slots_of(self._inputs.loads[grid.workload, case]) for case in grid.cases.values())

    def _pair(self, names: tuple[str, str], number: int, quantity: Quantity) -> Pair:
        """The ranks of two engines as a pair; 1 is added, since what is compared is positive."""
        grid = self._grids[number]
        values = {
            ((name, grid.workload, grid.group), _COMPARED.name): {
                block: rank + 1.0 for block, rank in self._ranks[name, number][quantity].items()
            }
            for name in self._inputs.engines
        }
        pair = self._pairing.pair(_COMPARED, Cell(grid.workload, grid.group), *names, ByBlock(values))
        own, other = (self._asked[name, number].cases for name in names)
        if pair.excluded is not None or own == other:
            return pair
        name, case = next(
            (name, case) for case in grid.cases.values() for name in names if case not in self._cases(name, number)
        )
        return replace(pair, excluded=self._inputs.why_unmeasured(name, grid.workload, case))

    def _cases(self, name: str, number: int) -> list[str]:
        return list(self._asked[name, number].cases.values())

    def comparisons(self) -> list[dict[str, Any]]:
        """Every pair of engines in every grid: capacity, then the knee; each quantity is a family of its own."""
        found = []
        for quantity in ("capacity", "knee"):
            made = [
                (number, self._pair(names, number, quantity))
                for number in range(len(self._grids))
                for names in families.engine_pairs(self._inputs)
            ]
            tests = sum(pair.counts for _, pair in made)
            found += [self._compared(quantity, number, pair, tests) for number, pair in made]
        return found

    def _compared(self, quantity: Quantity, number: int, pair: Pair, tests: int) -> dict[str, Any]:
        grid, alpha = self._grids[number], round(self._inputs.alpha * pair.share, 12)
        reason = pair.excluded or (None if pair.counts else _missing(quantity, pair))
        p = corrected = None
        verdict: Verdict = "untestable"
        doubts = self._doubts(grid, pair)
        if reason is None:
            own, other = len(pair.values), len(pair.reference_values)
            test = mann_whitney(pair.values, pair.reference_values)
            p, corrected = test.p, bonferroni(test.p, tests)
            if can_reach(own, other, tests, alpha, MANN_WHITNEY, paired=False):
                sure: Verdict = "significant_unconfirmed" if doubts else "confirmed_faster"
                verdict = "inconclusive" if corrected > alpha else sure
            else:
                reason = f"too few launches: {pair.fewest} cannot reach significance over {tests} comparisons"
        higher = None
        if verdict in ("confirmed_faster", "significant_unconfirmed"):
            ahead = float(np.median(pair.values)) > float(np.median(pair.reference_values))
            higher = pair.engine if ahead else pair.reference
        texts = [self._text(name, number, quantity) for name in (pair.engine, pair.reference)]
        return {
            "quantity": quantity,
            "workload": grid.workload,
            "group": grid.group,
            "engine": pair.engine,
            "reference": pair.reference,
            "launches": {"engine": len(pair.values), "reference": len(pair.reference_values)},
            "method": "exact Mann-Whitney U on the levels of launches, ties broken against a difference; Bonferroni",
            "p": p,
            "p_bonferroni": corrected,
            "tests": tests,
            "alpha": alpha,
            "verdict": verdict,
            "higher": higher,
            "launches_needed": self._needed(pair, tests) if quantity == "capacity" and not doubts else None,
            "sentence": _sentence(quantity, grid, pair, texts, _ending(verdict, reason, doubts, self._inputs.level)),
            "reason": reason,
        }

    def _needed(self, pair: Pair, tests: int) -> int | None:
        """Launches of each at which what the pair shows would be told at the next look; ties count against it, as in
        the test. None where no number would."""
        if pair.excluded or not pair.counts:
            return None
        reaches = can_reach(
            len(pair.values),
            len(pair.reference_values),
            tests,
            self._inputs.alpha * pair.share,
            MANN_WHITNEY,
            paired=False,
        )
        below, not_above = pairs_won(pair.values, pair.reference_values)
        pairs = len(pair.values) * len(pair.reference_values)
        share = pair.next_share if reaches else pair.share
        return launches_to_order(max(below, pairs - not_above) / pairs, tests, self._inputs.alpha * share)

    def _doubts(self, grid: Grid, pair: Pair) -> list[str]:
        """Why no difference of a pair is confirmed, each a clause: what may have made it, and servers whose starts
        nobody compared."""
        engines = [self._inputs.engines[name] for name in (pair.engine, pair.reference)]
        told = [f"{one.name} {words}" for one in engines if (words := loss_words(one.of(grid.workload)))]
        told += [f"{name} was not restarted" for name in pair.passes]
        return ["the control differed", *told] if self._alarm else told

    def _text(self, name: str, number: int, quantity: Quantity) -> str | None:
        ranks, grid = self._ranks[name, number][quantity], self._asked[name, number]
        found = over_launches(list(ranks.values()), self._inputs.level)
        scale = _Scale(grid.levels, quantity == "capacity")
        return None if found is None else scale.words(found, grid.unit)


def _missing(quantity: Quantity, pair: Pair) -> str:
    name = pair.reference if len(pair.values) else pair.engine
    return f"{name} has no knee here" if quantity == "knee" else f"no launch of {name} ended ok here"


_WORDS: Final[Mapping[Quantity, tuple[str, str]]] = {
    "capacity": ("Within the limits in", "holds"),
    "knee": ("In", "has its knee at"),
}


def _ending(verdict: Verdict, reason: str | None, doubts: Sequence[str], level: float) -> str:
    """What a comparison comes to."""
    ends: Mapping[Verdict, str] = {
        "confirmed_faster": f"the order is certain at the {100 * level:g} % level",
        "significant_unconfirmed": f"not confirmed, since {' and '.join(doubts)}",
        "untestable": f"no verdict, since {reason}",
    }
    return ends.get(verdict, "they cannot be told apart")


def _sentence(quantity: Quantity, grid: Grid, pair: Pair, texts: Sequence[str | None], end: str) -> str:
    """The comparison for people."""
    begin, verb = _WORDS[quantity]
    seen = [f"{name} {verb} {text}" for name, text in zip((pair.engine, pair.reference), texts, strict=True) if text]
    if not seen:
        return f"{pair.engine} against {pair.reference}, {quantity}: {end}"
    return f"{begin} {grid.title}: {' and '.join(seen)}; {end}"
