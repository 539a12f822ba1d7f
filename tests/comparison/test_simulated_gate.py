"""Two campaigns of known truth on days of unlike speed: what is claimed falsely, and what is found.

Five programs and the control in two test cases, ten launches each, launches varying by 0.9 %. 100 pairs of campaigns a
check by default, 2,000 with BENCHMARK_RUNNER_CAMPAIGNS=2000. docs/method.md states what the full check found.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from benchmark_runner.comparison.campaigns import candidate
from benchmark_runner.comparison.decision import judge
from benchmark_runner.comparison.references import References
from benchmark_runner.statistics.metrics import BY_NAME
from comparison_case import KnownSide, known_side
from scripted_launch import ScriptedEngine, ScriptedWorkload
from simulated_campaigns import ALPHA, CAMPAIGNS

CASES = ("case_1", "case_2")
LAUNCHES = 10
RUNS = CAMPAIGNS if CAMPAIGNS >= 2000 else 100
MOST_FALSE = int(stats.binom.ppf(0.99, RUNS, ALPHA))
SPREAD = 0.009
OTHERS = ("burn", "torch", "llama", "mistral")


@cache
def template(word: str, version: str, others: int) -> KnownSide:
    """The facts of a campaign: one engine of this version, `others` that never change, and the first's control."""
    known = [ScriptedEngine(name, version=name) for name in OTHERS[:others]]
    twin = (
        [ScriptedEngine(f"{known[0].name}_control", version=known[0].name, control_of=known[0].name)] if known else []
    )
    engines = [*known, ScriptedEngine("candle", version=version), *twin]
    workloads = (ScriptedWorkload(cases=((8, 3), (8, 3)), iterations=1, warmups=0),)
    return known_side("before" if word == "before" else "after", engines, workloads=workloads, launches=LAUNCHES)


def campaign(
    rng: np.random.Generator, facts: KnownSide, *, day: float, loss: float, unlike: float, blocks: float
) -> KnownSide:
    """A side with drawn launch values; unlike is the standard deviation of each program's own share in the day."""
    slower = {name: day + rng.normal(0.0, unlike) for name in facts.inputs.engines}
    values = {}
    for case in CASES:
        of_blocks = rng.normal(0.0, blocks, LAUNCHES)
        for name, engine in facts.inputs.engines.items():
            own = slower[engine.control_of or name] + (np.log1p(loss) if name == "candle" else 0.0)
            times = 100.0 * np.exp(own + of_blocks + rng.normal(0.0, SPREAD, LAUNCHES))
            values[(name, "latency_test", case), "e2e_ms"] = dict(enumerate(times.tolist(), start=1))
    return replace(facts, known=values)


def verdicts(
    seed: int,
    *,
    day: float,
    loss: float = 0.0,
    others: int = 4,
    unlike: float = 0.0,
    blocks: float = 0.0,
    blind: bool = False,
) -> Counter[str]:
    """Pairs of campaigns in which each verdict was given of the changed engine at all; blind takes no day out."""
    rng, found = np.random.default_rng(seed), Counter[str]()
    for _ in range(RUNS):
        before = campaign(rng, template("before", "1", others), day=0.0, loss=0.0, unlike=0.0, blocks=blocks)
        after = campaign(rng, template("after", "2", others), day=day, loss=loss, unlike=unlike, blocks=blocks)
        references = References(before, after)
        cells = [("candle", "latency_test", case) for case in CASES]
        made = [candidate((before, after), references, cell, BY_NAME["e2e_ms"]) for cell in cells]
        if blind:
            made = [replace(one, relative=None, doubts=()) for one in made]
        found.update({one.verdict for one in judge(made, gates=False, margin=0.02, level=1.0 - ALPHA)})
    return found


def told(what: str, found: int) -> None:
    print(f"{what}: {found} of {RUNS} ({share(found):.1%})")


def share(found: int) -> float:
    return found / RUNS


@pytest.mark.parametrize(("others", "blocks"), [(4, 0.0), (1, 0.04)])
def test_a_day_that_is_slower_is_no_regression(others: int, blocks: float) -> None:
    found = verdicts(201, day=0.03, others=others, blocks=blocks)
    told(f"regressions without a change, day +3 %, {others} references, blocks of {blocks:.0%}", found["regression"])
    told("… no regression shown", found["no_regression"])
    assert found["regression"] <= MOST_FALSE


@pytest.mark.parametrize(("others", "blocks"), [(4, 0.0), (1, 0.04)])
def test_a_loss_is_found_on_a_day_that_is_faster(others: int, blocks: float) -> None:
    found = verdicts(203, day=-0.03, loss=0.04, others=others, blocks=blocks)
    told(f"losses of 4 % found, day -3 %, {others} references, blocks of {blocks:.0%}", found["regression"])
    told("… called no regression", found["no_regression"])
    assert share(found["regression"]) >= 0.93
    assert found["no_regression"] <= MOST_FALSE


def test_without_what_did_not_change_both_are_wrong() -> None:
    """The negative control: the same campaigns, nothing taken out."""
    slower, faster = verdicts(201, day=0.03, blind=True), verdicts(203, day=-0.03, loss=0.04, blind=True)
    told("regressions without a change, day +3 %, nothing taken out", slower["regression"])
    told("losses of 4 % called no regression, day -3 %, nothing taken out", faster["no_regression"])
    assert min(share(slower["regression"]), share(faster["no_regression"])) > 0.4


@pytest.mark.parametrize("unlike", [0.005, 0.02])
def test_programs_that_shift_unlike_each_other_make_fewer_verdicts_and_not_false_ones(unlike: float) -> None:
    found = verdicts(207, day=0.03, unlike=unlike)
    told(f"regressions without a change, day +3 %, programs unlike by {unlike:.1%}", found["regression"])
    assert found["regression"] <= MOST_FALSE
    at_margin = verdicts(209, day=0.03, loss=0.02, unlike=unlike)
    told(f"verdicts either way at the margin, programs unlike by {unlike:.1%}", at_margin["regression"])
    told("… the other way", at_margin["no_regression"])
    # One estimate of four programs' spread stands for all cells.
    assert max(at_margin["regression"], at_margin["no_regression"]) <= MOST_FALSE


def test_at_a_loss_of_exactly_the_margin_a_verdict_is_rare_whatever_the_day() -> None:
    found = verdicts(211, day=0.03, loss=0.02)
    told("verdicts either way at a loss of exactly the margin", found["regression"] + found["no_regression"])
    assert found["regression"] + found["no_regression"] <= MOST_FALSE


def test_without_a_common_reference_a_day_makes_no_verdict() -> None:
    slower, faster = verdicts(213, day=0.03, others=0), verdicts(217, day=-0.03, loss=0.04, others=0)
    told("regressions without a change, day +3 %, no reference", slower["regression"])
    told("losses of 4 % called no regression, day -3 %, no reference", faster["no_regression"])
    assert max(slower["regression"], faster["no_regression"]) <= MOST_FALSE
    large = verdicts(219, day=-0.03, loss=0.15, others=0)
    told("losses of 15 % found, day -3 %, no reference", large["regression"])
    assert share(large["regression"]) > 0.95
