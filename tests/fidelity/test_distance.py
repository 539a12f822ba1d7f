"""Distances of logits, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark_runner.fidelity.distance import distance, kl_divergence


def test_differences_are_those_of_single_logits() -> None:
    reference = np.array([[1, 2, 3], [0, 0, 0]], dtype=np.float32)
    found = distance(reference, reference + np.array([[0, 0, 0.6], [0, 0, 0]], dtype=np.float32))
    assert found.max_abs == pytest.approx(0.6)
    assert found.mean_abs == pytest.approx(0.1)


def test_the_divergence_is_that_of_two_coins() -> None:
    # KL of (1/4, 3/4) from (1/2, 1/2): ln 2 / 2 + ln(2/3) / 2.
    reference, engine = np.zeros((1, 2), np.float32), np.array([[0, math.log(3)]], np.float32)
    assert kl_divergence(reference, engine)[0] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))


def test_a_shift_of_all_logits_is_no_divergence() -> None:
    reference = np.array([[1, 2, 300]], dtype=np.float32)
    found = distance(reference, reference + 5)
    assert found.kl_max == pytest.approx(0, abs=1e-9)
    assert found.max_abs == 5


def test_other_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="logits of the engine against"):
        distance(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32))
