"""The order of launches: each engine follows each about equally often, and everything stays random."""

from collections import Counter
from itertools import pairwise

import pytest

from benchmark_runner.campaign.order import balanced_blocks

Launch = tuple[int, int, int]

SIZES = [(2, 1), (2, 3), (3, 1), (3, 2), (4, 5), (6, 2), (7, 2), (12, 1), (12, 5)]
"""Engines and workloads."""

MOST_ASTRAY = 2.5
"""Launches by which a count may miss its even share; of 30 shuffled blocks of five engines most miss it by 6."""


def cells_of(engines: int, workloads: int) -> list[tuple[str, str]]:
    return [(str(engine), str(workload)) for engine in range(engines) for workload in range(workloads)]


def order(engines: int, workloads: int, blocks: int, seed: int = 1) -> list[Launch]:
    """(block, workload, engine) of each launch."""
    cells = cells_of(engines, workloads)
    found = balanced_blocks([cells] * blocks, seed)
    return [(block, int(workload), int(engine)) for block, (engine, workload) in found]


def neighbours(launches: list[Launch], workloads: int) -> list[Counter[tuple[int, int]]]:
    """Of each workload: how often each engine came directly behind each."""
    pairs = [(workload, before, engine) for (_, _, before), (_, workload, engine) in pairwise(launches)]
    return [Counter((a, b) for w, a, b in pairs if w == workload) for workload in range(workloads)]


def places(launches: list[Launch], engines: int, workloads: int) -> list[Counter[tuple[int, int]]]:
    """Of each workload: how often each engine had each place of the row."""
    found = [(workload, engine, index % engines) for index, (_, workload, engine) in enumerate(launches)]
    return [Counter((e, p) for w, e, p in found if w == workload) for workload in range(workloads)]


def astray(counts: Counter[tuple[int, int]], engines: int, share: float) -> float:
    return max(abs(counts[one, other] - share) for one in range(engines) for other in range(engines))


def test_every_block_holds_every_engine_in_every_workload_once():
    launches = order(3, 2, 5)
    for block in range(1, 6):
        cells = sorted((workload, engine) for number, workload, engine in launches if number == block)
        assert cells == [(w, e) for w in range(2) for e in range(3)]
    assert [block for block, _, _ in launches] == sorted(block for block, _, _ in launches)


def test_engines_of_one_workload_run_in_a_row():
    launches = order(4, 3, 6)
    rows = [launches[start : start + 4] for start in range(0, len(launches), 4)]
    assert all(len({(block, workload) for block, workload, _ in row}) == 1 for row in rows)
    turns = [tuple(row[0][1] for row in rows[start : start + 3]) for start in range(0, len(rows), 3)]
    assert all(sorted(turn) == [0, 1, 2] for turn in turns) and len(set(turns)) > 1


def test_a_seed_gives_one_order_for_good_so_that_a_campaign_goes_on_as_it_began():
    rows = ["0123", "3102", "2013", "3210", "0321", "1302", "2031", "1230"]
    turns = [0, 1, 1, 0, 1, 0, 0, 1]
    planned = [(block // 2 + 1, turn, int(engine)) for block, turn in enumerate(turns) for engine in rows[block]]
    assert order(4, 2, 4, seed=11) == planned


@pytest.mark.parametrize(("engines", "workloads"), SIZES)
@pytest.mark.parametrize("blocks", [3, 8, 30])
def test_within_a_workload_each_engine_follows_each_and_itself_about_equally_often(engines, workloads, blocks):
    for seed in range(3):
        found = neighbours(order(engines, workloads, blocks, seed), workloads)
        assert all(astray(counts, engines, blocks / engines) <= MOST_ASTRAY for counts in found)


@pytest.mark.parametrize(("engines", "workloads"), SIZES)
@pytest.mark.parametrize("blocks", [3, 8, 30])
def test_each_engine_has_each_place_of_the_row_about_equally_often(engines, workloads, blocks):
    for seed in range(3):
        found = places(order(engines, workloads, blocks, seed), engines, workloads)
        assert all(astray(counts, engines, blocks / engines) <= MOST_ASTRAY + 1 for counts in found)


def test_a_row_begins_with_the_engine_that_ended_the_row_before():
    launches = order(5, 2, 20)
    itself = sum(a == b for (_, _, a), (_, _, b) in pairwise(launches))
    assert itself == 39


def test_rows_are_random_and_the_seed_decides():
    first, again, other = (order(6, 2, 10, seed) for seed in (1, 1, 2))
    assert first == again != other
    rows = [tuple(engine for _, _, engine in first[start : start + 6]) for start in range(0, len(first), 6)]
    assert len(set(rows)) > 16
    assert len({tuple((b - a) % 6 for a, b in pairwise(row)) for row in rows}) > len(rows) / 2


@pytest.mark.parametrize(("engines", "workloads"), SIZES)
def test_more_blocks_leave_the_first_ones_as_they_were(engines, workloads):
    few = order(engines, workloads, 5)
    assert order(engines, workloads, 11)[: len(few)] == few


@pytest.mark.parametrize("workloads", [1, 3])
def test_a_single_engine_runs_once_a_workload_and_block(workloads):
    assert Counter(order(1, workloads, 4)) == Counter((b, w, 0) for b in range(1, 5) for w in range(workloads))


def test_a_later_block_may_hold_fewer_cells():
    cells = cells_of(4, 2)
    fewer = [cell for cell in cells if cell[0] in "13"] + [("2", "1")]
    found = balanced_blocks([cells, cells, fewer, fewer], seed=1)
    assert found[:16] == balanced_blocks([cells] * 2, seed=1)
    for block in (3, 4):
        assert sorted(cell for number, cell in found if number == block) == sorted(fewer)


def test_a_workload_that_is_no_longer_there_has_no_turn():
    cells = cells_of(3, 3)
    found = balanced_blocks([cells, [cell for cell in cells if cell[1] == "2"]], seed=1)
    assert [workload for block, (_, workload) in found if block == 2] == ["2", "2", "2"]
