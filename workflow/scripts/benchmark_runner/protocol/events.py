"""Reads what an engine wrote and checks it against the protocol and the launch's own clock.

What an event may hold is said by its JSON Schema. Iterations are checked by this module's own code, which says the same
of them: a validator would look at each token by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.protocol.lines import (
    EVENT_BYTES,
    INT_LIMIT,
    BrokenEventsError,
    Event,
    Line,
    flaw,
    lines_of,
    parse_line,
    readable,
)
from benchmark_runner.protocol.spec import PROTOCOL

FIELDS: Final[Mapping[str, Mapping[str, type]]] = {
    "hello": {"engine": str, "version": str, "protocol": int, "build": dict, "capabilities": dict},
    "load_start": {"time_ns": int},
    "load_end": {
        "time_ns": int,
        "weights_dtype": str,
        "compute_dtype": str,
        "kv_cache_dtype": str,
        "device": str,
        "threads": int,
    },
    "iteration": {
        "index": int,
        "warmup": bool,
        "case": int,
        "start_ns": int,
        "token_ids": list,
        "token_ns": list,
        "end_ns": int,
        "finish": str,
    },
    "error": {"kind": str, "message": str},
    "done": {},
}
OPTIONAL: Final[Mapping[str, Mapping[str, type]]] = {
    "load_end": {"batch_size": int, "simd": str, "compiled_graph": bool},
    "iteration": {"margins": list, "used_prompt_ids": list, "tokenized_ns": int},
}

WORDS: Final = 4000
"""Most characters of an error's message that are kept (chosen)."""

TOKEN_BYTES: Final = 128
"""More than a token takes in an iteration: its id, its time and its margin."""


class Window(NamedTuple):
    """A span of time, CLOCK_MONOTONIC nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / 1e9


class EventReport(NamedTuple):
    """What an engine said, as far as it is sound; problem says where it stopped being so."""

    hello: Event | None
    load: dict[str, Any] | None
    iterations: list[Event]
    error: dict[str, str] | None
    done: bool
    problem: str | None
    ends_bytes: Sequence[int] = ()
    """Size of the file after each iteration."""

    @property
    def measured(self) -> Window | None:
        """From the start of the first measured iteration to the end of the last; None where there is none."""
        spans = [(event["start_ns"], event["end_ns"]) for event in self.iterations if not event["warmup"]]
        return Window(spans[0][0], spans[-1][1]) if spans else None


def expected_rounds(spec: Mapping[str, Any]) -> Iterator[tuple[bool, int, int]]:
    """(warmup, index, case) of each iteration that a spec asks for, in order."""
    for warmup, rounds in ((True, spec["warmup_iterations"]), (False, spec["iterations"])):
        for index in range(rounds):
            for case in range(len(spec["cases"])):
                yield warmup, index, case


def check_fields(event: Event) -> str:
    """Kind of the event; raises BrokenEventsError where a field is missing, unknown or of another type."""
    kind = event.get("event")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise BrokenEventsError(f"unknown event {kind!r}")
    required, optional = FIELDS[kind], OPTIONAL.get(kind, {})
    if missing := required.keys() - event.keys():
        raise BrokenEventsError(f"{kind} lacks {', '.join(sorted(missing))}")
    if unknown := event.keys() - required.keys() - optional.keys() - {"event"}:
        raise BrokenEventsError(f"{kind} has unknown fields {', '.join(sorted(unknown))}")
    for name, value in event.items():
        wanted = required.get(name) or optional.get(name)
        if wanted is not None and type(value) is not wanted:
            raise BrokenEventsError(f"{kind}.{name} is {value!r:.60}, not of type {wanted.__name__}")
    return kind


def _check_rising(times: Iterable[int], what: str) -> None:
    for before, after in pairwise(times):
        if after < before:
            raise BrokenEventsError(f"{what}: time goes back from {before} to {after} ns")


def _check_ids(event: Event, name: str, vocabulary: int) -> None:
    ids = event[name]
    if set(map(type, ids)) - {int}:
        raise BrokenEventsError(f"{name} must be integers")
    if ids and (min(ids) < 0 or max(ids) >= vocabulary):
        wrong = next(value for value in ids if not 0 <= value < vocabulary)
        raise BrokenEventsError(f"{name} holds {wrong:.6g}, which is no id of the vocabulary's {vocabulary}")


def _check_margins(margins: list[Any], count: int) -> None:
    if len(margins) != count:
        raise BrokenEventsError(f"{count} token_ids but {len(margins)} margins")
    for value in margins:
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise BrokenEventsError(f"margins holds {value!r:.60}, not a number from 0 on")


def check_tokens(event: Event, case: Mapping[str, Any], vocabulary: int = INT_LIMIT) -> None:
    """Ids, number of tokens, their end and their times within one iteration; raises BrokenEventsError."""
    ids, times, limit = event["token_ids"], event["token_ns"], case["max_new_tokens"]
    for name in ("token_ids", "used_prompt_ids"):
        if name in event:
            _check_ids(event, name, vocabulary)
    if set(map(type, times)) - {int}:
        raise BrokenEventsError("token_ns must be integers")
    if event.get("used_prompt_ids") == []:
        raise BrokenEventsError("used_prompt_ids is empty")
    if len(ids) != len(times):
        raise BrokenEventsError(f"{len(ids)} token_ids but {len(times)} token_ns")
    if "margins" in event:
        _check_margins(event["margins"], len(ids))
    if event["finish"] == "length":
        if len(ids) != limit:
            raise BrokenEventsError(f"finish is length, but {len(ids)} tokens were generated instead of {limit}")
    elif event["finish"] == "eos":
        if case["ignore_eos"]:
            raise BrokenEventsError("finish is eos although the spec says ignore_eos")
        if not ids or ids[-1] not in case["eos_ids"] or len(ids) > limit:
            raise BrokenEventsError("finish is eos, but the last token does not end a sequence within the limit")
    else:
        raise BrokenEventsError(f"finish is {event['finish']!r:.60}, not length or eos")
    tokenized = (event["tokenized_ns"],) if "tokenized_ns" in event else ()
    _check_rising((event["start_ns"], *tokenized, *times, event["end_ns"]), "iteration")


def check_schema(event: Event, line: Line) -> None:
    """Raise BrokenEventsError where an event breaks its schema, or holds what a later reader could not read."""
    kind = check_fields(event)
    if kind != "iteration" and len(line.content) > EVENT_BYTES:
        raise BrokenEventsError(f"{kind} takes {len(line.content)} bytes, more than {EVENT_BYTES}")
    if (found := flaw(event, kind)) is not None:
        raise BrokenEventsError(found)
    from benchmark_runner.schemas import first_violation  # slow to import, and only here

    if (what := first_violation(f"event.{kind}", event)) is not None:
        raise BrokenEventsError(f"{kind}.{what}")


class _Reader:
    """The protocol's order of events, walked through once."""

    def __init__(self, spec: Mapping[str, Any], window: Window, vocabulary: int) -> None:
        self.hello: Event | None = None
        self.load: dict[str, Any] | None = None
        self.iterations: list[Event] = []
        self.error: dict[str, str] | None = None
        self.done = False
        self.ends_bytes: list[int] = []
        self._spec = spec
        self._vocabulary = vocabulary
        self._rounds = expected_rounds(spec)
        self._now_ns = window.start_ns
        self._end_ns = window.end_ns
        self._load_start_ns: int | None = None

    def take(self, line: Line) -> None:
        """Take the next event; raises BrokenEventsError where it may not come here."""
        event = parse_line(line)
        kind = check_fields(event)
        if self.done or self.error is not None:
            raise BrokenEventsError(f"{kind} after the end")
        if kind == "error":  # its words are worth more than their form
            self.error = {name: readable(event[name])[:WORDS] for name in ("kind", "message")}
            return
        if kind == "hello":
            self._take_hello(event, line)
        elif self.hello is None:
            raise BrokenEventsError(f"{kind} before hello")
        elif kind == "load_start":
            self._take_load_start(event)
        elif kind == "load_end":
            self._take_load_end(event, line)
        elif self.load is None:
            raise BrokenEventsError(f"{kind} before load_end")
        elif kind == "iteration":
            self._take_iteration(event)
            self.ends_bytes.append(line.end_bytes)
        else:
            if (owed := next(self._rounds, None)) is not None:
                raise BrokenEventsError(f"done although {_round(owed)} is owed")
            self.done = True

    def _pass(self, *times_ns: int) -> None:
        """The clock may only go on, and only while the engine's process lived."""
        for time_ns in times_ns:
            if time_ns < self._now_ns:
                raise BrokenEventsError(f"time goes back to {time_ns} ns; {self._now_ns} ns had been reached")
            if time_ns > self._end_ns:
                raise BrokenEventsError(f"time {time_ns} ns lies after the end of the process at {self._end_ns} ns")
            self._now_ns = time_ns

    def _take_hello(self, event: Event, line: Line) -> None:
        if self.hello is not None:
            raise BrokenEventsError("a second hello")
        if event["protocol"] != PROTOCOL:
            raise BrokenEventsError(f"protocol {event['protocol']}; this runner speaks {PROTOCOL}")
        check_schema(event, line)
        self.hello = event

    def _take_load_start(self, event: Event) -> None:
        if self._load_start_ns is not None:
            raise BrokenEventsError("a second load_start")
        self._pass(event["time_ns"])
        self._load_start_ns = event["time_ns"]

    def _take_load_end(self, event: Event, line: Line) -> None:
        if self._load_start_ns is None or self.load is not None:
            raise BrokenEventsError("load_end without its load_start")
        self._pass(event["time_ns"])
        check_schema(event, line)
        asked = self._spec["device"]
        if event["device"].partition(":")[0] != asked.partition(":")[0]:
            raise BrokenEventsError(f"the spec asks for device {asked}, the engine computes on {event['device']}")
        rest = {name: value for name, value in event.items() if name not in ("event", "time_ns")}
        untold = dict.fromkeys(OPTIONAL["load_end"])
        self.load = {"start_ns": self._load_start_ns, "end_ns": event["time_ns"], **untold, **rest}

    def _take_iteration(self, event: Event) -> None:
        place = (event["warmup"], event["index"], event["case"])
        owed = next(self._rounds, None)
        if place != owed:
            expected = _round(owed) if owed is not None else "done"
            raise BrokenEventsError(f"{_round(place)} where {expected} is owed")
        try:
            check_tokens(event, self._spec["cases"][event["case"]], self._vocabulary)
            self._pass(event["start_ns"], event["end_ns"])
        except BrokenEventsError as error:
            raise BrokenEventsError(f"{_round(place)}: {error}") from None
        self.iterations.append({name: value for name, value in event.items() if name != "event"})


def _round(place: tuple[bool, int, int]) -> str:
    warmup, index, case = place
    return f"{'warm-up' if warmup else 'iteration'} {index} of case {case}"


def longest_line(spec: Mapping[str, Any]) -> int:
    """More bytes than any event of a launch takes."""
    return EVENT_BYTES + (1 << 20) + TOKEN_BYTES * int(spec.get("max_seq_len", 0))


def read_events(path: Path, spec: Mapping[str, Any], window: Window, vocabulary: int | None = None) -> EventReport:
    """What an engine wrote while its process lived (window); never raises for what the engine did wrong.

    vocabulary is the number of ids that the model has, None where its folder does not tell.
    """
    reader = _Reader(spec, window, vocabulary or INT_LIMIT)
    problem = None
    try:
        for line in lines_of(path, longest_line(spec)):
            reader.take(line)
    except BrokenEventsError as error:
        problem = readable(str(error))
    return EventReport(
        reader.hello, reader.load, reader.iterations, reader.error, reader.done, problem, reader.ends_bytes
    )
