"""The order of launches: randomised complete blocks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Cell = TypeVar("Cell")


def randomised_blocks(blocks: Sequence[Sequence[Cell]], seed: int) -> list[tuple[int, Cell]]:
    """The cells of each block, shuffled by the block's own generator; (block from 1, cell) in launch order.

    A block's shuffle depends on seed, block and cells alone: more blocks later leave the first ones as they were.
    Randomised complete blocks keep drift of the machine out of the comparison: Montgomery, Design and Analysis of
    Experiments, chapter 4.
    """
    order: list[tuple[int, Cell]] = []
    for block, cells in enumerate(blocks, start=1):
        shuffled = random.Random(f"{seed}:{block}").sample(list(cells), k=len(cells))
        order.extend((block, cell) for cell in shuffled)
    return order
