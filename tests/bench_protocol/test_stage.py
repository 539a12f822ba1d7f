"""One level of load by itself: who waits for a place, on a clock of the test."""

from __future__ import annotations

from bench_protocol.spec import Case, CaseLoad, Sampling
from bench_protocol.stage import Stage

TIMEOUT_NS = 100


def test_who_waits_for_longer_than_the_timeout_is_given_up_then_and_not_when_a_place_is_free() -> None:
    clock = [0]
    load = CaseLoad(
        mode="open",
        places=1,
        requests=3,
        duration_seconds=None,
        warmup_requests=0,
        timeout_seconds=TIMEOUT_NS / 1e9,
        arrivals_ns=[0, 10, 120, 500],
        requests_per_second=1e9 / 60,
    )
    case = Case([1], 9, True, [], Sampling(0, 1, 0), load=load, prompts=[[1]] * 3)
    stage = Stage(case, lambda: clock[0])
    stage.over()
    (first,) = stage.begin()
    clock[0] = 130
    stage.over()
    assert stage.begin() == []
    _, second, third = stage.requests
    assert (second.status, second.end_ns, second.taken_ns) == ("timeout", 130, None)
    stage.push(first, 5)
    assert (first.status, stage.begin()) == ("timeout", [third])
