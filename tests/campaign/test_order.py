"""The order of launches."""

from benchmark_runner.campaign.order import randomised_blocks

CELLS = [("a", "w"), ("b", "w"), ("c", "w"), ("a", "v"), ("b", "v"), ("c", "v")]


def test_every_block_holds_every_cell_once():
    order = randomised_blocks([CELLS] * 5, seed=1)
    for block in range(1, 6):
        assert sorted(cell for number, cell in order if number == block) == sorted(CELLS)
    assert [block for block, _ in order] == sorted(block for block, _ in order)


def test_blocks_are_shuffled_and_the_seed_decides():
    first, again, other = (randomised_blocks([CELLS] * 5, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first[:6] != [(1, cell) for _, cell in first[6:12]]


def test_more_blocks_leave_the_first_ones_as_they_were():
    assert randomised_blocks([CELLS] * 10, seed=1)[:30] == randomised_blocks([CELLS] * 5, seed=1)


def test_a_later_block_may_hold_fewer_cells():
    order = randomised_blocks([CELLS, CELLS, CELLS[:2]], seed=1)
    assert order[:12] == randomised_blocks([CELLS] * 2, seed=1)
    assert sorted(cell for block, cell in order if block == 3) == sorted(CELLS[:2])
