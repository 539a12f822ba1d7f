"""Tests beside the t test are made for whoever asks for them, and once."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark_runner.statistics import evidence
from benchmark_runner.statistics.evidence import Pair
from benchmark_runner.statistics.on_demand import OnDemand
from benchmark_runner.statistics.power import PERMUTATION
from benchmark_runner.statistics.schemes import SCHEMES
from benchmark_runner.statistics.verdicts import judge_family


def test_a_value_is_made_when_it_is_asked_for_and_once() -> None:
    made: list[str] = []
    values = OnDemand({"one": lambda: made.append("one") or 1, "two": lambda: made.append("two") or 2})
    assert list(values) == ["one", "two"] and len(values) == 2 and not made
    assert values["two"] == values.get("two") == 2 and values.get("three") is None
    assert made == ["two"] and dict(values) == {"one": 1, "two": 2}


def test_a_verdict_makes_only_the_tests_that_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    flip = evidence.sign_flip
    monkeypatch.setattr(evidence, "sign_flip", lambda values: asked.append(len(values)) or flip(values))
    rng = np.random.default_rng(4)
    pair = Pair("quick", "slow", rng.normal(90.0, 1.0, 8), rng.normal(100.0, 1.0, 8), sign=-1.0)
    (found,) = judge_family([pair], 0.95)
    assert found.verdict == "meaningfully_faster" and not asked
    assert found.p_bonferroni[PERMUTATION] == 2 / 2**8 and asked == [8]
    (other,) = judge_family([pair], 0.95, SCHEMES[PERMUTATION])
    assert other.verdict == "meaningfully_faster" and asked == [8, 8]
