"""Which fields an event has, of which types, and what each may hold by itself.

What an event may hold is said by its JSON Schema. Iterations and requests are checked by this package's own code, which
says the same of them: a validator would look at each token by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from types import NoneType
from typing import Any, Final

from benchmark_runner.protocol.lines import EVENT_BYTES, BrokenEventsError, Event, Line, flaw, shown

_NUMBER_OR_NULL: Final = (int, NoneType)
_TEXT_OR_NULL: Final = (str, NoneType)

FIELDS: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
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
    "request": {
        "case": int,
        "number": int,
        "phase": str,
        "scheduled_ns": int,
        "start_ns": int,
        "written_ns": _NUMBER_OR_NULL,
        "chunk_ns": list,
        "chunk_tokens": list,
        "token_ids": (list, NoneType),
        "stamp": str,
        "shared_chunks": int,
        "prompt_tokens": _NUMBER_OR_NULL,
        "completion_tokens": _NUMBER_OR_NULL,
        "cached_tokens": _NUMBER_OR_NULL,
        "end_ns": int,
        "finish": _TEXT_OR_NULL,
        "status": str,
        "error": _TEXT_OR_NULL,
    },
    "stage": {
        "case": int,
        "start_ns": int,
        "end_ns": int,
        "window_start_ns": int,
        "window_end_ns": int,
        "ended": str,
        "client_cpu_seconds": (int, float),
        "send_lag_p50_ns": int,
        "send_lag_p99_ns": int,
        "sockets_max": int,
    },
    "error": {"kind": str, "message": str},
    "done": {},
}
OPTIONAL: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "load_end": {"batch_size": int, "simd": str, "compiled_graph": bool, "batching": str},
    "iteration": {"margins": list, "used_prompt_ids": list, "tokenized_ns": int, "model": str},
    "request": {"prompt": int, "model": str},
    "stage": {"own_clock": list},
}

NULL_WHERE_UNTOLD: Final = ("batch_size", "simd", "compiled_graph")
"""What of load_end a record has as null where the engine does not tell it; the rest of OPTIONAL it then lacks."""

WORDS: Final = 4000
"""Most characters of an error's message that are kept (chosen)."""


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
        if name == "event":
            continue
        wanted = required.get(name) or optional[name]
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        if type(value) not in kinds:
            words = " or ".join("null" if one is NoneType else one.__name__ for one in kinds)
            raise BrokenEventsError(f"{kind}.{name} is {value!r:.60}, not of type {words}")
    return kind


def check_rising(times: Iterable[int], what: str) -> None:
    """Raise BrokenEventsError where a time lies before the one before it."""
    for before, after in pairwise(times):
        if after < before:
            raise BrokenEventsError(f"{what}: time goes back from {shown(before)} to {shown(after)} ns")


def check_ids(event: Mapping[str, Any], name: str, vocabulary: int) -> None:
    """Raise BrokenEventsError where a list of an event holds what is no id of the vocabulary."""
    ids = event[name]
    if set(map(type, ids)) - {int}:
        raise BrokenEventsError(f"{name} must be integers")
    if ids and (min(ids) < 0 or max(ids) >= vocabulary):
        wrong = next(value for value in ids if not 0 <= value < vocabulary)
        raise BrokenEventsError(f"{name} holds {shown(wrong)}, which is no id of the vocabulary's {vocabulary}")


def check_schema(event: Event, line: Line) -> None:
    """Raise BrokenEventsError where an event breaks its schema, or holds what a later reader could not read."""
    kind = check_fields(event)
    if kind != "iteration" and len(line.content) > EVENT_BYTES:
        raise BrokenEventsError(f"{kind} takes {len(line.content)} bytes, more than {EVENT_BYTES}")
    check_content(event, kind)


def check_content(event: Mapping[str, Any], kind: str) -> None:
    """The same of what the event holds, whatever size its line has."""
    if (found := flaw(event, kind)) is not None:
        raise BrokenEventsError(found)
    from benchmark_runner.schemas import first_violation  # slow to import, and only here

    if (what := first_violation(f"event.{kind}", event)) is not None:
        raise BrokenEventsError(f"{kind}.{what}")
