"""Is the configuration in order that the machine is examined for?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_runner.display import plural
from benchmark_runner.doctor.finding import Finding, Lack


def configuration(problems: Sequence[str]) -> Finding:
    """Whether a campaign could begin, as far as the configuration goes; each problem is a line with its remedy."""
    if not problems:
        return Finding("configuration", "configuration", "in order")
    return Finding(
        "configuration",
        "configuration",
        f"{plural(len(problems), 'problem')}; the machine is examined for the quick look instead where they matter",
        lacks=[Lack(problem, "no campaign begins", "mend it; `make check` tells what is left") for problem in problems],
    )
