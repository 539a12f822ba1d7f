"""Reads what an engine wrote and checks it against the protocol and the launch's own clock.

The checks are this module's own: the JSON Schema of an event says the same of each line, but importing and running a
validator costs more than the rest of the launch command.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.protocol.spec import PROTOCOL

Event = dict[str, Any]

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

    @property
    def measured(self) -> Window | None:
        """From the start of the first measured iteration to the end of the last; None where there is none."""
        spans = [(event["start_ns"], event["end_ns"]) for event in self.iterations if not event["warmup"]]
        return Window(spans[0][0], spans[-1][1]) if spans else None


class BrokenEventsError(Exception):
    """An event that the protocol does not allow; the message says which and why."""


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


def check_tokens(event: Event, case: Mapping[str, Any]) -> None:
    """Number of tokens, their end and their times within one iteration; raises BrokenEventsError."""
    ids, times, limit = event["token_ids"], event["token_ns"], case["max_new_tokens"]
    if any(type(value) is not int for value in (*ids, *times, *event.get("used_prompt_ids", ()))):
        raise BrokenEventsError("token_ids, token_ns and used_prompt_ids must be integers")
    if len(ids) != len(times):
        raise BrokenEventsError(f"{len(ids)} token_ids but {len(times)} token_ns")
    if "margins" in event and len(event["margins"]) != len(ids):
        raise BrokenEventsError(f"{len(ids)} token_ids but {len(event['margins'])} margins")
    if event["finish"] == "length":
        if len(ids) != limit:
            raise BrokenEventsError(f"finish is length, but {len(ids)} tokens were generated instead of {limit}")
    elif event["finish"] == "eos":
        if case["ignore_eos"]:
            raise BrokenEventsError("finish is eos although the spec says ignore_eos")
        if not ids or ids[-1] not in case["eos_ids"] or len(ids) > limit:
            raise BrokenEventsError("finish is eos, but the last token does not end a sequence within the limit")
    else:
        raise BrokenEventsError(f"finish is {event['finish']!r}, not length or eos")
    tokenized = (event["tokenized_ns"],) if "tokenized_ns" in event else ()
    _check_rising((event["start_ns"], *tokenized, *times, event["end_ns"]), "iteration")


class _Reader:
    """The protocol's order of events, walked through once."""

    def __init__(self, spec: Mapping[str, Any], window: Window) -> None:
        self.hello: Event | None = None
        self.load: dict[str, Any] | None = None
        self.iterations: list[Event] = []
        self.error: dict[str, str] | None = None
        self.done = False
        self._spec = spec
        self._rounds = expected_rounds(spec)
        self._now_ns = window.start_ns
        self._end_ns = window.end_ns
        self._load_start_ns: int | None = None

    def take(self, event: Event) -> None:
        """Take the next event; raises BrokenEventsError where it may not come here."""
        kind = check_fields(event)
        if self.done or self.error is not None:
            raise BrokenEventsError(f"{kind} after the end")
        if kind == "error":
            self.error = {"kind": event["kind"], "message": event["message"]}
        elif kind == "hello":
            self._take_hello(event)
        elif self.hello is None:
            raise BrokenEventsError(f"{kind} before hello")
        elif kind == "load_start":
            self._take_load_start(event)
        elif kind == "load_end":
            self._take_load_end(event)
        elif self.load is None:
            raise BrokenEventsError(f"{kind} before load_end")
        elif kind == "iteration":
            self._take_iteration(event)
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

    def _take_hello(self, event: Event) -> None:
        if self.hello is not None:
            raise BrokenEventsError("a second hello")
        if event["protocol"] != PROTOCOL:
            raise BrokenEventsError(f"protocol {event['protocol']}; this runner speaks {PROTOCOL}")
        self.hello = event

    def _take_load_start(self, event: Event) -> None:
        if self._load_start_ns is not None:
            raise BrokenEventsError("a second load_start")
        self._pass(event["time_ns"])
        self._load_start_ns = event["time_ns"]

    def _take_load_end(self, event: Event) -> None:
        if self._load_start_ns is None or self.load is not None:
            raise BrokenEventsError("load_end without its load_start")
        self._pass(event["time_ns"])
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
            check_tokens(event, self._spec["cases"][event["case"]])
            self._pass(event["start_ns"], event["end_ns"])
        except BrokenEventsError as error:
            raise BrokenEventsError(f"{_round(place)}: {error}") from None
        self.iterations.append({name: value for name, value in event.items() if name != "event"})


def _round(place: tuple[bool, int, int]) -> str:
    warmup, index, case = place
    return f"{'warm-up' if warmup else 'iteration'} {index} of case {case}"


def parse_lines(text: str) -> Iterator[Event]:
    """Events of the file's whole lines; raises BrokenEventsError at one that is no JSON object."""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            raise BrokenEventsError(f"line {number} was not written to its end")
        try:
            event = json.loads(line)
        except json.JSONDecodeError as error:
            raise BrokenEventsError(f"line {number} is no JSON: {error}") from error
        if not isinstance(event, dict):
            raise BrokenEventsError(f"line {number} is no JSON object")
        yield event


def read_events(path: Path, spec: Mapping[str, Any], window: Window) -> EventReport:
    """What an engine wrote while its process lived (window); never raises for what the engine did wrong."""
    reader = _Reader(spec, window)
    problem = None
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for event in parse_lines(text):
            reader.take(event)
    except (BrokenEventsError, UnicodeDecodeError) as error:
        problem = str(error)
    return EventReport(reader.hello, reader.load, reader.iterations, reader.error, reader.done, problem)
