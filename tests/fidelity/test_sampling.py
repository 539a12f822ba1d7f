"""The chi-squared test of first tokens."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from benchmark_runner.fidelity.sampling import ALPHA, DRAWS, classes, entropy, judge_draws, probabilities

LOGITS = np.log(np.array([0.4, 0.3, 0.2, 0.06, 0.03, 0.007, 0.003], dtype=np.float32))


def drawn(temperature: float, top_p: float, seed: int = 1) -> list[int]:
    distribution = probabilities(LOGITS, temperature, top_p)
    return np.random.default_rng(seed).choice(LOGITS.size, DRAWS, p=distribution).tolist()


def judged(ids: list[int], temperature: float = 0.7, top_p: float = 1.0):
    return judge_draws(ids, probabilities(LOGITS, temperature, top_p), temperature=temperature, top_p=top_p)


def test_probabilities_are_a_softmax_over_temperature_cut_to_the_nucleus() -> None:
    assert probabilities(LOGITS, 1.0, 1.0) == pytest.approx([0.4, 0.3, 0.2, 0.06, 0.03, 0.007, 0.003], rel=1e-5)
    squared = np.array([0.16, 0.09, 0.04, 0.0036, 0.0009, 0.000049, 0.000009])
    assert probabilities(LOGITS, 0.5, 1.0) == pytest.approx(squared / squared.sum(), rel=1e-5)
    assert probabilities(LOGITS, 1.0, 0.65) == pytest.approx([4 / 7, 3 / 7, 0, 0, 0, 0, 0], rel=1e-5)
    assert np.flatnonzero(probabilities(LOGITS, 1.0, 0.75)).tolist() == [0, 1, 2]


def test_classes_hold_at_least_five_expected_draws_and_all_that_can_be_drawn() -> None:
    distribution = probabilities(LOGITS, 1.0, 1.0)
    assert classes(distribution, 500) == [[0], [1], [2], [3], [4], [5, 6]]
    assert classes(distribution, 100) == [[0], [1], [2], [3, 4, 5, 6]]
    for group in classes(distribution, 200):
        assert distribution[group].sum() * 200 >= 5
    assert classes(probabilities(LOGITS, 1.0, 0.75), 500) == [[0], [1], [2]]


def test_the_statistic_is_chi_squared_by_hand() -> None:
    half = np.array([0.5, 0.5])
    found = judge_draws([0] * 60 + [1] * 40, half, temperature=1.0, top_p=1.0)
    assert found.statistic == pytest.approx(4.0)
    assert found.p_value == pytest.approx(chi2.sf(4.0, 1))


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_right_draws_pass(top_p: float) -> None:
    assert all(judged(drawn(0.7, top_p, seed), top_p=top_p).result == "pass" for seed in range(50))


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1.0, 1.0), (1e-6, 1.0), (0.35, 1.0)], ids=["ignored", "greedy", "halved"]
)
def test_another_temperature_fails(temperature: float, top_p: float) -> None:
    found = judged(drawn(temperature, top_p))
    assert found.result == "fail"
    assert found.p_value is not None and found.p_value < ALPHA


def test_an_id_outside_the_nucleus_fails() -> None:
    found = judged(drawn(0.7, 1.0), top_p=0.5)
    assert found.result == "fail"
    assert "which top_p 0.5 excludes" in found.reason


def test_one_token_alone_tells_nothing() -> None:
    assert judge_draws([0] * 500, np.array([1.0, 0.0]), temperature=1.0, top_p=1.0).result == "not checkable"
    assert judge_draws([0] * 500, np.array([0.999, 0.001]), temperature=1.0, top_p=1.0).result == "not checkable"


def test_entropy_is_that_of_a_coin() -> None:
    assert entropy(np.array([0.5, 0.5, 0.0])) == pytest.approx(np.log(2))
