"""How much an engine computed in an iteration: only times of equal work are compared.

An engine that stops at an end-of-text token answers with fewer tokens, and one that puts a template of its own around a
text reads more of them. Any difference is a qualifier; beyond the margin of equivalence a metric that is the time of
that part of the work has no verdict, and metrics per token keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN

Part = Literal["prompt", "answer"]


class Work(NamedTuple):
    """Tokens of an iteration, on average over the measured iterations of a cell."""

    prompt: float
    answer: float


WorkDone = Mapping[tuple[str, str, str], Work]
"""By engine, workload and case."""

PARTS: Final[tuple[Part, ...]] = ("prompt", "answer")


def unequal(a: Work, b: Work, *, beyond: float = 0.0) -> list[Part]:
    """Parts of the work in which two engines differ by more than this share."""
    return [part for part in PARTS if not _alike(getattr(a, part), getattr(b, part), beyond)]


def apart(a: Work, b: Work) -> list[Part]:
    """Parts in which they differ by more than the margin of equivalence, so that their times say nothing."""
    return unequal(a, b, beyond=EQUIVALENCE_MARGIN)


def _alike(a: float, b: float, share: float) -> bool:
    return max(a, b) <= (1.0 + share) * min(a, b)


def tokens_text(count: float) -> str:
    """A mean count of tokens with at most two decimals."""
    return f"{round(count, 2):g}"


def work_words(names: Sequence[str], done: Sequence[Work], parts: Sequence[Part]) -> str:
    """ "candle computed 24 answer tokens an iteration and torch 48"."""
    told = []
    for part in parts:
        own, other = (tokens_text(getattr(one, part)) for one in done)
        told.append(f"{own} {part} tokens an iteration and {names[1]} {other}")
    return f"{names[0]} computed {', '.join(told)}"


def odd_ones(done: Mapping[str, Work], baseline: str) -> dict[str, str]:
    """Engines of a cell whose work is not that of most (of the baseline, where it has as many like it), with how."""

    def like(name: str) -> list[str]:
        return [other for other, work in done.items() if not apart(done[name], work)]

    if not done:
        return {}
    usual = max(done, key=lambda name: (len(like(name)), name == baseline))
    same = like(usual)
    return {
        name: work_words((name, usual), (work, done[usual]), apart(work, done[usual])).removeprefix(f"{name} ")
        for name, work in done.items()
        if name not in same
    }
