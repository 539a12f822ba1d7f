"""Does an engine keep something between requests? A prompt that it has seen must cost what a new one costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.checked import NOT_CHECKABLE

LEAST_SHARE: Final = 0.5
"""Share of a new prompt's time that a known one must take. Chosen: a cache that keeps a prompt saves nine tenths of its
prefill and more, while the shortest of three times repeats within a fifth even on a busy machine."""

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


def judge_reuse(fresh: Sequence[Mapping[str, Any]], repeated: Sequence[Mapping[str, Any]]) -> Reuse:
    """Hold the iterations with known prompts, as many as the others, against those in which they were new."""
    fresh_ms, repeated_ms = (
        min(event["token_ns"][0] - event["start_ns"] for event in events) / 1e6 for events in (fresh, repeated)
    )
    if fresh_ms < LEAST_MS:
        reason = f"a new prompt takes {fresh_ms:.2g} ms, too short for the time of a known one to tell"
        return Reuse(NOT_CHECKABLE, reason, fresh_ms, repeated_ms)
    share = f"a prompt that it has seen takes {repeated_ms / fresh_ms:.0%} of the time of a new one"
    if repeated_ms < LEAST_SHARE * fresh_ms:
        return Reuse("fail", f"{share}: something is kept between requests", fresh_ms, repeated_ms)
    return Reuse("pass", share, fresh_ms, repeated_ms)
