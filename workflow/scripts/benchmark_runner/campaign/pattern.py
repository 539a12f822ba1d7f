"""The names of launches as one short pattern: Snakemake scans its text for each file of each launch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

NOTHING: Final = "(?!)"
"""Matches no file."""


def launch_pattern(keys: Iterable[str]) -> str:
    """Regular expression that matches these keys (<engine>/<workload>.<identity>/<block>) and no other text: cells that
    have the same blocks stand together."""
    blocks: dict[str, list[str]] = {}
    for key in keys:
        cell, _, block = key.rpartition("/")
        blocks.setdefault(cell, []).append(block)
    cells: dict[tuple[str, ...], list[str]] = {}
    for cell, numbers in blocks.items():
        cells.setdefault(tuple(sorted(numbers, key=int)), []).append(re.escape(cell))
    return "|".join(f"(?:{'|'.join(alike)})/(?:{'|'.join(numbers)})" for numbers, alike in cells.items()) or NOTHING
