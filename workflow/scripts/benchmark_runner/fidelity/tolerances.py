"""How far rounding may take an engine from the reference, by the type in which it computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Tolerance(NamedTuple):
    """Bounds for one dtype; unit of all: logits."""

    margin: float
    """Margin (top-1 minus top-2 logit of the reference) below which rounding may turn the choice."""
    logits_mean: float
    """Mean absolute difference of a prompt's logits that rounding may make."""
    logits_max: float
    """Largest absolute difference of one logit that rounding may make."""


TOLERANCES: Final[Mapping[str, Tolerance]] = {
    # margin: engines with 32-bit weights and cache differ from each other by up to 6e-5 in a margin (torch prefill
    # against torch decode; candle, burn and llama.cpp against torch 3e-5); no parting was seen at 0.0013 or above.
    # Chosen: 30 times that difference, far below what a 16-bit cache does (0.02).
    # logits: candle against torch on SmolLM2-135M, 832 tokens after prompts of 3 to 1,497: mean of a prompt up to
    # 1.6e-5, largest 1.1e-4. Chosen: 30 times the mean, 36 times the largest.
    "f32": Tolerance(margin=0.002, logits_mean=0.0005, logits_max=0.004),
    # margin: the largest change that half precision made in torch, over 512 positions of SmolLM2-135M with logits up to
    # 41, is 0.098 (median 0.008). logits: candle in f16 against torch in f32, 156 tokens: mean of a prompt up to 0.019,
    # largest 0.13. Chosen: three and four times that, since deeper models round more often; bfloat16 lies beyond.
    "f16": Tolerance(margin=0.1, logits_mean=0.06, logits_max=0.5),
    # margin: the same for bfloat16 is 0.56 (median 0.065). logits: torch in bf16 against f32, the same tokens: mean of
    # a prompt up to 0.17, largest 1.5. Chosen: three times that.
    "bf16": Tolerance(margin=0.6, logits_mean=0.5, logits_max=4.5),
}
