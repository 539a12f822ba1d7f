"""Requests and stages of a launch under load, held against its spec: as they are read, and again from the record.

A stage is one level of load, a case of the spec; its requests are told when it has ended, in order of number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.protocol.fields import WORDS, check_content, check_ids, check_rising
from benchmark_runner.protocol.lines import INT_LIMIT, BrokenEventsError, Event, readable, shown
from benchmark_runner.protocol.spec import LOAD_PROTOCOL, of_request, prompt_of
from benchmark_runner.units import NS_PER_S

PHASES: Final = ("warmup", "measured", "filler")
STAMPS: Final = ("kernel", "user", "engine")
FINISHES: Final = ("length", "eos", "stop")
STATUSES: Final = ("ok", "refused", "cut", "timeout", "error", "cancelled", "malformed")
ENDINGS: Final = ("requests", "duration", "fillers", "timeout", "prompts", "limit")
WHOLE_ENDINGS: Final = ("requests", "duration", "fillers")
"""A stage that ended so has all that its spec asks for; fillers: the last measured requests ended with fewer in flight,
since the prompts of those that keep the load up had run out."""

DRAWN: Final = ("prompts", "max_new_tokens_each")
"""What of a level is drawn anew for each block."""

DRAWN_OF_LOAD: Final = ("seed", "arrivals_ns")
"""The same of its load."""

COUNT_LIMIT: Final = 1 << 31
"""Counts of tokens lie below it: the tables keep 31 bits."""

_WORDS: Final = {"phase": PHASES, "stamp": STAMPS, "status": STATUSES}
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "cached_tokens")


def is_load(spec: Mapping[str, Any]) -> bool:
    """Whether a spec asks for stages of load, not for iterations."""
    return spec.get("protocol") == LOAD_PROTOCOL


def asked_alike(case: Mapping[str, Any]) -> dict[str, Any]:
    """What a case of a spec asks for in each block alike: without what is drawn for one block."""
    kept = {name: part for name, part in case.items() if name not in DRAWN}
    if "load" in case:
        kept["load"] = {name: part for name, part in case["load"].items() if name not in DRAWN_OF_LOAD}
    return kept


def _check_numbers(event: Mapping[str, Any], name: str, least: int, limit: int) -> None:
    values = event[name]
    if set(map(type, values)) - {int} or (values and not least <= min(values) <= max(values) < limit):
        raise BrokenEventsError(f"{name} must be whole numbers from {least} on")


def _check_answer(request: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    """What a request that ended well must have: an end, tokens, and as many as were asked for by at least one count."""
    finish, limit, ids = request["finish"], case["max_new_tokens"], request["token_ids"]
    if finish is None or not request["chunk_ns"]:
        raise BrokenEventsError("status is ok without a finish, or without a chunk")
    if request["error"] is not None:
        raise BrokenEventsError("status is ok beside an error")
    counts = [count for count in (len(ids) if ids else None, request["completion_tokens"]) if count is not None]
    told = " and ".join(map(str, counts))
    if finish == "length" and counts and limit not in counts:
        raise BrokenEventsError(f"finish is length, but {told} tokens were generated instead of {limit}")
    if finish != "length" and case["ignore_eos"]:
        raise BrokenEventsError(f"finish is {finish} although the spec says ignore_eos")
    if counts and counts[0] > limit:  # the ids where there are any
        raise BrokenEventsError(f"{told} tokens were generated where at most {limit} were asked for")


def check_request(request: Mapping[str, Any], case: Mapping[str, Any], vocabulary: int = INT_LIMIT) -> None:
    """Words, counts and times within one request whose fields are of their types; raises BrokenEventsError."""
    for name, words in _WORDS.items():
        if request[name] not in words:
            raise BrokenEventsError(f"{name} is {request[name]!r:.60}, none of {', '.join(words)}")
    if request["finish"] not in (None, *FINISHES):
        raise BrokenEventsError(f"finish is {request['finish']!r:.60}, none of {', '.join(FINISHES)}")
    if request["status"] == "cancelled" and request["phase"] == "measured":
        raise BrokenEventsError("a measured request was cancelled")
    _check_numbers(request, "chunk_ns", 0, INT_LIMIT)
    _check_numbers(request, "chunk_tokens", 1, COUNT_LIMIT)
    chunks, counts = request["chunk_ns"], request["chunk_tokens"]
    if len(chunks) != len(counts):
        raise BrokenEventsError(f"{len(chunks)} chunk_ns but {len(counts)} chunk_tokens")
    if not 0 <= request["shared_chunks"] <= len(chunks):
        raise BrokenEventsError(f"{request['shared_chunks']} shared_chunks of {len(chunks)} chunks")
    for name, count in (("the sum of chunk_tokens", sum(counts)), *((name, request[name]) for name in _COUNTS)):
        if count is not None and not 0 <= count < COUNT_LIMIT:
            raise BrokenEventsError(f"{name} is {shown(count)}, no count of tokens")
    if request["token_ids"] is not None:
        check_ids(request, "token_ids", vocabulary)
        if len(request["token_ids"]) != sum(counts):
            raise BrokenEventsError(f"{len(request['token_ids'])} token_ids but {sum(counts)} tokens in chunk_tokens")
    check_rising((request["scheduled_ns"], request["start_ns"], *chunks, request["end_ns"]), "request")
    if request["written_ns"] is not None:
        check_rising((request["start_ns"], request["written_ns"], request["end_ns"]), "written_ns")
    if request["status"] == "ok":
        _check_answer(request, case)


def most_in_flight(requests: Sequence[Mapping[str, Any]]) -> int:
    """The most requests that were under way at one time; one that begins as another ends counts after it."""
    changes = [(request["start_ns"], 1) for request in requests] + [(request["end_ns"], -1) for request in requests]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _check_phases(stage: Mapping[str, Any], requests: Sequence[Mapping[str, Any]], load: Mapping[str, Any]) -> None:
    places = [PHASES.index(request["phase"]) for request in requests]
    if places != sorted(places):
        raise BrokenEventsError(f"phases are not in the order {', '.join(PHASES)}")
    if stage["ended"] not in WHOLE_ENDINGS:
        return
    counts = Counter(request["phase"] for request in requests)
    if counts["warmup"] != load["warmup_requests"]:
        raise BrokenEventsError(f"{counts['warmup']} warm-up requests where {load['warmup_requests']} are asked for")
    asked = load["requests"]
    if counts["measured"] != (asked or max(counts["measured"], 1)):
        raise BrokenEventsError(f"{counts['measured']} measured requests where {asked or 'some'} are asked for")


def _check_duration(stage: Mapping[str, Any], requests: Sequence[Mapping[str, Any]], load: Mapping[str, Any]) -> None:
    """A level that ends by time lasted so long, and what came within that time, and nothing else, was measured."""
    counted = [one for one in requests if one["phase"] != "warmup"]
    over_ns = counted[0]["scheduled_ns"] + round(load["duration_seconds"] * NS_PER_S)
    for one in counted:
        is_within, is_measured = one["scheduled_ns"] < over_ns, one["phase"] == "measured"
        # Clients told the phase of a turn by when they sent it before they told it by when it was due.
        was_sent_after = "turns" in load and not is_measured and one["start_ns"] >= over_ns
        if is_within != is_measured and not was_sent_after:
            when = "within" if is_within else "after"
            raise BrokenEventsError(f"request {one['number']} is a {one['phase']} one and came {when} the level's time")
    if stage["end_ns"] + round(load.get("think_seconds", 0) * NS_PER_S) < over_ns:
        raise BrokenEventsError(f"it ended before the {load['duration_seconds']:g} s were over that are measured")


def _check_schedule(requests: Sequence[Mapping[str, Any]], due_ns: Sequence[int]) -> None:
    """Requests of an open loop came by its schedule, whenever that began: none was put off, none left out."""
    for request, offset_ns in zip(requests, due_ns, strict=False):
        late_ns = request["scheduled_ns"] - requests[0]["scheduled_ns"] - (offset_ns - due_ns[0])
        if late_ns != 0:
            raise BrokenEventsError(f"request {request['number']} counts from {late_ns} ns after it was due")


def _check_turns(requests: Sequence[Mapping[str, Any]], turns: int) -> None:
    """No prompt of a conversation was sent twice, and none before the answer to the turn before it had come."""
    by_prompt = {request["prompt"]: request for request in requests}
    if len(by_prompt) != len(requests):
        raise BrokenEventsError("a turn of a conversation was sent twice")
    for place, request in by_prompt.items():
        before = by_prompt.get(place - 1) if place % turns else None
        if before is not None and request["scheduled_ns"] < before["end_ns"]:
            raise BrokenEventsError(f"request {request['number']} was sent before the turn before it had its answer")


def check_stage(stage: Mapping[str, Any], requests: Sequence[Mapping[str, Any]], load: Mapping[str, Any]) -> None:
    """A stage whose fields are of their types, and its requests, which check_request has passed, against the level.

    Raises BrokenEventsError where a request lies outside the stage, a measured one outside the window, or where other
    requests or more at a time were made than the level asks for.
    """
    if stage["ended"] not in ENDINGS:
        raise BrokenEventsError(f"ended is {stage['ended']!r:.60}, none of {', '.join(ENDINGS)}")
    if not 0 <= stage["client_cpu_seconds"] < INT_LIMIT:
        raise BrokenEventsError("client_cpu_seconds is no time")
    for name in ("send_lag_p50_ns", "send_lag_p99_ns", "sockets_max"):
        if not 0 <= stage[name] < INT_LIMIT:
            raise BrokenEventsError(f"{name} is {shown(stage[name])}, below 0 or beyond 63 bits")
    check_rising((stage[name] for name in ("start_ns", "window_start_ns", "window_end_ns", "end_ns")), "stage")
    outside = [
        one["number"]
        for one in requests
        if not stage["start_ns"] <= one["scheduled_ns"] <= one["end_ns"] <= stage["end_ns"]
    ]
    if outside:
        raise BrokenEventsError(f"request {outside[0]} lies outside the stage")
    _check_phases(stage, requests, load)
    if load.get("duration_seconds") is not None and stage["ended"] in WHOLE_ENDINGS:
        _check_duration(stage, requests, load)
    if "turns" in load:
        _check_turns(requests, load["turns"])
    if "arrivals_ns" in load:  # a record from before them has none
        _check_schedule(requests, load["arrivals_ns"])
    measured, closed = [one for one in requests if one["phase"] == "measured"], load["mode"] == "closed"
    for one in measured:
        last_ns = one["end_ns"] if closed else one["scheduled_ns"]
        if not stage["window_start_ns"] <= one["scheduled_ns"] <= last_ns <= stage["window_end_ns"]:
            raise BrokenEventsError(f"request {one['number']} is measured and lies outside the window")
    if closed and (most := most_in_flight(requests)) > load["concurrency"]:
        raise BrokenEventsError(f"{most} requests were in flight at a time where {load['concurrency']} are asked for")


class LoadReader:
    """The stages of a spec, walked through once."""

    def __init__(self, spec: Mapping[str, Any], vocabulary: int) -> None:
        self.requests: list[Event] = []
        self.stages: list[Event] = []
        self._cases = spec["cases"]
        self._vocabulary = vocabulary
        self._owed = iter(spec["stages"])
        self._case: int | None = next(self._owed, None)
        self._begun = 0

    @property
    def owed(self) -> str | None:
        """The stage that is to come, in words; None where all have ended."""
        return None if self._case is None else f"the stage of case {self._case}"

    def take_request(self, event: Mapping[str, Any]) -> None:
        """Take the next request; raises BrokenEventsError where it may not come here or is none."""
        number = len(self.requests) - self._begun
        where = f"request {shown(event['number'])} of case {shown(event['case'])}"
        if self._case is None or (event["case"], event["number"]) != (self._case, number):
            owed = self.owed and f"request {number} of case {self._case} or its stage"
            raise BrokenEventsError(f"{where} where {owed or 'done'} is owed")
        case = self._cases[self._case]
        if ("prompt" in event) != ("turns" in case["load"]):
            raise BrokenEventsError(f"{where}: prompt is told where there are conversations, and nowhere else")
        place = prompt_of(event)
        if place < 0 or ("prompts" in case and place >= len(case["prompts"])):  # raw data lack them
            raise BrokenEventsError(f"{where}: the spec has {len(case.get('prompts', ()))} prompts for it")
        try:
            check_request(event, of_request(case, place), self._vocabulary)
        except BrokenEventsError as error:
            raise BrokenEventsError(f"{where}: {error}") from None
        request = {name: value for name, value in event.items() if name != "event"}
        if event["error"] is not None:
            request["error"] = readable(event["error"])[:WORDS]
        self.requests.append(request)

    def take_stage(self, event: Mapping[str, Any]) -> None:
        """Take the end of a stage; raises BrokenEventsError where it may not come here or is none."""
        if self._case is None or event["case"] != self._case:
            raise BrokenEventsError(f"the stage of case {shown(event['case'])} where {self.owed or 'done'} is owed")
        if "own_clock" in event:
            check_content({**event, "event": "stage"}, "stage")
        try:
            check_stage(event, self.requests[self._begun :], self._cases[self._case]["load"])
        except BrokenEventsError as error:
            raise BrokenEventsError(f"stage of case {event['case']}: {error}") from None
        self.stages.append({name: value for name, value in event.items() if name != "event"})
        self._begun = len(self.requests)
        self._case = next(self._owed, None)


def by_stage(
    stages: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Each stage with its requests."""
    of_case: dict[int, list[Mapping[str, Any]]] = {}
    for request in requests:
        of_case.setdefault(request["case"], []).append(request)
    for stage in stages:
        yield stage, of_case.get(stage["case"], [])
