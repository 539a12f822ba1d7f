"""Which prompts go into one generate_batch."""

from __future__ import annotations

from collections.abc import Sequence


def about_as_long(first: Sequence[int], other: Sequence[int], limit: int) -> bool:
    """Whether a prompt may be read in one batch with that of the first, for answers of up to so many tokens.

    The package reads at once as many tokens as the shortest prompt has, and what others have beyond them one by one. A
    call of its own is worth it where that would take more steps than an answer.
    """
    return abs(len(first) - len(other)) <= limit
