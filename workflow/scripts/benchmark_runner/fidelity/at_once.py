"""Does an engine that computes requests together give the ids that it gives one by one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

from benchmark_runner.checked import FAIL, NOT_CHECKABLE, PASS
from benchmark_runner.fidelity.compare import Agreement, Parting, free_parting, judge_ids
from benchmark_runner.fidelity.probe import case
from benchmark_runner.protocol.requests import most_in_flight

EQUAL: Final = "equal"
DIFFERS: Final = "differs"
"""Ids part where the reference knows no margin, so that rounding cannot be told from error."""

LONGEST_PROMPT: Final = 128
"""Prompts up to it are asked together, since each slot of a server holds the longest (chosen); unit: tokens."""

MOST_TOKENS: Final = 32
"""Of each answer (chosen): what is mixed up shows at once, and rounding soon; unit: tokens."""

TIMEOUT_SECONDS: Final = 600
"""For one request (chosen): the launch's own limits end what hangs."""

ALONE, TOGETHER = range(2)
"""Places of the two levels among the cases of the spec."""


@dataclass(frozen=True)
class AtOnce:
    """What the ids of requests in flight together say beside those of the same prompts one by one."""

    result: str
    """equal, rounding, differs, fail or not checkable."""
    reason: str
    concurrency: int | None = None
    """Most requests that were in flight together."""
    requests: int = 0
    """Requests whose ids were compared."""
    parted: int = 0
    """Those of them that differ."""
    first_divergence: int | None = None
    """The earliest token that differs, from 0."""


def prompts_of(reference: Mapping[str, Any]) -> list[int]:
    """Places of the prompts that are asked: the short ones, else the shortest."""
    lengths = [len(entry["prompt_ids"]) for entry in reference["prompts"]]
    short = [place for place, length in enumerate(lengths) if length <= LONGEST_PROMPT]
    return short or [lengths.index(min(lengths))]


def at_once_cases(reference: Mapping[str, Any], eos_ids: Sequence[int], concurrency: int) -> list[dict[str, Any]]:
    """Two levels of load with the reference's short prompts: one by one, then so many in flight, each at least once."""
    entries = [reference["prompts"][place] for place in prompts_of(reference)]
    prompts = [entry["prompt_ids"] for entry in entries]
    tokens = min(MOST_TOKENS, max(len(entry["token_ids"]) for entry in entries))
    together = list(islice(cycle(prompts), max(len(prompts), concurrency)))
    asked = case(max(prompts, key=len), tokens, eos_ids)
    fixed = {"mode": "closed", "duration_seconds": None, "warmup_requests": 0, "timeout_seconds": TIMEOUT_SECONDS}
    return [
        {**asked, "prompts": made, "load": {**fixed, "concurrency": flight, "requests": len(made)}}
        for made, flight in ((prompts, 1), (together, concurrency))
    ]


def _agreement(entry: Mapping[str, Any], alone: Sequence[int], beside: Sequence[int]) -> Agreement:
    """Of one request; the reference's margin is known as long as all ids before it are the reference's."""
    found = free_parting(alone, None, beside)
    if found is not None and entry["margins"]:
        own = free_parting(entry["token_ids"], None, alone)
        known = entry["margins"] if own is None else entry["margins"][: own.step + 1]
        found = Parting(found.step, known[found.step] if found.step < len(known) else None)
    agreed = len(alone) if found is None else found.step
    return Agreement(entry["text"], len(entry["prompt_ids"]), agreed, len(alone), found, None, None)


def _swapped(answers: Mapping[int, Sequence[int]], place: int, ids: Sequence[int]) -> bool:
    """Whether these are the ids of another prompt, which differ from this one's."""
    return ids != answers[place] and any(ids == other for where, other in answers.items() if where != place)


def _by_level(
    requests: Sequence[Mapping[str, Any]], places: Sequence[int], level: int
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Measured requests of a level, each with the place of its prompt."""
    for one in requests:
        if one["case"] == level and one["phase"] == "measured":
            yield places[one["number"] % len(places)], one


def judge_at_once(reference: Mapping[str, Any], requests: Sequence[Mapping[str, Any]], dtype: str) -> AtOnce:
    """Hold the requests of the second level of at_once_cases against those of the first.

    equal: all ids. rounding: each parting is where the reference's margin is below the dtype's tolerance. fail: one is
    at a wider margin, or a request got the answer to another. differs: one is where no margin is known.
    """
    places = prompts_of(reference)
    bad = next((one for one in requests if one["status"] != "ok" and one["phase"] == "measured"), None)
    if bad is not None:
        return AtOnce(NOT_CHECKABLE, f"a request is {bad['status']}: {bad['error'] or 'no detail'}")
    alone = {place: one["token_ids"] for place, one in _by_level(requests, places, ALONE) if one["token_ids"]}
    beside = list(_by_level(requests, places, TOGETHER))
    flight = most_in_flight([one for _, one in beside])
    pairs = [(place, one["token_ids"]) for place, one in beside if one["token_ids"] and place in alone]
    if not pairs:
        return AtOnce(NOT_CHECKABLE, "requests under load tell no ids", flight)
    agreements = [_agreement(reference["prompts"][place], alone[place], ids) for place, ids in pairs]
    partings = [entry.free for entry in agreements if entry.free is not None]
    swapped = [entry for entry, (place, ids) in zip(agreements, pairs, strict=True) if _swapped(alone, place, ids)]
    unknown = [parting.step for parting in partings if parting.margin is None]
    whom = f"the ids given alone, with {flight} in flight"
    known = [entry for entry in agreements if entry.free is None or entry.free.margin is not None]
    told = judge_ids(known, dtype, whom)
    result, reason = told.result, told.reason
    if result == PASS:
        tokens = sum(len(ids) for _, ids in pairs)
        result, reason = EQUAL, f"all {tokens} tokens of {len(pairs)} requests are {whom}"
    if swapped:
        result, reason = FAIL, f"the request {swapped[0].prompt!r:.60} got the answer to another one beside it"
    elif unknown and result != FAIL:
        result = DIFFERS
        reason = f"{len(unknown)} of {len(pairs)} requests part from {whom}, from token {min(unknown) + 1} on, where "
        reason += "the reference knows no margin that would tell rounding from error"
    if len(pairs) < len(beside):
        reason += f"; {len(beside) - len(pairs)} of {len(beside)} requests told no ids, or not all"
    first = min((parting.step for parting in partings), default=None)
    return AtOnce(result, reason, flight, len(pairs), len(partings), first)
