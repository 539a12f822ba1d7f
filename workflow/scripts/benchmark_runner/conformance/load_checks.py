"""Checks of requests under load: what a launch holds against its spec, and ids against those of the prompt alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark_runner.conformance.evidence import Evidence, Outcome
from benchmark_runner.conformance.rules import BrokenRuleError, NotApplicableError, few, require
from benchmark_runner.protocol.lines import INT_LIMIT, BrokenEventsError
from benchmark_runner.protocol.requests import LoadReader
from benchmark_runner.protocol.spec import prompt_of


def _served(outcome: Outcome, vocabulary: int | None) -> list[Mapping[str, Any]]:
    """Requests of a run, which keep the protocol as those of a launch do, and all ended well."""
    problem = next(iter(outcome.broken_lines), outcome.ending if not outcome.is_complete else None)
    require(problem is None, f"run {outcome.name}: {problem}")
    reader = LoadReader(outcome.spec, vocabulary or INT_LIMIT)
    take = {"request": reader.take_request, "stage": reader.take_stage}
    try:
        for event in outcome.events:
            if event["event"] in take:
                take[event["event"]](event)
    except BrokenEventsError as error:
        raise BrokenRuleError(f"run {outcome.name}: {error}") from error
    require(reader.owed is None, f"run {outcome.name}: done although {reader.owed} is owed")
    bad = next((one for one in reader.requests if one["status"] not in ("ok", "cancelled")), None)
    require(bad is None, f"a request is {bad and bad['status']}: {bad and bad['error']}")
    return list(reader.requests)


def _check_run(evidence: Evidence, outcome: Outcome) -> None:
    """Require that a run is in order, and that the greedy case's prompt has the ids in it that it has alone."""
    own, alone = evidence.setup.case()["prompt_ids"], evidence.rounds(evidence.first, "greedy")[:1]
    for one in _served(outcome, evidence.setup.known_vocabulary):
        prompt = outcome.spec["cases"][one["case"]]["prompts"][prompt_of(one)]
        if prompt == own and one["status"] == "ok" and one["token_ids"] is not None:
            require([one["token_ids"]] == alone, f"{one['token_ids']} beside others, {few(alone)} alone")


def check_together(evidence: Evidence) -> None:
    """Requests at once, in each loop, keep the protocol as in a launch, and have the ids that they have alone."""
    if evidence.together is None:
        raise NotApplicableError("the adapter does not say that it takes several requests at once")
    _check_run(evidence, evidence.together)


def check_conversations(evidence: Evidence) -> None:
    """Turns of conversations do so too, none sent before the answer to the one before it."""
    outcome = evidence.conversations
    if outcome is None or outcome.error_kind == "unsupported":
        raise NotApplicableError("the adapter does not hold conversations")
    _check_run(evidence, outcome)
