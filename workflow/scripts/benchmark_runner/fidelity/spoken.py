"""Engines that take a line of text: they refuse prompts that are none, so each prompt is a run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark_runner.fidelity.probe import Answer
from benchmark_runner.status import Status


def takes_ids(answer: Answer) -> bool:
    """Whether the engine computes on the ids of a prompt as they are given (capability prompt_ids)."""
    return bool(answer.capabilities.get("prompt_ids", True))


def joined(prompts: Mapping[str, Any], answers: Sequence[Answer]) -> tuple[dict[str, Any], Answer]:
    """The prompts that could be given, and the answers to them as one, in the same order.

    answers holds one for each fidelity prompt. Where one failed, or all were refused, that one is the answer.
    """
    failed = [answer for answer in answers if answer.status != Status.OK and not answer.is_refused]
    spoken = [
        (entry, answer)
        for entry, answer in zip(prompts["fidelity"], answers, strict=True)
        if answer.status == Status.OK
    ]
    if failed or not spoken:
        return dict(prompts), (failed or answers)[0]
    first = spoken[0][1]
    iterations = [event for _, answer in spoken for event in answer.iterations]
    report = first.report._replace(iterations=iterations) if first.report else None
    return {**prompts, "fidelity": [entry for entry, _ in spoken]}, replace(first, report=report)
