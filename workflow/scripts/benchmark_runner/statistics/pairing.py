"""Which launches may be compared as pairs: those of one block that ran on one occasion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchmark_runner.statistics.inputs import Launch

LONGEST_IDLE_S: Final = 900.0
"""Chosen: a quarter of an hour without any launch of the block is an interruption (a person's break, a suspended
laptop); Snakemake's own work between jobs takes seconds. The configured cool-down comes on top."""


def same_machine(launches: Iterable[Launch]) -> bool:
    """Whether all launches ran on one machine: one host name (over restarts) or one boot (over containers)."""
    launches = list(launches)
    return len({launch.hostname for launch in launches}) <= 1 or len({launch.boot_id for launch in launches}) <= 1


def one_occasion(a: Launch, b: Launch, block: Sequence[Launch], longest_idle_s: float = LONGEST_IDLE_S) -> bool:
    """Whether two launches of a block ran on one occasion: same host, same boot, and no long idle time between them.

    `block` holds all launches of the block, of any engine and workload: while one of them runs, the machine is not
    idle. Times are wall-clock, since CLOCK_MONOTONIC stands still while a laptop sleeps.
    """
    if a.hostname != b.hostname or a.boot_id != b.boot_id:
        return False
    first, last = sorted((a, b), key=lambda launch: launch.started)
    between = sorted(
        (one for one in block if one.boot_id == a.boot_id and first.started <= one.started <= last.started),
        key=lambda launch: launch.started,
    )
    busy_until = first.ended
    for launch in [*between, last]:
        if (launch.started - busy_until).total_seconds() > longest_idle_s:
            return False
        busy_until = max(busy_until, launch.ended)
    return True


def paired_blocks(
    a: Iterable[Launch], b: Iterable[Launch], campaign: Iterable[Launch], longest_idle_s: float = LONGEST_IDLE_S
) -> list[int]:
    """Blocks in which a launch of each side ended ok on one occasion, in ascending order."""
    in_block: dict[int, list[Launch]] = {}
    for launch in campaign:
        in_block.setdefault(launch.block, []).append(launch)
    by_block = {launch.block: launch for launch in b if launch.ok}
    return sorted(
        one.block
        for one in a
        if one.ok
        and one.block in by_block
        and one_occasion(one, by_block[one.block], in_block.get(one.block, []), longest_idle_s)
    )
