"""The decode loop for engines that hand logits to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench_protocol import EngineError, Timings
from bench_protocol.decode import choose, decode, top_margin
from bench_protocol.spec import Sampling, parse_spec
from bench_protocol.splitmix import random_numbers

GREEDY = Sampling(0.0, 1.0, 0)


def generate(spec: dict[str, Any], seed: int = 0, **changes: Any) -> tuple[Timings, list[tuple[list[int], int]]]:
    """What a model leaves whose next id is the last one plus its position, and its calls."""
    spec["cases"][0] |= changes
    case = parse_spec(spec).cases[0]
    timings = Timings(case, lambda: 0, with_logits=True)
    calls = []

    def forward(ids, position):
        calls.append((list(ids), position))
        logits = np.zeros(10, dtype=np.float32)
        logits[(ids[-1] + position) % 10] = 1.5
        return logits

    decode(case, seed, timings, forward, margins=True)
    return timings, calls


def test_each_id_goes_back_in_at_its_position(spec: dict[str, Any]) -> None:
    timings, calls = generate(spec, prompt_ids=[3, 1])
    assert timings.token_ids == [1, 3, 6, 0]
    assert calls == [([3, 1], 0), ([1], 2), ([3], 3), ([6], 4)]
    assert timings.margins == [1.5] * 4


def test_forced_ids_go_in_and_the_chosen_ones_are_reported(spec: dict[str, Any]) -> None:
    timings, calls = generate(spec, prompt_ids=[3, 1], forced_ids=[7, 8, 9, 0])
    assert timings.token_ids == [1, 9, 1, 3]
    assert calls == [([3, 1], 0), ([7], 2), ([8], 3), ([9], 4)]


def test_an_end_of_sequence_id_is_the_last_one(spec: dict[str, Any]) -> None:
    timings, _ = generate(spec, prompt_ids=[3, 1], ignore_eos=False, eos_ids=[9, 3])
    assert timings.token_ids[: timings.count] == [1, 3]
    assert timings.finish == "eos"


def test_logits_are_kept_one_set_a_token(spec: dict[str, Any]) -> None:
    timings, _ = generate(spec, prompt_ids=[3, 1])
    kept = np.frombuffer(b"".join(timings.logits or []), dtype="<f4").reshape(4, 10)
    assert kept.argmax(axis=1).tolist() == [1, 3, 6, 0]


def test_the_seed_determines_the_draws(spec: dict[str, Any]) -> None:
    sampling = {"temperature": 5.0, "top_p": 1.0, "seed": 0}
    ids = [generate(spec, seed, sampling=sampling)[0].token_ids for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_greedy_takes_the_lowest_id_among_equals_and_never_a_nan() -> None:
    logits = np.array([0, np.nan, 3.5, 3.5, -1], dtype=np.float32)
    assert choose(logits, GREEDY, random_numbers(0)) == 2


@pytest.mark.parametrize("values", [[np.nan, np.nan], [-np.inf, -np.inf], [np.inf, 0]])
def test_logits_without_a_finite_highest_are_a_failure(values: list[float]) -> None:
    with pytest.raises(EngineError, match="the highest of 2 logits"):
        choose(np.array(values, dtype=np.float32), GREEDY, random_numbers(0))


def test_draws_follow_the_softmax_over_temperature() -> None:
    # Weights 1 : 2 : 4 at temperature 1, 1 : 4 : 16 at 0.5.
    logits = np.log(np.array([1, 2, 4], dtype=np.float32))
    for temperature, shares in ((1.0, [1 / 7, 2 / 7, 4 / 7]), (0.5, [1 / 21, 4 / 21, 16 / 21])):
        draw = random_numbers(3)
        ids = [choose(logits, Sampling(temperature, 1.0, 0), draw) for _ in range(10_000)]
        # Four standard deviations of a share are below 0.02 here.
        assert np.bincount(ids) / 10_000 == pytest.approx(shares, abs=0.02)


@pytest.mark.parametrize(
    ("top_p", "wanted"), [(0.3, {2}), (0.51, {0, 2}), (0.8, {0, 1, 2}), (0.9, {0, 1, 2, 3}), (1e-9, {2})]
)
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p: float, wanted: set[int]) -> None:
    # Probabilities 0.5, 0.25, 0.125, 0.125.
    logits = np.log(np.array([0.25, 0.125, 0.5, 0.125], dtype=np.float32))
    draw = random_numbers(11)
    assert {choose(logits, Sampling(1.0, top_p, 0), draw) for _ in range(2_000)} == wanted


def test_a_tiny_temperature_is_greedy() -> None:
    logits = np.array([1.0, 1.001, 0.5], dtype=np.float32)
    for temperature in (1e-7, 1e-300):
        assert choose(logits, Sampling(temperature, 1.0, 0), random_numbers(9)) == 1


def test_tokens_without_weight_are_never_drawn() -> None:
    logits = np.array([-np.inf, 0.0, -np.inf], dtype=np.float32)
    draw = random_numbers(2)
    assert {choose(logits, Sampling(1.0, 1.0, 0), draw) for _ in range(50)} == {1}


def test_margins_are_highest_minus_second() -> None:
    assert top_margin(np.array([1.0, 4.0, 2.5], dtype=np.float32)) == 1.5
    assert top_margin(np.array([4.0, 4.0], dtype=np.float32)) == 0
    assert top_margin(np.array([4.0], dtype=np.float32)) == 0


def test_the_stream_is_splitmix64() -> None:
    # The first numbers for this seed as published with other implementations.
    draw = random_numbers(1_234_567)
    assert [draw() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
