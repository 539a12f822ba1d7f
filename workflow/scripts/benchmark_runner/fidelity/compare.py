"""Judges greedy ids against the reference's: where they part, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

TOLERANCE_BY_DTYPE: Final[Mapping[str, float]] = {
    # Engines with 32-bit weights and cache differ from each other by up to 6e-5 in a margin (torch prefill against
    # torch decode; candle, burn and llama.cpp against torch 3e-5); no parting was seen at 0.0013 or above. Chosen: 30
    # times that difference, far below what a 16-bit cache does (0.02).
    "f32": 0.002,
    # Largest change of a margin that half precision made in torch, over 512 positions of SmolLM2-135M with logits up
    # to 41: 0.098 (median 0.008).
    "f16": 0.1,
    # The same for bfloat16: 0.56 (median 0.065).
    "bf16": 0.6,
}
"""Margin (top-1 minus top-2 logit of the reference) below which rounding may turn the choice, by an engine's dtype."""

PASS: Final = "pass"
ROUNDING: Final = "rounding"
FAIL: Final = "fail"
NOT_CHECKABLE: Final = "not checkable"


@dataclass(frozen=True)
class Agreement:
    """How far an engine's ids of one prompt agree with the reference's."""

    prompt: str
    agreed: int
    """Tokens before the first that differs."""
    of: int
    """Tokens that the reference generated."""
    reference_margin: float | None
    """The reference's margin at the first token that differs; None where all agree or no margins are known."""

    @property
    def parts(self) -> bool:
        """Whether the two differ at all."""
        return self.agreed < self.of

    def as_json(self) -> dict[str, Any]:
        """The prompt's entry in fidelity/<engine>.json; first_divergence counts tokens from 0."""
        return {
            "prompt": self.prompt,
            "agreed": self.agreed,
            "of": self.of,
            "first_divergence": self.agreed if self.parts else None,
            "reference_margin": self.reference_margin,
        }


@dataclass(frozen=True)
class Judgement:
    """The result of a check in one word, and in a sentence."""

    result: str
    reason: str
    tolerance: float
    tokens_checked: int
    smallest_margin: float | None
    """Of the reference, over the tokens checked: how fine a difference the check could have found."""


def agreement(
    prompt: str, reference_ids: Sequence[int], margins: Sequence[float] | None, engine_ids: Sequence[int]
) -> Agreement:
    """Longest agreeing prefix; an engine that stopped early parts from the reference where it stopped."""
    agreed = 0
    for ours, theirs in zip(reference_ids, engine_ids, strict=False):
        if ours != theirs:
            break
        agreed += 1
    parts = agreed < len(reference_ids)
    return Agreement(prompt, agreed, len(reference_ids), margins[agreed] if parts and margins else None)


def judge(agreements: Sequence[Agreement], margins: Sequence[Sequence[float] | None], dtype: str) -> Judgement:
    """Result over all prompts; margins are the reference's, a list a prompt, None where it reports none.

    pass: all tokens agree. rounding: each parting is at a margin below the tolerance of the engine's dtype. fail: one
    is not. not checkable: a parting at an unknown margin.
    """
    tolerance = TOLERANCE_BY_DTYPE[dtype]
    # Up to and including the token at which two part; after it they answer different texts.
    checked = [min(entry.agreed + 1, entry.of) for entry in agreements]
    seen = [margin for listed, count in zip(margins, checked, strict=True) for margin in (listed or [])[:count]]
    tokens, prompts = sum(checked), len(agreements)

    def judgement(result: str, reason: str) -> Judgement:
        return Judgement(result, reason, tolerance, tokens, min(seen, default=None))

    parted = [entry for entry in agreements if entry.parts]
    if not parted:
        return judgement(PASS, f"all {tokens} tokens of {prompts} prompts agree")
    first = max(parted, key=lambda entry: entry.reference_margin or 0.0)
    where = f"{len(parted)} of {prompts} prompts part from the reference"
    place = f"token {first.agreed + 1} of {first.prompt!r:.60}"
    if any(entry.reference_margin is None for entry in parted):
        return judgement(NOT_CHECKABLE, f"{where}, and it gives no margins that would tell rounding from error")
    if first.reference_margin is not None and first.reference_margin < tolerance:
        return judgement(
            ROUNDING,
            f"{where}, each where its two best tokens lie closer than {tolerance:g}, which {dtype} may turn "
            f"(widest: {first.reference_margin:.4g}, {place})",
        )
    return judgement(
        FAIL,
        f"{where}; at {place} its best token leads by {first.reference_margin:.4g}, "
        f"more than the {tolerance:g} that rounding in {dtype} explains",
    )
