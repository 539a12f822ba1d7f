"""A record that says ok held against its own spec: as a launch ends, and again whenever it is collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmark_runner.arrays import IntArray
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.protocol.fields import check_fields
from benchmark_runner.protocol.lines import INT_LIMIT, BrokenEventsError
from benchmark_runner.protocol.requests import LoadReader, by_stage, is_load
from benchmark_runner.records.parsed_iterations import Iterations
from benchmark_runner.schemas import first_violation

REMEDY: Final = "it was changed or made by hand: put the original back, or move its folder away and run again"


class UnsoundRecordError(BenchmarkError):
    """A record that is not what its spec or its checksum says; without what to do, which depends on who asks."""


def _outline(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with one id of each list, which its schema would else look at one by one."""

    def short(case: Any) -> Any:
        if not isinstance(case, Mapping):
            return case
        return {key: value[:1] if isinstance(value, list) else value for key, value in case.items()}

    cases = spec.get("cases")
    return {**spec, "cases": [short(case) for case in cases] if isinstance(cases, list) else cases}


def _rounds(spec: Mapping[str, Any]) -> tuple[IntArray, IntArray, IntArray]:
    """Warm-up or not, index and case of each iteration that a spec asks for, in order."""
    cases, warmups, rounds = len(spec["cases"]), spec["warmup_iterations"], spec["iterations"]
    warmup = np.repeat(np.arange(warmups + rounds) < warmups, cases)
    index = np.repeat(np.concatenate((np.arange(warmups), np.arange(rounds))), cases)
    return warmup, index, np.tile(np.arange(cases), warmups + rounds)


def _wrong_rounds(spec: Mapping[str, Any], iterations: Iterations) -> str | None:
    owed = _rounds(spec)
    if len(iterations) != len(owed[0]):
        return f"holds {len(iterations)} of the {len(owed[0])} iterations that its spec asks for"
    found = (iterations.warmup, iterations.index, iterations.case)
    if not all(np.array_equal(*pair) for pair in zip(found, owed, strict=True)):
        return "holds other iterations than its spec asks for, or in another order"
    return None


def _wrong_counts(spec: Mapping[str, Any], iterations: Iterations) -> str | None:
    limits = np.array([case["max_new_tokens"] for case in spec["cases"]])[iterations.case]
    may_end = np.array([not case["ignore_eos"] for case in spec["cases"]])[iterations.case]
    counts, ended = iterations.token_counts, np.array(iterations.finish) == "eos"
    wrong = np.where(ended, ~may_end | (counts < 1) | (counts > limits), counts != limits)
    if wrong.any():
        row = int(wrong.argmax())
        return f"holds {counts[row]} tokens in iteration {row}, where its spec asks for {limits[row]}"
    return None


def _wrong_times(head: Mapping[str, Any], iterations: Iterations) -> str | None:
    counts, times = iterations.token_counts, iterations.token_ns
    # Start, tokens, end of one iteration after the other, which the clock passes in this order.
    clock = np.empty(len(times) + 2 * len(counts), dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(counts + 2)))
    within = np.ones(len(clock), dtype=np.bool_)
    within[starts[:-1]] = within[starts[1:] - 1] = False
    clock[starts[:-1]], clock[starts[1:] - 1], clock[within] = iterations.start_ns, iterations.end_ns, times
    load, window = head["load"], head.get("engine_window") or {}
    first, last = window.get("start_ns", 0), window.get("end_ns", np.iinfo(np.int64).max)
    clock = np.concatenate(([first, load["start_ns"], load["end_ns"]], clock, [last]))
    back = np.flatnonzero(clock[1:] < clock[:-1])
    if len(back):
        return f"holds times that go back, from {clock[back[0]]} to {clock[back[0] + 1]} ns"
    return None


def _wrong_ids(head: Mapping[str, Any], iterations: Iterations, ids: IntArray) -> str | None:
    if len(ids) != len(iterations.token_ns):
        return f"holds {len(ids)} ids and {len(iterations.token_ns)} times of tokens"
    known = (head["model"] or {}).get("vocab_size")
    if known is not None and len(ids) and ids.max() >= known:
        return f"holds the id {ids.max()}, which is none of the vocabulary's {known}"
    return None


def wrong_head(head: Mapping[str, Any]) -> str | None:
    """In which way a record says ok and its spec or hello is none; None where they are."""
    spec = head["spec"]
    for part in ("spec", "hello", "load"):
        if head[part] is None:
            return f"has no {part}"
    if (found := first_violation("spec", _outline(spec)) or first_violation("event.hello", head["hello"])) is not None:
        return f"holds a spec or a hello that is none ({found})"
    return None


def wrong_iterations(spec: Mapping[str, Any], iterations: Iterations) -> str | None:
    """In which way iterations are not those that a sound spec asks for; None where they are."""
    return _wrong_rounds(spec, iterations) or _wrong_counts(spec, iterations)


def wrong_load(head: Mapping[str, Any], requests: Sequence[Mapping[str, Any]]) -> str | None:
    """In which way requests and stages are not those that a sound spec asks for; None where they are."""
    stages, window = head.get("stages", ()), head.get("engine_window") or {}
    reader = LoadReader(head["spec"], (head["model"] or {}).get("vocab_size") or INT_LIMIT)
    now_ns = max(head["load"]["end_ns"], window.get("start_ns", 0))
    try:
        for stage, made in by_stage(stages, requests):
            for kind, event in (*(("request", one) for one in made), ("stage", stage)):
                check_fields({"event": kind, **event})
                (reader.take_request if kind == "request" else reader.take_stage)(event)
            if stage["start_ns"] < now_ns:
                return f"holds times that go back, from {now_ns} to {stage['start_ns']} ns"
            now_ns = stage["end_ns"]
    except (BrokenEventsError, KeyError, TypeError) as error:
        return f"holds what its spec does not ask for ({error})"
    if reader.owed is not None:
        return f"lacks {reader.owed}"
    if len(reader.requests) != len(requests) or head.get("iterations"):
        return "holds iterations or requests that its spec does not ask for"
    return None if now_ns <= window.get("end_ns", now_ns) else f"holds the time {now_ns} ns, after the engine's end"


def what_is_wrong(head: Mapping[str, Any], iterations: Iterations, ids: IntArray) -> str | None:
    """In which way a record says ok and does not hold what its own spec asks for; None where it does."""
    if (wrong := wrong_head(head)) is not None:
        return wrong
    if is_load(head["spec"]):
        return wrong_load(head, head.get("requests", ()))
    return (
        wrong_iterations(head["spec"], iterations)
        or _wrong_times(head, iterations)
        or _wrong_ids(head, iterations, ids)
    )


def require_sound(head: Mapping[str, Any], iterations: Iterations, ids: IntArray, where: str) -> None:
    """Raise UnsoundRecordError naming what a record that says ok lacks."""
    if head["ended_ns"] < head["started_ns"]:
        raise UnsoundRecordError(f"{where}: ends before it started")
    if head["status"] == "ok" and (wrong := what_is_wrong(head, iterations, ids)) is not None:
        raise UnsoundRecordError(f"{where}: says ok and {wrong}")
