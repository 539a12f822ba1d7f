"""The names of owed launches as one short pattern."""

from __future__ import annotations

import itertools
import re

import pytest

from benchmark_runner.campaign.planned import launch_pattern

CELLS = ["a/chat.0f", "a/long.1e", "b.x/chat.2d"]
ALL = [f"{cell}/{block}" for cell, block in itertools.product(CELLS, range(1, 13))]


@pytest.mark.parametrize(
    "owed",
    [ALL, ALL[::2], ALL[:1], [*ALL[:3], *ALL[14:20]], []],
    ids=["all", "every other", "one", "rest of two cells", "none"],
)
def test_it_matches_what_is_owed_and_nothing_else(owed):
    pattern = re.compile(launch_pattern(owed))
    others = [*ALL, "bax/chat.2d/1", "a/chat.0f/0", "a/chat.0f/1/2", "a/chat.0f", "a/chat.0f/13"]
    assert [key for key in others if pattern.fullmatch(key)] == owed


def test_a_campaign_of_which_a_block_is_half_done_has_a_pattern_as_long_as_its_cells_and_blocks():
    cells = [f"engine{number}/chat.{number:08x}" for number in range(100)]
    owed = [f"{cell}/{block}" for block in range(7, 101) for cell in (cells[40:] if block == 7 else cells)]
    assert len(launch_pattern(owed)) < 2 * sum(map(len, cells))
