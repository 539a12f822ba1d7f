"""A launch of the plan, where its files lie, and the names of all launches as one short pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

NOTHING: Final = "(?!)"
"""Matches no file."""


@dataclass(frozen=True)
class PlannedLaunch:
    """One job of the campaign."""

    position: int
    block: int
    engine: str
    workload: str
    identity: str
    output_dir: str

    @cached_property
    def key(self) -> str:
        """Name of the launch among all of an output folder."""
        return f"{self.engine}/{self.workload}.{self.identity}/{self.block}"

    @cached_property
    def folder(self) -> str:
        """Folder of the launch's files."""
        return f"{self.output_dir}/launches/{self.key}"

    @cached_property
    def record(self) -> str:
        """Path of the file that says the launch is over."""
        return f"{self.folder}/record.json"


def launch_pattern(keys: Iterable[str]) -> str:
    """Regular expression that matches these keys (<engine>/<workload>.<identity>/<block>) and no other text: cells that
    have the same blocks stand together, since Snakemake scans its text for each file of each launch."""
    blocks: dict[str, list[str]] = {}
    for key in keys:
        cell, _, block = key.rpartition("/")
        blocks.setdefault(cell, []).append(block)
    cells: dict[tuple[str, ...], list[str]] = {}
    for cell, numbers in blocks.items():
        cells.setdefault(tuple(sorted(numbers, key=int)), []).append(re.escape(cell))
    return "|".join(f"(?:{'|'.join(alike)})/(?:{'|'.join(numbers)})" for numbers, alike in cells.items()) or NOTHING
