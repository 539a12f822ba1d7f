"""Does an engine keep something between requests? A prompt that it has seen must cost what a new one costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmark_runner.checked import FAIL, NOT_CHECKABLE, PASS
from benchmark_runner.display import percent

LEAST_SHARE: Final = 0.5
"""Share of a new prompt's time that a known one must take. Chosen: a cache that keeps a prompt saves nine tenths of its
prefill and more, while the shortest of three times repeats within a fifth. On a busy machine it may not, so what fails
is looked at again."""

LEAST_MS: Final = 5.0
"""Below this a prefill is too short for its time to tell anything (chosen)."""


@dataclass(frozen=True)
class Reuse:
    """Shortest time to first token of prompts never seen, and of the same prompts again; unit: ms."""

    result: str
    """pass, fail or not checkable."""
    reason: str
    fresh_ms: float | None = None
    repeated_ms: float | None = None


def judge_reuse(iterations: Sequence[Mapping[str, Any]]) -> Reuse:
    """Hold the iterations with known prompts against those with new ones, each of which comes before its own again."""
    fresh_ms, repeated_ms = (
        min(event["token_ns"][0] - event["start_ns"] for event in iterations[first::2]) / 1e6 for first in (0, 1)
    )
    found = Reuse(PASS, "", fresh_ms, repeated_ms)
    if fresh_ms < LEAST_MS:
        reason = f"a new prompt takes {fresh_ms:.2g} ms, too short for the time of a known one to tell"
        return replace(found, result=NOT_CHECKABLE, reason=reason)
    words = f"a prompt that it has seen takes {percent(repeated_ms / fresh_ms)} of the time of a new one"
    if repeated_ms < LEAST_SHARE * fresh_ms:
        return replace(found, result=FAIL, reason=f"{words}: something is kept between requests")
    return replace(found, reason=words)
