"""The loops of the load client and of engines in their own process, which share no code: they send the same requests at
the same times, of the same phases, and end for the same reason."""

from __future__ import annotations

import heapq
from typing import Any

import pytest

from bench_protocol.spec import Case, CaseLoad, Sampling
from bench_protocol.stage import Stage
from benchmark_runner.load.schedule import with_arrivals
from benchmark_runner.load.stages import stage_of

MS = 1_000_000
BEGIN_NS = 1_000 * MS
CLOSED = {"mode": "closed", "concurrency": 3, "requests": 9, "duration_seconds": None, "warmup_requests": 3}
TIMED = {**CLOSED, "requests": None, "duration_seconds": 0.1}
OPEN = {
    "mode": "open",
    "requests_per_second": 100,
    "arrivals": "poisson",
    "burstiness": 1.0,
    "seed": 5,
    "requests": 10,
    "duration_seconds": None,
    "warmup_requests": 2,
}
SPAN = {**OPEN, "requests": None, "duration_seconds": 0.15}
TALK = {**CLOSED, "turns": 2, "think_seconds": 0.006}
TIMED_TALK = {**TALK, "requests": None, "duration_seconds": 0.1}

UNEVEN, ALIKE, ONE_STALLS = (  # how long request n takes
    lambda number: (10 + 7 * (number % 5)) * MS,
    lambda _number: 20 * MS,
    lambda number: (300 if number == 4 else 9) * MS,
)

Sent = tuple[int, str, int, int]
"""Number, phase, due time and prompt of a request."""
Told = tuple[list[Sent], str, int]
"""Each request before the last measured one has ended; the ending; the window's end."""


def _told(requests: list[Sent], ends: dict[int, int], ended: str, window_ns: int | None) -> Told:
    last_ns = max(ends[number] for number, phase, *_ in requests if phase == "measured")
    return [one for one in requests if one[2] < last_ns], ended, last_ns if window_ns is None else window_ns


def by_the_client(load: dict[str, Any], prompts: int, service_ns: Any) -> Told:
    stage, now, flying, ends, sent = stage_of(with_arrivals(load, prompts), prompts), BEGIN_NS, [], {}, []
    while not stage.over:
        while (due := stage.next_ns(now)) is not None and due <= now:
            if (planned := stage.take(now)) is not None:
                sent.append((planned.number, planned.phase, planned.scheduled_ns, planned.prompt))
                heapq.heappush(flying, (now + service_ns(planned.number), planned.number))
        if stage.over:
            break
        now = min(time for time in (due, flying[0][0] if flying else None) if time is not None)
        while flying and flying[0][0] <= now:
            _, number = heapq.heappop(flying)
            ends[number] = now
            stage.ended(number)
    return _told(sent, ends, stage.ended_by, stage.window_end_ns if load["mode"] == "open" else None)


def by_an_engine(load: dict[str, Any], prompts: int, service_ns: Any) -> Told:
    clock, planned = [BEGIN_NS], with_arrivals(load, prompts)
    told = CaseLoad(
        mode=load["mode"],
        places=load.get("concurrency", 1000),
        requests=load["requests"],
        duration_seconds=load["duration_seconds"],
        warmup_requests=load["warmup_requests"],
        timeout_seconds=60,
        arrivals_ns=planned.get("arrivals_ns", []),
        requests_per_second=load.get("requests_per_second"),
        turns=load.get("turns"),
        think_seconds=load.get("think_seconds", 0),
    )
    case = Case([1], 1, True, [], Sampling(0, 1, 0), load=told, prompts=[[1]] * prompts)
    stage, flying = Stage(case, lambda: clock[0]), []
    while not stage.over():
        for request in stage.begin():
            heapq.heappush(flying, (clock[0] + service_ns(request.number), request.number))
        upcoming = [flying[0][0]] if flying else []
        if load["mode"] == "closed":  # an engine asks between its steps; all ends and pauses are at whole ones
            upcoming = [clock[0] + MS]
        elif (next_ns := stage.next_ns()) > clock[0]:
            upcoming.append(next_ns)
        clock[0] = min(upcoming)
        while flying and flying[0][0] <= clock[0]:
            stage.push(stage.requests[heapq.heappop(flying)[1]], 7)
    event = list(stage.events(0))[-1]
    requests = [(one.number, str(one.phase), one.due_ns, one.prompt) for one in stage.requests]
    ends = {one.number: one.end_ns for one in stage.requests}
    return _told(requests, ends, event["ended"], event["window_end_ns"])


@pytest.mark.parametrize("service_ns", [UNEVEN, ALIKE, ONE_STALLS])
@pytest.mark.parametrize("prompts", [8, 13, 500])
@pytest.mark.parametrize("load", [CLOSED, TIMED, OPEN, SPAN, TALK, TIMED_TALK])
def test_both_send_the_same_requests(load, prompts, service_ns):
    assert by_an_engine(load, prompts, service_ns) == by_the_client(load, prompts, service_ns)
