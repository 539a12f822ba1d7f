"""Judges an engine's ids and logits against the reference's: where they part, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.checked import FAIL, NOT_CHECKABLE, PASS, ROUNDING
from benchmark_runner.protocol.logits import Logits


class Tolerance(NamedTuple):
    """How far rounding may take an engine that computes in one dtype from the reference; unit of all: logits."""

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


@dataclass(frozen=True)
class Distance:
    """Of two sets of logits [tokens, vocabulary]; differences in logits, divergences in nats."""

    max_abs: float
    mean_abs: float
    kl_mean: float
    kl_max: float


@dataclass(frozen=True)
class Parting:
    """A step at which the engine chose another token than the reference after the same text."""

    step: int
    """Place among the new tokens, from 0."""
    margin: float | None
    """The reference's margin there; None where it reports none."""


@dataclass(frozen=True)
class Agreement:
    """How far an engine agrees with the reference on one prompt."""

    prompt: str
    prompt_tokens: int
    agreed: int
    """Tokens of the free run before the first that differs."""
    of: int
    """Tokens that the reference generated."""
    free: Parting | None
    """Where the free run parts from the reference, after which the two continue different texts."""
    forced: tuple[Parting, ...] | None
    """All steps that differ where the reference's ids are fed; None without teacher forcing."""
    distance: Distance | None = None
    """Of the logits over the steps with the same text before them; None where they were not compared."""

    @property
    def partings(self) -> tuple[Parting, ...]:
        """All that is known, the free run's first."""
        return (*([self.free] if self.free else []), *(self.forced or ()))

    @property
    def checked(self) -> int:
        """Tokens whose choice was compared: all under teacher forcing, else up to the one at which the two part."""
        return self.of if self.forced is not None else min(self.agreed + 1, self.of)

    def as_json(self) -> dict[str, Any]:
        """The prompt's entry in fidelity/<engine>.json."""
        first = self.free or next(iter(self.forced or ()), None)
        widest = max(self.partings, key=lambda parting: parting.margin or 0.0, default=None)
        return {
            "prompt": self.prompt,
            "prompt_tokens": self.prompt_tokens,
            "agreed": self.agreed,
            "of": self.of,
            "first_divergence": first.step if first else None,
            "reference_margin": first.margin if first else None,
            "forced_divergences": None if self.forced is None else len(self.forced),
            "widest_margin": widest.margin if widest else None,
            "logits": None if self.distance is None else asdict(self.distance),
        }


@dataclass(frozen=True)
class Judgement:
    """The result of a check in one word, and in a sentence."""

    result: str
    reason: str


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted: NDArray[np.float64] = logits - logits.max(axis=1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


def kl_divergence(reference: Logits, engine: Logits) -> NDArray[np.float64]:
    """KL divergence of the engine's softmax from the reference's for each token, unit: nats."""
    ours, theirs = (_log_softmax(logits.astype(np.float64)) for logits in (reference, engine))
    divergence: NDArray[np.float64] = (np.exp(ours) * (ours - theirs)).sum(axis=1)
    # Rounding takes that of equal distributions below 0.
    return np.maximum(divergence, 0.0)


def distance(reference: Logits, engine: Logits) -> Distance:
    """Distance over all tokens of a prompt; raises ValueError where the shapes differ."""
    if reference.shape != engine.shape:
        raise ValueError(f"{engine.shape} logits of the engine against {reference.shape} of the reference")
    apart = np.abs(reference.astype(np.float64) - engine)
    divergence = kl_divergence(reference, engine)
    return Distance(float(apart.max()), float(apart.mean()), float(divergence.mean()), float(divergence.max()))


def _parting(step: int, margins: Sequence[float] | None) -> Parting:
    return Parting(step, margins[step] if margins else None)


def free_parting(
    reference_ids: Sequence[int], margins: Sequence[float] | None, engine_ids: Sequence[int]
) -> Parting | None:
    """First step at which a free run differs; an engine that stopped early parts where it stopped."""
    for step, wanted in enumerate(reference_ids):
        if step >= len(engine_ids) or engine_ids[step] != wanted:
            return _parting(step, margins)
    return None


def forced_partings(
    reference_ids: Sequence[int], margins: Sequence[float] | None, engine_ids: Sequence[int]
) -> tuple[Parting, ...]:
    """All steps at which a run that was fed the reference's ids chose another."""
    pairs = enumerate(zip(reference_ids, engine_ids, strict=True))
    return tuple(_parting(step, margins) for step, (ours, theirs) in pairs if ours != theirs)


def judge_ids(agreements: Sequence[Agreement], dtype: str, whom: str = "the reference") -> Judgement:
    """pass: all tokens agree. rounding: each parting is at a margin below the tolerance of the engine's dtype.

    fail: one is not. not checkable: a parting at an unknown margin. whom: what the ids are held against, in words.
    """
    tolerance = TOLERANCES[dtype].margin
    tokens, prompts = sum(entry.checked for entry in agreements), len(agreements)
    parted = [entry for entry in agreements if entry.partings]
    if not parted:
        return Judgement(PASS, f"all {tokens} tokens of {prompts} prompts agree")
    where = f"{len(parted)} of {prompts} prompts part from {whom}"
    found = [(parting.margin, parting.step, entry.prompt) for entry in parted for parting in entry.partings]
    known = [(margin, step, prompt) for margin, step, prompt in found if margin is not None]
    if len(known) < len(found):
        return Judgement(NOT_CHECKABLE, f"{where}, and no margins are known that would tell rounding from error")
    margin, step, prompt = max(known, key=lambda one: one[0])
    place = f"token {step + 1} of {prompt!r:.60}"
    if margin < tolerance:
        return Judgement(
            ROUNDING,
            f"{where}, each where the reference's two best tokens lie closer than {tolerance:g}, which {dtype} "
            f"may turn (widest: {margin:.4g}, {place})",
        )
    return Judgement(
        FAIL,
        f"{where}; at {place} the reference's best token leads by {margin:.4g}, "
        f"more than the {tolerance:g} that rounding in {dtype} explains",
    )


def judge_logits(agreements: Sequence[Agreement], dtype: str) -> Judgement | None:
    """fail where a prompt's logits lie further from the reference's than rounding takes them; None without logits."""
    compared = [(entry, entry.distance) for entry in agreements if entry.distance is not None]
    if not compared:
        return None
    tolerance = TOLERANCES[dtype]
    for entry, found in compared:
        for what, value, limit in (
            ("on average", found.mean_abs, tolerance.logits_mean),
            ("at most", found.max_abs, tolerance.logits_max),
        ):
            if value > limit:
                return Judgement(
                    FAIL,
                    f"logits after {entry.prompt!r:.60} lie {value:.4g} {what} from the reference's, "
                    f"more than the {limit:g} that rounding in {dtype} explains",
                )
    mean = max(found.mean_abs for _, found in compared)
    return Judgement(PASS, f"logits of no prompt lie more than {mean:.2g} on average from the reference's")
