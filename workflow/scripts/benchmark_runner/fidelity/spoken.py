"""Engines that take a line of text and add a template of their own: a reference on the ids that they computed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_runner.display import plural
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.fidelity import reference as references
from benchmark_runner.fidelity.probe import Answer
from benchmark_runner.launch.watch import Watch


class CannotSpeakError(BenchmarkError):
    """No prompt can be compared; says why."""


class Spoken(NamedTuple):
    """What an engine answered to the prompts that it could be given, and what it is held against."""

    iterations: list[dict[str, Any]]
    reference: dict[str, Any]
    """As reference.json, its prompts those that were given, with the ids that the engine computed on."""
    note: str


def takes_ids(answer: Answer) -> bool:
    """Whether the engine computes on the ids of a prompt as they are given."""
    return bool(answer.capabilities.get("prompt_ids", True))


def with_used_ids(prompts: Mapping[str, Any], answers: Sequence[Answer]) -> dict[str, Any]:
    """The prompts that were answered, each with the ids that the engine computed on.

    answers holds one for each fidelity prompt. Raises CannotSpeakError where one failed, or all were refused.
    """
    given = []
    for entry, answer in zip(prompts["fidelity"], answers, strict=True):
        if answer.status == "ok":
            (event,) = answer.iterations
            given.append({**entry, "prompt_ids": event.get("used_prompt_ids", entry["prompt_ids"])})
        elif not answer.is_refused:
            raise CannotSpeakError(f"{answer.status}: {answer.reason}")
    if not given:
        raise CannotSpeakError(f"{answers[0].status}: {answers[0].reason}")
    return {**prompts, "fidelity": given}


def speak(
    plan: Mapping[str, Any], prompts: Mapping[str, Any], answers: Sequence[Answer], folder: Path, watch: Watch
) -> Spoken:
    """Compute the reference in folder for an engine's answers, one a prompt.

    Raises CannotSpeakError where there is nothing to compare, InterruptedLaunchError when stopped.
    """
    used = with_used_ids(prompts, answers)
    reference = references.describe(plan, used, references.ask_reference(plan, used, folder, watch))
    if reference["status"] != "ok":
        raise CannotSpeakError(
            f"there is no reference on its own ids: {reference['engine']} is {reference['status']} "
            f"({reference['reason']})"
        )
    asked, given = len(answers), len(used["fidelity"])
    left_out = f"; {plural(asked - given, 'prompt')} of {asked} cannot be given to it" if given < asked else ""
    note = f"the reference computed on the ids that the engine made of its text{left_out}"
    return Spoken([event for answer in answers for event in answer.iterations], reference, note)
