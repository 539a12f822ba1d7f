"""Reads what an engine wrote and checks it against the protocol and the launch's own clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.protocol.fields import (
    NULL_WHERE_UNTOLD,
    WORDS,
    check_fields,
    check_ids,
    check_rising,
    check_schema,
)
from benchmark_runner.protocol.lines import (
    EVENT_BYTES,
    INT_LIMIT,
    BrokenEventsError,
    Event,
    Line,
    lines_of,
    parse_line,
    readable,
    shown,
)
from benchmark_runner.protocol.requests import LoadReader, is_load
from benchmark_runner.protocol.spec import PROTOCOL

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
    """Size of the file after each iteration, or stage."""
    requests: Sequence[Event] = ()
    stages: Sequence[Event] = ()
    """Those of a launch under load, which has no iterations."""

    @property
    def measured(self) -> Window | None:
        """From the start of the first measured iteration to the end of the last, under load from the first stage's
        window to the last's; None where there is none."""
        if self.stages:
            return Window(self.stages[0]["window_start_ns"], self.stages[-1]["window_end_ns"])
        spans = [(event["start_ns"], event["end_ns"]) for event in self.iterations if not event["warmup"]]
        return Window(spans[0][0], spans[-1][1]) if spans else None


def expected_rounds(spec: Mapping[str, Any]) -> Iterator[tuple[bool, int, int]]:
    """(warmup, index, case) of each iteration that a spec asks for, in order."""
    for warmup, rounds in ((True, spec["warmup_iterations"]), (False, spec["iterations"])):
        for index in range(rounds):
            for case in range(len(spec["cases"])):
                yield warmup, index, case


def _check_margins(margins: list[Any], count: int) -> None:
    if len(margins) != count:
        raise BrokenEventsError(f"{count} token_ids but {len(margins)} margins")
    for value in margins:
        if type(value) not in (int, float) or not 0 <= value < INT_LIMIT:
            raise BrokenEventsError(f"margins holds {value!r:.60}, not a number from 0 on")


def check_tokens(event: Event, case: Mapping[str, Any], vocabulary: int = INT_LIMIT) -> None:
    """Ids, number of tokens, their end and their times within one iteration; raises BrokenEventsError."""
    ids, times, limit = event["token_ids"], event["token_ns"], case["max_new_tokens"]
    for name in ("token_ids", "used_prompt_ids"):
        if name in event:
            check_ids(event, name, vocabulary)
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
    check_rising((event["start_ns"], *tokenized, *times, event["end_ns"]), "iteration")


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
        self._protocol = spec.get("protocol", PROTOCOL)
        self.under_load = LoadReader(spec, vocabulary) if is_load(spec) else None
        self._rounds = iter(()) if self.under_load else expected_rounds(spec)
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
            self._take_load_start(self.hello, event)
        elif kind == "load_end":
            self._take_load_end(event, line)
        elif self.load is None:
            raise BrokenEventsError(f"{kind} before load_end")
        elif kind == "done":
            self._take_done()
        elif self.under_load and kind == "request":
            self.under_load.take_request(event)
        elif self.under_load and kind == "stage":
            self.under_load.take_stage(event)
            self._pass(event["start_ns"], event["end_ns"])
            self.ends_bytes.append(line.end_bytes)
        elif not self.under_load and kind == "iteration":
            self._take_iteration(event)
            self.ends_bytes.append(line.end_bytes)
        else:
            raise BrokenEventsError(f"{kind} where the spec's protocol {self._protocol} has none")

    def _pass(self, *times_ns: int) -> None:
        """The clock may only go on, and only while the engine's process lived."""
        for time_ns in times_ns:
            if time_ns < self._now_ns:
                raise BrokenEventsError(f"time goes back to {shown(time_ns)} ns; {self._now_ns} ns had been reached")
            if time_ns > self._end_ns:
                raise BrokenEventsError(
                    f"time {shown(time_ns)} ns lies after the end of the process at {self._end_ns} ns"
                )
            self._now_ns = time_ns

    def _take_hello(self, event: Event, line: Line) -> None:
        if self.hello is not None:
            raise BrokenEventsError("a second hello")
        if event["protocol"] > self._protocol:
            raise self._other_protocol(event)
        check_schema(event, line)
        self.hello = event

    def _other_protocol(self, hello: Event) -> BrokenEventsError:
        return BrokenEventsError(
            f"protocol {shown(hello['protocol'])}; this runner speaks {self._protocol} in this launch"
        )

    def _take_load_start(self, hello: Event, event: Event) -> None:
        if hello["protocol"] != self._protocol:  # an older one may still say that it is: by the event error
            raise self._other_protocol(hello)
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
        untold = dict.fromkeys(NULL_WHERE_UNTOLD)
        self.load = {"start_ns": self._load_start_ns, "end_ns": event["time_ns"], **untold, **rest}

    def _take_done(self) -> None:
        owed = self.under_load.owed if self.under_load else None
        if (place := next(self._rounds, None)) is not None:
            owed = _round(place)
        if owed is not None:
            raise BrokenEventsError(f"done although {owed} is owed")
        self.done = True

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
    return f"{'warm-up' if warmup else 'iteration'} {shown(index)} of case {shown(case)}"


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
        problem = readable(str(error))[:WORDS]
    told = (reader.hello, reader.load, reader.iterations, reader.error, reader.done, problem)
    load = reader.under_load
    return EventReport(*told, reader.ends_bytes, *((load.requests, load.stages) if load else ()))
