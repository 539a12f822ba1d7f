"""Which launches may be compared as pairs: those of one block that ran on one occasion."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from benchmark_runner.statistics.inputs import MeasuredLaunch

LONGEST_IDLE_S: Final = 900.0
"""Chosen: a quarter of an hour without any launch of the block is an interruption (a person's break, a suspended
laptop); Snakemake's own work between jobs takes seconds. The configured cool-down comes on top."""


def one_occasion(
    a: MeasuredLaunch, b: MeasuredLaunch, launches: Sequence[MeasuredLaunch], longest_idle_s: float = LONGEST_IDLE_S
) -> bool:
    """Whether two launches of a block ran on one occasion: same host, same boot, nothing but their block between them.

    `launches` holds at least those of any engine, workload and block that began between the two. While one of their
    block runs, the machine is not idle; one of another block means that one of the two was measured later, as an engine
    is that joins a campaign. Times are wall-clock, since CLOCK_MONOTONIC stands still while a laptop sleeps.
    """
    if a.hostname != b.hostname or a.boot_id != b.boot_id:
        return False
    first, last = sorted((a, b), key=lambda launch: launch.started)
    between = sorted(
        (one for one in launches if one.boot_id == a.boot_id and first.started <= one.started <= last.started),
        key=lambda launch: launch.started,
    )
    if any(one.block != a.block for one in between):
        return False
    busy_until = first.ended
    for launch in [*between, last]:
        if (launch.started - busy_until).total_seconds() > longest_idle_s:
            return False
        busy_until = max(busy_until, launch.ended)
    return True


def paired_blocks(
    a: Iterable[MeasuredLaunch],
    b: Iterable[MeasuredLaunch],
    campaign: Iterable[MeasuredLaunch],
    longest_idle_s: float = LONGEST_IDLE_S,
    folders: Mapping[int, int] = MappingProxyType({}),
) -> list[int]:
    """Blocks in which a launch of each side ended ok on one occasion, in ascending order.

    `folders` has the folder that each block of a joined campaign was measured in: calls in two folders take turns on
    one machine, so a launch of the other folder in between tells nothing of when this block was measured.
    """
    by_folder: dict[int | None, list[MeasuredLaunch]] = {}
    for launch in sorted(campaign, key=lambda launch: launch.started):
        by_folder.setdefault(folders.get(launch.block), []).append(launch)
    starts = {folder: [launch.started for launch in ordered] for folder, ordered in by_folder.items()}
    by_block = {launch.block: launch for launch in b if launch.ok}

    def together(one: MeasuredLaunch, other: MeasuredLaunch) -> bool:
        folder = folders.get(one.block)
        begin, end = sorted((one.started, other.started))
        between = by_folder[folder][bisect_left(starts[folder], begin) : bisect_right(starts[folder], end)]
        return one_occasion(one, other, between, longest_idle_s)

    return sorted(one.block for one in a if one.ok and one.block in by_block and together(one, by_block[one.block]))
