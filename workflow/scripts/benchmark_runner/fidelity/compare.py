"""Judges an engine's ids and logits against the reference's: where they part, and whether rounding explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.fidelity.distance import Distance
from benchmark_runner.fidelity.tolerances import TOLERANCES, Tolerance

PASS: Final = "pass"
ROUNDING: Final = "rounding"
FAIL: Final = "fail"
TEXT_ONLY: Final = "text only"
NOT_CHECKABLE: Final = "not checkable"


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
        widest = widest_parting(self.partings)
        return {
            "prompt": self.prompt,
            "prompt_tokens": self.prompt_tokens,
            "agreed": self.agreed,
            "of": self.of,
            "first_divergence": first.step if first else None,
            "reference_margin": first.margin if first else None,
            "forced_divergences": None if self.forced is None else len(self.forced),
            "widest_margin": widest.margin if widest else None,
            "logits": None if self.distance is None else dict(vars(self.distance)),
        }


@dataclass(frozen=True)
class Judgement:
    """The result of a check in one word, and in a sentence."""

    result: str
    reason: str


def widest_parting(partings: Sequence[Parting]) -> Parting | None:
    """The parting that rounding explains least; None where there is none."""
    return max(partings, key=lambda parting: parting.margin or 0.0, default=None)


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


def judge_ids(agreements: Sequence[Agreement], dtype: str) -> Judgement:
    """pass: all tokens agree. rounding: each parting is at a margin below the tolerance of the engine's dtype.

    fail: one is not. not checkable: a parting at an unknown margin.
    """
    tolerance = TOLERANCES[dtype].margin
    tokens, prompts = sum(entry.checked for entry in agreements), len(agreements)
    parted = [entry for entry in agreements if entry.partings]
    if not parted:
        return Judgement(PASS, f"all {tokens} tokens of {prompts} prompts agree")
    where = f"{len(parted)} of {prompts} prompts part from the reference"
    if any(parting.margin is None for entry in parted for parting in entry.partings):
        return Judgement(NOT_CHECKABLE, f"{where}, and it gives no margins that would tell rounding from error")
    worst = max(parted, key=_widest_margin)
    margin, parting = _widest_margin(worst), widest_parting(worst.partings)
    place = f"token {parting.step + 1 if parting else 0} of {worst.prompt!r:.60}"
    if margin < tolerance:
        return Judgement(
            ROUNDING,
            f"{where}, each where its two best tokens lie closer than {tolerance:g}, which {dtype} may turn "
            f"(widest: {margin:.4g}, {place})",
        )
    return Judgement(
        FAIL,
        f"{where}; at {place} its best token leads by {margin:.4g}, "
        f"more than the {tolerance:g} that rounding in {dtype} explains",
    )


def _widest_margin(entry: Agreement) -> float:
    widest = widest_parting(entry.partings)
    return 0.0 if widest is None or widest.margin is None else widest.margin


def judge_logits(agreements: Sequence[Agreement], dtype: str) -> Judgement | None:
    """fail where a prompt's logits lie further from the reference's than rounding takes them; None without logits."""
    compared = [(entry, entry.distance) for entry in agreements if entry.distance is not None]
    if not compared:
        return None
    tolerance: Tolerance = TOLERANCES[dtype]
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
    return Judgement(PASS, f"logits lie at most {mean:.2g} on average from the reference's")
