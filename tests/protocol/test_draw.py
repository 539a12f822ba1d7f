"""What a block draws for its launches under load."""

from __future__ import annotations

import statistics
from random import Random

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.protocol.draw import BlockDraw, arrangements, length, requests_at_most, require_room, shares
from benchmark_runner.protocol.spec import of_request

IDS = list(range(100, 120))
CLOSED = {
    "mode": "closed", "concurrency": 4, "requests": 10, "duration_seconds": None, "warmup_requests": 4,
    "timeout_seconds": 9,
}  # fmt: skip
OPEN = {
    "mode": "open", "requests_per_second": 2.0, "arrivals": "poisson", "burstiness": 1.0, "seed": 3, "requests": None,
    "duration_seconds": 20, "warmup_requests": 4, "timeout_seconds": 9,
}  # fmt: skip


def level(load: dict, **more) -> dict:
    return {"max_new_tokens": 8, "load": load, **more}


def drawn(seed: int = 1, block: int = 1, loads=(CLOSED, OPEN), **more) -> list[dict]:
    case = {"prompt_ids": IDS, "max_new_tokens": 8}
    return BlockDraw(seed, block).cases([case] * len(loads), [level(load, **more) for load in loads], {})


def prompts(cases: list[dict]) -> list[tuple[int, ...]]:
    return [tuple(prompt) for one in cases for prompt in one["prompts"]]


def test_no_prompt_comes_twice_in_a_launch_and_each_has_the_tokens_of_the_case():
    found = prompts(drawn(loads=(CLOSED, CLOSED, OPEN)))
    assert len(set(found)) == len(found)
    assert all(prompt[0] == IDS[0] and sorted(prompt) == IDS for prompt in found)


def test_two_levels_of_one_case_share_no_prompt_where_few_orders_are_left():
    few = {"prompt_ids": IDS[:6], "max_new_tokens": 8}  # 120 orders behind the first
    found = prompts(BlockDraw(1, 1).cases([few] * 2, [level(CLOSED)] * 2, {}))
    assert len(set(found)) == len(found) == 2 * requests_at_most(level(CLOSED))


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


def test_a_trace_gives_each_request_its_own_lengths_in_every_block_and_new_ids_in_each():
    trace = {**OPEN, "arrivals": "trace", "arrivals_ns": [0, 7, 9]}
    lengths = {
        "prompt_lengths": {"distribution": "trace", "min": 15, "max": 20, "lengths": [20, 15, 18]},
        "answer_lengths": {"distribution": "trace", "min": 1, "max": 8, "lengths": [8, 1, 5]},
    }
    (one,), (other,) = (drawn(block=block, loads=(trace,), **lengths) for block in (1, 2))
    assert [len(prompt) for prompt in one["prompts"]] == [len(prompt) for prompt in other["prompts"]] == [20, 15, 18]
    assert one["max_new_tokens_each"] == other["max_new_tokens_each"] == [8, 1, 5]
    assert one["load"]["arrivals_ns"] == other["load"]["arrivals_ns"] == [0, 7, 9]
    assert not set(prompts([one])) & set(prompts([other]))


def test_a_trace_of_requests_too_short_to_differ_or_too_long_to_hold_is_refused(monkeypatch):
    trace = {**OPEN, "arrivals": "trace", "arrivals_ns": [0, 7, 9]}

    def require(*lengths: int, prefix: int = 1) -> None:
        drawn_by = {"distribution": "trace", "min": min(lengths), "max": max(lengths), "lengths": list(lengths)}
        require_room([(IDS, {**level(trace, prompt_lengths=drawn_by), "shared_prefix_tokens": prefix})])

    require(2, 20, 20)  # 19 tokens may stand behind the first
    with pytest.raises(BenchmarkError, match=r"10 requests of the trace have 1 tokens .* prompt_tokens\.min: 16"):
        require(*[2] * 10)
    monkeypatch.setattr("benchmark_runner.protocol.draw.MOST_IDS", 50)
    with pytest.raises(BenchmarkError, match="60 tokens, more than the 50 of a level"):
        require(20, 20, 20, prefix=10)  # a prefix is sent with each


def test_levels_run_once_each_in_an_order_that_blocks_share_by_chance_alone():
    orders = [BlockDraw(7, block).stages(4) for block in range(1, 41)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(order) for order in orders}) > 8
    assert {order[0] for order in orders} == {0, 1, 2, 3}
    assert BlockDraw(7, 3).stages(4) == orders[2]


def test_there_are_prompts_for_warm_up_measured_requests_and_those_that_keep_the_load_up():
    assert requests_at_most(level(CLOSED)) >= 4 + 10 + 2 * 4
    assert requests_at_most(level(OPEN)) >= 4 + 2 * 2.0 * 20
    counted = {**OPEN, "requests": 50, "duration_seconds": None}
    assert requests_at_most(level(counted)) >= 4 + 2 * 50
    bursty = {**counted, "arrivals": "gamma", "burstiness": 0.1}
    assert requests_at_most(level(bursty)) > requests_at_most(level(counted))
    assert requests_at_most(level({**counted, "arrivals": "trace", "arrivals_ns": [0] * 120})) == 120
    by_time = {**CLOSED, "requests": None, "duration_seconds": 10}
    assert requests_at_most(level(by_time)) > 4 * 10 / (8 * 0.01)
    assert len(drawn(loads=(CLOSED,))[0]["prompts"]) == requests_at_most(level(CLOSED))


def test_a_long_level_by_time_is_given_a_bounded_number_of_prompts(monkeypatch):
    monkeypatch.setattr("benchmark_runner.protocol.draw.MOST_IDS", 1000)
    (one,) = drawn(loads=({**CLOSED, "requests": None, "duration_seconds": 3600},))
    assert len(one["prompts"]) == 1000 // len(IDS)


@pytest.mark.parametrize(("ids", "expected"), [([2], 1), ([2, 3, 4], 6), ([5, 5, 6], 3), ([], 1)])
def test_orders_of_tokens_are_counted(ids, expected):
    assert arrangements(ids) == pytest.approx(expected)


def test_prompts_that_cannot_differ_are_refused_before_anything_runs():
    require_room([(IDS, level(CLOSED)), (IDS, level(CLOSED))])
    with pytest.raises(BenchmarkError, match=r"the 3 behind its beginning have only 6; make the prompt longer"):
        require_room([([1, 2, 3, 4], level(CLOSED))])
    eight = list(range(8))  # 5040 orders, enough for one level of 2,000 and not for two
    many = level({**CLOSED, "requests": 2000})
    require_room([(eight, many)])
    with pytest.raises(BenchmarkError, match="the 7 behind its beginning have only 5040"):
        require_room([(eight, many), (eight, many)])
    with pytest.raises(BenchmarkError, match="the 2 behind its beginning have only 2"):
        require_room([(IDS, level(CLOSED, shared_prefix_tokens=18))])
    with pytest.raises(BenchmarkError, match="the 4 behind its beginning have only 24"):
        require_room([(IDS, level(CLOSED, prompt_lengths={"distribution": "uniform", "min": 5, "max": 20}))])


def test_a_prompt_that_nobody_asked_about_is_refused_and_not_drawn_for_ever():
    case = {"prompt_ids": [1, 2, 3], "max_new_tokens": 8}
    with pytest.raises(BenchmarkError, match="3 tokens have too few orders"):
        BlockDraw(1, 1).cases([case], [level(CLOSED)], {})


def test_a_shared_prefix_stands_before_all_prompts_and_what_follows_differs():
    found = prompts(drawn(shared_prefix_tokens=6))
    assert {prompt[:6] for prompt in found} == {tuple(IDS[:6])}
    assert len(set(found)) == len(found)


def test_each_request_has_a_length_of_its_own_where_they_are_drawn():
    lengths = {"prompt_lengths": {"distribution": "uniform", "min": 12, "max": 20}}
    lengths["answer_lengths"] = {"distribution": "uniform", "min": 2, "max": 8}
    one, other = drawn(loads=(OPEN, OPEN), **lengths)
    assert {len(prompt) for prompt in one["prompts"]} == set(range(12, 21))
    assert all(len(set(prompt)) == len(prompt) and set(prompt) <= set(IDS) for prompt in one["prompts"])
    assert set(one["max_new_tokens_each"]) == set(range(2, 9))
    assert len(one["max_new_tokens_each"]) == len(one["prompts"])
    assert of_request(one, 3)["max_new_tokens"] == one["max_new_tokens_each"][3]
    assert one["max_new_tokens_each"] != other["max_new_tokens_each"]
    assert drawn(loads=(OPEN, OPEN), **lengths) == [one, other]
    assert of_request(drawn()[0], 3)["max_new_tokens"] == 8


TALK = {**CLOSED, "turns": 3, "think_seconds": 0}


def test_a_turn_s_prompt_is_all_that_came_before_a_text_as_long_as_the_answer_and_new_tokens():
    fixed = {"prompt_lengths": {"distribution": "uniform", "min": 4, "max": 4}}
    fixed["answer_lengths"] = {"distribution": "uniform", "min": 3, "max": 3}
    (one,), (other,) = (drawn(block=block, loads=(TALK,), **fixed) for block in (1, 2))
    assert len(one["prompts"]) % 3 == 0
    assert len(one["prompts"]) >= requests_at_most(level(CLOSED))
    for first, second, third in zip(*[iter(one["prompts"])] * 3, strict=True):
        assert (len(first), len(second), len(third)) == (4, 4 + 3 + 4, 4 + 3 + 4 + 3 + 4)
        assert second[:4] == first and third[:11] == second
    begun = prompts([one])[::3]
    assert len(set(begun)) == len(begun)
    assert not set(begun) & set(prompts([other]))
    assert drawn(loads=(TALK,), **fixed) == [one]


def test_turns_may_have_lengths_of_their_own():
    lengths = {"prompt_lengths": {"distribution": "uniform", "min": 4, "max": 5}}
    lengths["answer_lengths"] = {"distribution": "uniform", "min": 1, "max": 2}
    (one,) = drawn(loads=(TALK,), **lengths)
    asked = one["max_new_tokens_each"]
    assert set(asked) == {1, 2} and len(asked) == len(one["prompts"])
    grown = {
        len(one["prompts"][place + 1]) - len(one["prompts"][place]) - asked[place]
        for place in range(len(asked) - 1)
        if (place + 1) % 3
    }
    assert grown == {4, 5}


def from_file(lines: int, loads, block: int = 1) -> list[dict]:
    pool = [{"prompt_ids": [9, line], "max_tokens": 3 if line % 2 else None} for line in range(lines)]
    levels = [level(load, prompt={"kind": "lines", "sha256": "f"}) for load in loads]
    case = {"prompt_ids": [9, 0], "max_new_tokens": 8}
    return BlockDraw(1, block).cases([case] * len(loads), levels, {"f": pool, "other": []})


def test_levels_that_draw_from_a_file_are_given_different_lines_and_each_block_its_own():
    one, other = from_file(100, (CLOSED, OPEN)), from_file(100, (CLOSED, OPEN), block=2)
    found = prompts(one)
    assert 98 <= len(found) == len(set(found)) <= 100  # shared by what each level may need
    assert [len(level["prompts"]) for level in one] == shares(100, [level(CLOSED), level(OPEN)])
    assert prompts(other) != found and from_file(100, (CLOSED, OPEN)) == one
    for case in one:
        asked = [3 if prompt[1] % 2 else 8 for prompt in case["prompts"]]
        assert case["max_new_tokens_each"] == asked


def test_a_file_of_fewer_prompts_than_a_launch_sends_is_refused_with_both_numbers():
    assert shares(10_000, [level(CLOSED)]) == [requests_at_most(level(CLOSED))]
    assert shares(18, [level(CLOSED)]) == [4 + 10 + 4]
    with pytest.raises(BenchmarkError, match="it has 35 prompts and a launch sends at least 36, none twice"):
        shares(35, [level(CLOSED)] * 2)


def test_lengths_of_quantiles_lie_between_them_in_equal_shares():
    lengths = {"distribution": "quantiles", "quantiles": [10, 20, 100], "min": 1, "max": 1000}
    values = [length(lengths, Random(seed)) for seed in range(4_000)]
    assert (min(values), max(values)) == (10, 100)
    assert sum(value <= 20 for value in values) / len(values) == pytest.approx(0.5, abs=0.03)
    assert statistics.fmean(value for value in values if value > 20) == pytest.approx(60, abs=2)
    assert max(length({**lengths, "max": 40}, Random(seed)) for seed in range(50)) == 40


@pytest.mark.parametrize("distribution", ["lognormal", "gamma"])
def test_drawn_lengths_have_the_mean_and_spread_that_were_asked_for(distribution):
    random = Random(3)
    wide = {"distribution": distribution, "mean": 200, "sd": 80, "min": 1, "max": 100_000}
    values = [length(wide, random) for _ in range(20_000)]
    assert statistics.fmean(values) == pytest.approx(200, rel=0.02)
    assert statistics.stdev(values) == pytest.approx(80, rel=0.05)
    cut = [length({**wide, "min": 150, "max": 250}, random) for _ in range(2_000)]
    assert (min(cut), max(cut)) == (150, 250)
