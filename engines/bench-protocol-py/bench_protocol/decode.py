"""The decode loop of an engine that hands logits to the host; the only module here that needs numpy.

It is the twin of engines/bench-protocol/src/decode.rs: greedy or seeded choice as docs/protocol.md defines it, margins,
teacher forcing and logits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from bench_protocol.failure import EngineError
from bench_protocol.splitmix import random_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bench_protocol.spec import Case, Sampling
    from bench_protocol.timings import Timings

    Logits = NDArray[np.float32]
    Forward = Callable[[Sequence[int], int], Logits]

SIGNIFICAND_BITS: Final = 53
"""Of a float: a draw of so many random bits is uniform on [0, 1)."""

SMALLEST_TEMPERATURE: Final = float(np.finfo(np.float32).tiny)
"""Keeps the best logit's own 0 / temperature at 0."""


def decode(case: Case, seed: int, timings: Timings, forward: Forward, *, margins: bool = False) -> None:
    """Generate one case.

    forward takes ids and the position of the first of them, and returns the logits [vocabulary] that follow the last;
    it sees the whole prompt first, then one id at a time: the one that was chosen, or the case's forced one. margins
    says whether options.margins asks for them. Raises EngineError where no logit is a number.
    """
    draw = random_numbers(seed)
    logits = forward(case.prompt_ids, 0)
    position = len(case.prompt_ids)
    while True:
        chosen = choose(logits, case.sampling, draw)
        wanted = timings.push(chosen, top_margin(logits) if margins else None)
        if timings.wants_logits:
            timings.push_logits(logits.astype("<f4").tobytes())
        if not wanted:
            return
        logits = forward([case.fed(timings.count - 1, chosen)], position)
        position += 1


def top_margin(logits: Logits) -> float:
    """Highest logit minus the second highest; 0 where there is only one."""
    if logits.size < 2:
        return 0.0
    second, first = np.partition(logits, -2)[-2:]
    margin = float(first) - float(second)
    return margin if math.isfinite(margin) else 0.0


def choose(logits: Logits, sampling: Sampling, draw: Callable[[], int]) -> int:
    """Id of the next token; draw gives 64 random bits. Raises EngineError where no logit is a number."""
    best = int(logits.argmax())
    if math.isnan(logits[best]):
        logits = np.where(np.isnan(logits), -np.inf, logits)
        best = int(logits.argmax())
    if not math.isfinite(logits[best]):
        raise EngineError(f"the highest of {logits.size} logits is {logits[best]}")
    if sampling.is_greedy:
        return best
    temperature = np.float32(max(sampling.temperature, SMALLEST_TEMPERATURE))
    weights = np.exp((logits - logits[best]) / temperature)
    point = (draw() >> (64 - SIGNIFICAND_BITS)) / (1 << SIGNIFICAND_BITS)
    ids = _nucleus(weights, sampling.top_p) if sampling.top_p < 1 else np.flatnonzero(weights)
    sums = np.cumsum(weights[ids], dtype=np.float64)
    # Rounding may bring point * total up to the total itself, past the last id.
    place = min(int(np.searchsorted(sums, point * sums[-1], side="right")), ids.size - 1)
    return int(ids[place])


def _nucleus(weights: NDArray[np.float32], top_p: float) -> NDArray[np.intp]:
    """Ids of the smallest set whose weights reach top_p of all, the likeliest first, the lowest id among equals."""
    total = float(weights.sum(dtype=np.float64))
    # A token below this cannot be in the set: those outside it weigh at most total * (1 - top_p), there are at most
    # n - 1 of them, and each weighs no more than any inside. Only a handful is left to sort.
    least = min(total * (1 - top_p) / max(weights.size - 1, 1), 1.0)
    candidates = np.flatnonzero(weights >= np.float32(least))
    ordered = candidates[np.argsort(-weights[candidates], kind="stable")]
    reached = np.cumsum(weights[ordered], dtype=np.float64)
    size = int(np.searchsorted(reached, top_p * total, side="left")) + 1
    return ordered[:size]
