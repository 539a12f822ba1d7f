"""Where the axes of plots and page end, and where the names beside their lines stand."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final

# Beyond this ratio of the largest to the smallest value a linear axis hides the small ones.
LOG_FROM_RATIO: Final = 6.0
HEADROOM: Final = 1.12
LIMIT_IN_SIGHT: Final = 2.0  # times the highest value; a limit beyond it would flatten the lines


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places as near as possible to the wanted ones (ascending) that lie at least gap apart.

    Least squares by pooling adjacent violators: neighbours that are too close form a group around their common centre.
    """
    groups: list[list[float]] = []
    for index, place in enumerate(wanted):
        groups.append([place - index * gap])
        while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    level = [fmean(group) for group in groups for _ in group]
    return [place + index * gap for index, place in enumerate(level)]
