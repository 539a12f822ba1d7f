"""A campaign that has begun and is given more launches: each does as many iterations as those that are there.

`iterations` is the total over the launches. With more launches each would owe fewer of them, and a launch with fewer
iterations is another measurement: raising `launches` alone would measure everything again.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def equal_share(total: int, launches: int) -> int:
    """Iterations of each launch, so that all of them have total or a few more."""
    return math.ceil(total / launches)


def iterations_per_launch(total: int, launches: int, records_with: Callable[[int], int]) -> int:
    """Iterations of each of the launches: the share of them all, or of fewer launches if most records have that.

    records_with tells how many records there are with a number of iterations a launch. The answer is never below the
    equal share, so that total is reached.
    """
    share = equal_share(total, launches)
    records = {n: records_with(n) for n in {equal_share(total, fewer) for fewer in range(1, launches + 1)}}
    return max(records, key=lambda n: (records[n], n == share, n))
