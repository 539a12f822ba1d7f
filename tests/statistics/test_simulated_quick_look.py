"""The quick look as config/config.yaml has it: what it finds in campaigns of known truth, with the noise that was seen.

100 campaigns by default; 2,000 of equal engines and 500 of others with BENCHMARK_RUNNER_CAMPAIGNS=2000.
"""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from benchmark_runner.configuration.resolve import resolve
from benchmark_runner.planning.promise import smallest_ratio
from benchmark_runner.statistics.design import Design
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.power import DEFAULT_POWER, FIRST_SHARE
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import Judgement, judge_family
from benchmark_runner.statistics.wording import CERTAIN
from simulated_campaigns import ALPHA, CAMPAIGNS

RUNS = CAMPAIGNS if CAMPAIGNS >= 2000 else 100

LAUNCH_SD, ITERATION_SD, BLOCK_SD = 0.02, 0.03, 0.04
"""Pairs then differ by 4.1 % from block to block, as those of a real quick look did when its workloads were mixed; with
a workload's engines in a row it was 3.9 %."""

RATIO = 1.06


@pytest.fixture(scope="module")
def quick(repository: Path) -> dict[str, Any]:
    file = repository / "config" / "config.yaml"
    return resolve(yaml.safe_load(file.read_text()), [file])


def judged(rng: np.random.Generator, config: dict[str, Any], ratio: float, launch_sd: float) -> list[Judgement]:
    """One campaign's verdicts; the last engine takes `ratio` times as long in every workload, the control is equal."""
    launches, names = config["benchmark"]["launches"], [engine["name"] for engine in config["engines"]]
    pairs, beside = [], []
    for workload in config["workloads"]:
        each = -(-workload["iterations"] // launches)
        shape = (len(names) + 1, launches)
        logs = rng.normal(0.0, launch_sd, shape) + rng.normal(0.0, BLOCK_SD, launches)
        logs += np.median(rng.normal(0.0, ITERATION_SD, (*shape, each)), axis=2)
        times = np.exp(logs)
        times[len(names) - 1] *= ratio
        rows = dict(zip([*names, "control"], times, strict=True))
        pairs += [Pair(b, a, rows[b], rows[a], sign=-1.0, share=FIRST_SHARE) for a, b in combinations(names, 2)]
        beside.append(Pair("control", names[0], rows["control"], rows[names[0]], sign=-1.0, share=FIRST_SHARE))
    scheme = SCHEMES[config["analysis"]["significance_test"]]
    return judge_family(pairs, 1.0 - ALPHA, scheme, beside)


def campaigns(
    config: dict[str, Any], seed: int, ratio: float, runs: int, launch_sd: float = LAUNCH_SD
) -> list[list[Judgement]]:
    rng = np.random.default_rng(seed)
    return [judged(rng, config, ratio, launch_sd) for _ in range(runs)]


def found(config: dict[str, Any], seed: int, ratio: float = RATIO, launch_sd: float = LAUNCH_SD) -> float:
    """Share of the pairs that are so far apart whose order is certain."""
    slow = config["engines"][-1]["name"]
    runs = campaigns(config, seed, ratio, max(RUNS // 4, 100), launch_sd)
    apart = [one for run in runs for one in run if one.pair.engine == slow]
    share = sum(one.verdict in CERTAIN for one in apart) / len(apart)
    print(f"pairs {ratio:.4f} apart that {config['analysis']['significance_test']} tells apart: {share:.1%}")
    return share


def test_the_quick_look_tells_apart_what_differs_by_six_per_cent(quick: dict[str, Any]) -> None:
    assert found(quick, 307) >= 0.77


@pytest.mark.parametrize("spread", [0.041, 0.08, 0.137])
def test_what_the_plan_promises_of_the_quick_look_is_found_at_least_as_often(
    quick: dict[str, Any], spread: float
) -> None:
    """Pairs that differ by this from block to block, as on quiet and on busy machines; the plan counts as if no other
    pair were rejected, so that it promises a little less than is found."""
    scheme = SCHEMES[quick["analysis"]["significance_test"]]
    cells = len(quick["workloads"])
    design = Design(len(quick["engines"]), cells, quick["benchmark"]["launches"], ALPHA, scheme, until_decided=False)
    ratio = smallest_ratio(design, spread, DEFAULT_POWER)
    assert ratio is not None
    # Two iterations a launch: their median is their mean.
    launch_sd = math.sqrt((spread**2 - ITERATION_SD**2) / 2.0)
    assert DEFAULT_POWER - 0.03 <= found(quick, 317, ratio, launch_sd) <= DEFAULT_POWER + 0.08


def test_eight_launches_and_two_tests_that_must_agree_fail_the_check(quick: dict[str, Any]) -> None:
    """The negative control: the quick look as it was."""
    benchmark, analysis = ({**quick[section]} for section in ("benchmark", "analysis"))
    benchmark["launches"], analysis["significance_test"] = 8, "mann_whitney_u"
    workloads = [{**workload, "iterations": 16} for workload in quick["workloads"]]
    assert found({**quick, "benchmark": benchmark, "analysis": analysis, "workloads": workloads}, 311) < 0.5


def test_equal_engines_are_ordered_no_more_often_than_one_may(quick: dict[str, Any]) -> None:
    false = sum(any(one.verdict in CERTAIN for one in run) for run in campaigns(quick, 313, 1.0, RUNS))
    print(f"quick looks with a false claim: {false} of {RUNS} ({false / RUNS:.1%})")
    assert false <= int(stats.binom.ppf(0.99, RUNS, ALPHA))


def test_the_control_of_the_quick_look_is_one_of_its_engines(quick: dict[str, Any]) -> None:
    assert quick["benchmark"]["control"] in [engine["name"] for engine in quick["engines"]]
