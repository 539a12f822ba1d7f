"""Which prompts go into one generate_batch."""

from __future__ import annotations

from collections.abc import Sequence


def about_as_long(first: Sequence[int], other: Sequence[int], limit: int) -> bool:
    """Whether a prompt may be read in one batch with that of the first, for answers of up to so many tokens.

    CTranslate2 reads as many tokens as a batch's shortest prompt has in one step, and each token beyond in one of its
    own. A batch of its own is worth it where those steps are more than those of an answer.
    """
    return abs(len(first) - len(other)) <= limit
