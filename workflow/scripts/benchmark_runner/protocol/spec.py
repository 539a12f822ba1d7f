"""The spec that an adapter is given (workflow/schemas/spec.schema.yaml): built here for all who run one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PROTOCOL: Final = 1
"""The version that runner and adapters speak, one request at a time (docs/protocol.md)."""

LOAD_PROTOCOL: Final = 2
"""The version for several requests in flight: stages of requests in place of rounds of iterations."""


def needed_seq_len(cases: Sequence[Mapping[str, Any]]) -> int:
    """The shortest sequence that holds each case's prompt and answer; unit: tokens."""
    longest: int = max(len(case["prompt_ids"]) + case["max_new_tokens"] for case in cases)
    return longest


def of_request(case: Mapping[str, Any], place: int) -> Mapping[str, Any]:
    """A case under load as a request with its prompt `place` asks for it: with the tokens that are its own to make."""
    each = case.get("max_new_tokens_each")
    return case if each is None else {**case, "max_new_tokens": each[place]}


def prompt_of(request: Mapping[str, Any]) -> int:
    """Which of its level's prompts a request sent: that of its number, or in conversations the one that it tells."""
    place: int = request.get("prompt", request["number"])
    return place


def make_spec(
    cases: Sequence[Mapping[str, Any]],
    *,
    model_dir: Path,
    weights: str,
    dtype: str,
    device: str,
    threads: int,
    max_seq_len: int,
    options: Mapping[str, Any],
    warmup_iterations: int = 0,
    iterations: int = 1,
) -> dict[str, Any]:
    """Spec of one run of an adapter, one request in flight; the keys `launch` and `logits_path` are the caller's."""
    return {
        "protocol": PROTOCOL,
        "model_dir": str(model_dir),
        "weights": weights,
        "dtype": dtype,
        "device": device,
        "threads": threads,
        "max_seq_len": max_seq_len,
        "cases": list(cases),
        "warmup_iterations": warmup_iterations,
        "iterations": iterations,
        "load": {"mode": "closed", "concurrency": 1},
        "options": dict(options),
    }


def under_load(spec: Mapping[str, Any], stages: Sequence[int]) -> dict[str, Any]:
    """The spec for cases that have `load` and `prompts`, which run one after another in the order of stages."""
    kept = {key: value for key, value in spec.items() if key not in ("warmup_iterations", "iterations", "load")}
    return {**kept, "protocol": LOAD_PROTOCOL, "stages": list(stages)}
