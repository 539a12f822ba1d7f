"""What a campaign until decided will take: its looks, the launches that a difference takes, and the most of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.display import percent, plural
from benchmark_runner.launch import progress
from benchmark_runner.planning.minutes import S_PER_MIN, minutes_of_blocks, rows_that_take_time
from benchmark_runner.statistics.moderated import MOST_DF
from benchmark_runner.statistics.planned import PlannedLook, looks_of_plan
from benchmark_runner.statistics.power import paired_t_power, sd_of_log_ratios
from benchmark_runner.statistics.schemes import MODERATED_T

DIFFERENCES: Final = (1.20, 1.10, 1.05)
"""Ratios for which the plan says how many launches they take (chosen)."""


def expected_launches(
    ratio: float, spread: float, looks: Sequence[PlannedLook], tests: int, alpha: float, further_df: float = 0.0
) -> float:
    """Launches after which a pair that differs by this ratio is decided, on average over campaigns.

    spread is the standard deviation of log ratios, further_df what other pairs add to what is known of it. Each look
    counts with its own power by the t test, which is less than that of all looks up to it together, so that this errs
    to the long side.
    """
    told = [
        paired_t_power(math.log(ratio), spread, look.launches, alpha * look.share / max(tests, 1), further_df)
        for look in looks
    ]
    undecided = [1.0, *(1.0 - chance for chance in itertools.accumulate(told[:-1], max))]
    steps = [after - before for before, after in itertools.pairwise([0, *(look.launches for look in looks)])]
    return sum(step * share for step, share in zip(steps, undecided, strict=True))


def group_lines(plan: Mapping[str, Any], output_dir: Path) -> Iterator[tuple[str, str]]:
    """(label, text) for each line of the forecast that only a campaign until decided has."""
    until, power = plan["campaign"]["until"], plan["power"]
    if not until:
        return
    looks, spread = looks_of_plan(plan["campaign"]), sd_of_log_ratios(power["cv"])
    after = ", ".join(str(look.launches) for look in looks)
    yield (
        "groups",
        f"looks after {after} launches of each engine; what is decided is left out of the next group, and what "
        f"{until['at_most']} launches would decide with a chance below {percent(until['give_up_below'])} is given up",
    )
    minutes = minutes_of_blocks(rows_that_take_time(plan), until["at_most"], output_dir)

    def with_time(count: str, launches: float) -> str:
        if minutes is None:
            return count
        return f"{count} ({progress.in_words(minutes * S_PER_MIN * launches / until['at_most'])})"

    if power["tests"]:
        others = MOST_DF if power["significance_test"] == MODERATED_T and power["tests"] > 1 else 0.0
        means = {
            ratio: expected_launches(ratio, spread, looks, power["tests"], power["alpha"], others)
            for ratio in DIFFERENCES
        }
        takes = (
            f"of {percent(ratio - 1)} {with_time(f'{launches:.0f}', launches)}" for ratio, launches in means.items()
        )
        yield "expected", f"launches until a difference is decided, on average: {', '.join(takes)}"
    rows = sum(row["block"] == 1 for row in plan["order"]) * until["at_most"]
    yield "at most", with_time(plural(rows, "launch"), until["at_most"])
