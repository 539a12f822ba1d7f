"""What a block draws for its launches under load."""

from __future__ import annotations

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.protocol.draw import BlockDraw, arrangements, requests_at_most, require_room

IDS = list(range(100, 120))
CLOSED = {
    "mode": "closed", "concurrency": 4, "requests": 10, "duration_seconds": None, "warmup_requests": 4,
    "timeout_seconds": 9,
}  # fmt: skip
OPEN = {
    "mode": "open", "requests_per_second": 2.0, "arrivals": "poisson", "burstiness": 1.0, "seed": 3, "requests": None,
    "duration_seconds": 20, "warmup_requests": 4, "timeout_seconds": 9,
}  # fmt: skip


def case(ids=IDS, max_new_tokens: int = 8) -> dict:
    return {"prompt_ids": ids, "max_new_tokens": max_new_tokens}


def drawn(seed: int = 1, block: int = 1, loads=(CLOSED, OPEN)) -> list[dict]:
    return BlockDraw(seed, block).cases([case()] * len(loads), loads)


def prompts(cases: list[dict]) -> list[tuple[int, ...]]:
    return [tuple(prompt) for one in cases for prompt in one["prompts"]]


def test_no_prompt_comes_twice_in_a_launch_and_each_has_the_tokens_of_the_case():
    found = prompts(drawn(loads=(CLOSED, CLOSED, OPEN)))
    assert len(set(found)) == len(found)
    assert all(prompt[0] == IDS[0] and sorted(prompt) == IDS for prompt in found)


def test_all_engines_of_a_block_are_given_the_same_and_each_block_and_seed_its_own():
    assert drawn() == drawn()
    for other in (drawn(block=2), drawn(seed=2)):
        assert not set(prompts(other)) & set(prompts(drawn()))
        assert other[1]["load"]["seed"] != drawn()[1]["load"]["seed"]


def test_arrivals_are_the_block_s_own_and_the_rest_of_a_load_is_as_planned():
    closed, opened = drawn()
    assert closed["load"] == CLOSED
    assert {**opened["load"], "seed": 3} == OPEN
    one, other = drawn(loads=(OPEN, OPEN))
    assert one["load"]["seed"] != other["load"]["seed"]


def test_levels_run_once_each_in_an_order_that_blocks_share_by_chance_alone():
    orders = [BlockDraw(7, block).stages(4) for block in range(1, 41)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(order) for order in orders}) > 8
    assert {order[0] for order in orders} == {0, 1, 2, 3}
    assert BlockDraw(7, 3).stages(4) == orders[2]


def test_there_are_prompts_for_warm_up_measured_requests_and_those_that_keep_the_load_up():
    assert requests_at_most(CLOSED, 8) >= 4 + 10 + 2 * 4
    assert requests_at_most(OPEN, 8) >= 4 + 2 * 2.0 * 20
    counted = {**OPEN, "requests": 50, "duration_seconds": None}
    assert requests_at_most(counted, 8) >= 4 + 2 * 50
    bursty = {**counted, "arrivals": "gamma", "burstiness": 0.1}
    assert requests_at_most(bursty, 8) > requests_at_most(counted, 8)
    by_time = {**CLOSED, "requests": None, "duration_seconds": 10}
    assert requests_at_most(by_time, 8) > 4 * 10 / (8 * 0.01)
    assert len(drawn(loads=(CLOSED,))[0]["prompts"]) == requests_at_most(CLOSED, 8)


def test_a_long_level_by_time_is_given_a_bounded_number_of_prompts(monkeypatch):
    monkeypatch.setattr("benchmark_runner.protocol.draw.MOST_IDS", 1000)
    (one,) = drawn(loads=({**CLOSED, "requests": None, "duration_seconds": 3600},))
    assert len(one["prompts"]) == 1000 // len(IDS)


@pytest.mark.parametrize(("ids", "expected"), [([1, 2], 1), ([1, 2, 3, 4], 6), ([1, 5, 5, 6], 3), ([1], 1)])
def test_orders_of_the_tokens_behind_the_first_are_counted(ids, expected):
    assert arrangements(ids) == pytest.approx(expected)


def test_prompts_that_cannot_differ_are_refused_before_anything_runs():
    planned = {"max_new_tokens": 8, "load": CLOSED}
    require_room([(IDS, planned), (IDS, planned)])
    with pytest.raises(BenchmarkError, match=r"4 tokens have only 6 orders; make the prompt longer"):
        require_room([([1, 2, 3, 4], planned)])
    eight = list(range(8))  # 5040 orders, enough for one level of 2,000 and not for two
    many = {"max_new_tokens": 8, "load": {**CLOSED, "requests": 2000}}
    require_room([(eight, many)])
    with pytest.raises(BenchmarkError, match="8 tokens have only 5040 orders"):
        require_room([(eight, many), (eight, many)])
