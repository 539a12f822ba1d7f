"""Which launches may be compared as pairs: those of one block that ran on one occasion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from benchmark_runner.statistics.inputs import MeasuredLaunch

LONGEST_IDLE_S: Final = 900.0
"""Chosen: a quarter of an hour without any launch of the block is an interruption (a person's break, a suspended
laptop); Snakemake's own work between jobs takes seconds. The configured cool-down comes on top."""


class Occasions:
    """On which occasion each launch of a campaign ran: same host, same boot, launches of no other block in between.

    While one of their block runs, the machine is not idle; one of another block means that one of two was measured
    later, as an engine is that joins a campaign. Times are wall-clock, since CLOCK_MONOTONIC stands still while a
    laptop sleeps.
    """

    def __init__(
        self,
        campaign: Iterable[MeasuredLaunch],
        longest_idle_s: float = LONGEST_IDLE_S,
        folders: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """folders has the folder that each block of a joined campaign was measured in: calls in two folders take turns
        on one machine, so a launch of the other folder in between tells nothing of when this block was measured."""
        self._of: dict[tuple[str, str, int], tuple[str, int]] = {}
        apart: dict[tuple[int | None, str | None], list[MeasuredLaunch]] = {}
        for launch in sorted(campaign, key=lambda launch: launch.started):
            apart.setdefault((folders.get(launch.block), launch.boot_id), []).append(launch)
        occasion = 0
        for launches in apart.values():
            occasion, before, busy_until = occasion + 1, launches[0], launches[0].ended
            for launch in launches:
                if launch.block != before.block or (launch.started - busy_until).total_seconds() > longest_idle_s:
                    occasion, busy_until = occasion + 1, launch.ended
                before, busy_until = launch, max(busy_until, launch.ended)
                self._of[launch.engine, launch.workload, launch.block] = (launch.hostname, occasion)

    @property
    def split_blocks(self) -> list[int]:
        """Blocks whose launches ran on several occasions, in ascending order."""
        of: dict[int, set[tuple[str, int]]] = {}
        for (_, _, block), occasion in self._of.items():
            of.setdefault(block, set()).add(occasion)
        return sorted(block for block, found in of.items() if len(found) > 1)

    def together(self, a: MeasuredLaunch, b: MeasuredLaunch) -> bool:
        """Whether two launches of a block ran on one occasion."""
        one, other = (self._of[launch.engine, launch.workload, launch.block] for launch in (a, b))
        return one == other


def paired_blocks(a: Iterable[MeasuredLaunch], b: Iterable[MeasuredLaunch], occasions: Occasions) -> list[int]:
    """Blocks in which a launch of each side ended ok on one occasion, in ascending order."""
    by_block = {launch.block: launch for launch in b if launch.ok}
    both = (one for one in a if one.ok and one.block in by_block)
    return sorted(one.block for one in both if occasions.together(one, by_block[one.block]))
