"""What an adapter is asked in a check: cases of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

GREEDY: Final[Mapping[str, Any]] = {"temperature": 0, "top_p": 1, "seed": 0}


def case(
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    eos_ids: Sequence[int],
    *,
    sampling: Mapping[str, Any] = GREEDY,
    forced_ids: Sequence[int] | None = None,
) -> dict[str, Any]:
    """One case that goes past the end of sequence."""
    asked = {
        "prompt_ids": list(prompt_ids),
        "max_new_tokens": max_new_tokens,
        "ignore_eos": True,
        "eos_ids": list(eos_ids),
        "sampling": dict(sampling),
    }
    return asked if forced_ids is None else {**asked, "forced_ids": list(forced_ids)}


def free_cases(prompts: Mapping[str, Any], max_new_tokens: int) -> list[dict[str, Any]]:
    """Each fidelity prompt, greedily."""
    return [case(entry["prompt_ids"], max_new_tokens, prompts["eos_ids"]) for entry in prompts["fidelity"]]


def reuse_cases(prompts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Prompts that no engine has seen, one token each, and then the same again."""
    return [case(ids, 1, prompts["eos_ids"]) for ids in [*prompts["unseen"], *prompts["unseen"]]]


def forced_cases(reference: Mapping[str, Any], eos_ids: Sequence[int], *, forcing: bool) -> list[dict[str, Any]]:
    """Each fidelity prompt, fed the reference's ids where the engine can be."""
    return [
        case(entry["prompt_ids"], len(ids), eos_ids, forced_ids=ids if forcing else None)
        for entry in reference["prompts"]
        for ids in [entry["token_ids"]]
    ]
