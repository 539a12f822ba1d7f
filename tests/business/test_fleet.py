"""The fleet model: cases by hand, and against the enumeration of every fleet."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from benchmark_runner.business.fleet import Option, cheapest_fleet, fewest_of_a_price, next_best_fleet

SLOW, FAST = Option("chat", "slow", "m", 1.0, 1.0), Option("chat", "fast", "n", 3.0, 2.5)


def counts(fleet):
    return {(option.pool, option.engine, option.price_id): count for option, count in fleet.machines}


def test_one_machine_serves_what_it_can():
    fleet = cheapest_fleet([SLOW], {"chat": 1.0})
    assert (counts(fleet), fleet.usd_per_hour) == ({("chat", "slow", "m"): 1}, 1.0)


def test_a_little_more_takes_a_whole_further_machine():
    assert counts(cheapest_fleet([SLOW], {"chat": 1.01})) == {("chat", "slow", "m"): 2}


def test_small_machines_fill_up_what_large_ones_leave():
    # 4 requests/s: one fast and one slow at 3.5 USD, against 4 slow at 4 and 2 fast at 5
    fleet = cheapest_fleet([SLOW, FAST], {"chat": 4.0})
    assert counts(fleet) == {("chat", "slow", "m"): 1, ("chat", "fast", "n"): 1}
    other = next_best_fleet([SLOW, FAST], {"chat": 4.0}, fleet)
    assert (counts(other), other.usd_per_hour) == ({("chat", "slow", "m"): 4}, 4.0)


def test_pools_do_not_lend_each_other_machines():
    options = [SLOW, Option("mail", "slow", "m", 2.0, 1.0)]
    assert cheapest_fleet(options, {"chat": 0.5, "mail": 0.5}).usd_per_hour == 2.0


def test_a_limit_on_a_price_counts_all_pools():
    options = [SLOW, Option("mail", "slow", "m", 1.0, 1.0), Option("mail", "fast", "n", 1.0, 9.0)]
    needs = {"chat": 1.0, "mail": 1.0}
    assert cheapest_fleet(options, needs).usd_per_hour == 2.0
    assert cheapest_fleet(options, needs, most=1).usd_per_hour == 10.0
    assert cheapest_fleet([SLOW], {"chat": 2.5}, most=2) is None
    assert fewest_of_a_price([SLOW], {"chat": 2.5}) == 3


def test_a_pool_that_nothing_serves_has_no_fleet():
    assert cheapest_fleet([SLOW], {"chat": 1.0, "mail": 1.0}) is None
    assert fewest_of_a_price([SLOW], {"mail": 1.0}) is None


def enumerated(options, needs, most, without=None):
    """The lowest cost of all fleets, by trying each."""
    usable = [option for option in options if option != without]
    ranges = []
    for option in usable:
        alone = math.ceil(needs[option.pool] / option.requests_per_s)
        ranges.append(range(min(alone, most or alone) + 1))
    lowest = math.inf
    for numbers in itertools.product(*ranges):
        cost = sum(option.usd_per_hour * n for option, n in zip(usable, numbers, strict=True))
        if cost >= lowest:
            continue
        served = dict.fromkeys(needs, 0.0)
        of_price = {}
        for option, n in zip(usable, numbers, strict=True):
            served[option.pool] += option.requests_per_s * n
            of_price[option.price_id] = of_price.get(option.price_id, 0) + n
        if all(served[pool] >= needs[pool] for pool in needs) and max(of_price.values(), default=0) <= (most or 99):
            lowest = cost
    return lowest


def random_instance(rng):
    pools = ["chat", "mail"][: rng.randint(1, 2)]
    needs = {pool: rng.randint(5, 40) / 4 for pool in pools}
    prices = {f"price_{n}": rng.randint(10, 90) / 8 for n in range(2)}
    pairs = [(pool, engine, price) for pool in pools for engine in "ab" for price in prices]
    chosen = rng.sample(pairs, min(len(pairs), rng.randint(2, 4)))
    options = [Option(*pair, rng.randint(8, 48) / 8 + 1 / 64, prices[pair[2]]) for pair in chosen]
    return options, needs, rng.choice([None, 2, 4])


def test_no_fleet_of_300_instances_is_cheaper_than_the_one_that_is_found():
    rng, solved, infeasible = random.Random(17), 0, 0
    for _ in range(300):
        options, needs, most = random_instance(rng)
        best = cheapest_fleet(options, needs, most)
        lowest = enumerated(options, needs, most)
        assert (best is None) == math.isinf(lowest)
        if best is None:
            infeasible += 1
            continue
        solved += 1
        assert best.usd_per_hour == pytest.approx(lowest)
        if solved % 5 == 0:
            other = next_best_fleet(options, needs, best, most)
            without = min(enumerated(options, needs, most, option) for option in best.options)
            assert (math.inf if other is None else other.usd_per_hour) == pytest.approx(without)
    assert solved > 100 and infeasible > 20
