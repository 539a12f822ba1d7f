"""How often the launches of two sides were compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark_runner.comparison.decision import Candidate
from benchmark_runner.comparison.terms import Terms
from benchmark_runner.jsonio import write_json
from benchmark_runner.statistics.inputs import MeasuredLaunch
from benchmark_runner.statistics.looks import look_at, read_history
from benchmark_runner.statistics.power import fewest_launches, share_of_alpha
from benchmark_runner.statistics.verdicts import family_tests


def count_look(
    made: Sequence[Candidate], launches: Sequence[MeasuredLaunch], terms: Terms, file: Path
) -> list[Candidate]:
    """The candidates with the number of this look at their launches; the file remembers the looks before it."""
    gating = [one for one in made if one.metric.name in terms.metrics]
    tests = max(family_tests([one.pair() for one in gating]), 1)
    alpha = (1.0 - terms.level) * share_of_alpha(1)
    fewest = max((fewest_launches(tests, alpha, one.scheme.second) for one in gating[:1]), default=1)
    history = read_history(file)
    looks, remembered = look_at(launches, fewest, history)
    if remembered != history:
        write_json(file, remembered)
    pairs = [one.pair() for one in made]
    return [
        replace(one, look=looks.at(pair.engine, pair.reference, one.workload or ""))
        for one, pair in zip(made, pairs, strict=True)
    ]
