"""One level of load by itself: who waits for a place, on a clock of the test."""

from __future__ import annotations

from bench_protocol.spec import Case, CaseLoad, Sampling
from bench_protocol.stage import Request, Stage

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


def closed(prompts: list[list[int]], **level: object) -> tuple[list[int], Stage]:
    """A clock in nanoseconds, and a closed level of three places for answers of one token."""
    asked = {"requests": 4, "duration_seconds": None} | level
    load = CaseLoad(mode="closed", places=3, warmup_requests=0, timeout_seconds=60, arrivals_ns=[], **asked)
    clock = [0]
    return clock, Stage(Case([1], 1, True, [], Sampling(0, 1, 0), load=load, prompts=prompts), lambda: clock[0])


def test_a_level_that_lacked_prompts_within_its_time_says_so_also_when_that_is_over() -> None:
    clock, stage = closed([[1]] * 4, requests=None, duration_seconds=6e-8)
    stage.over()
    first, second, third = stage.begin()
    clock[0] = 20
    stage.push(first, 5)
    stage.over()
    (fourth,) = stage.begin()
    for clock[0], ends in ((30, second), (90, third), (95, fourth)):
        assert not stage.over()
        stage.push(ends, 5)
    assert stage.over()
    assert list(stage.events(0))[-1]["ended"] == "prompts"


def test_only_those_that_may_join_the_first_get_places_and_the_others_keep_their_turn() -> None:
    clock, stage = closed([[1], [1, 2, 3], [4], [5, 6, 7]])

    def as_long(one: Request, other: Request) -> bool:
        return len(stage.case.prompts[one.prompt]) == len(stage.case.prompts[other.prompt])

    stage.over()
    batch = stage.begin(as_long)
    assert [(one.prompt, one.taken_ns) for one in batch] == [(0, 0), (2, 0)]
    clock[0] = 50
    for one in batch:
        stage.push(one, 5)
    stage.over()
    assert [(one.prompt, one.taken_ns) for one in stage.begin(as_long)] == [(1, 50), (3, 50)]


def test_who_may_join_is_asked_as_far_as_there_are_places_and_not_of_all_that_wait() -> None:
    """An overload of an open loop lets thousands wait, and each step asks."""
    load = CaseLoad(
        mode="open",
        places=3,
        requests=500,
        duration_seconds=None,
        warmup_requests=0,
        timeout_seconds=60,
        arrivals_ns=[0] * 500,
        requests_per_second=1e9,
    )
    stage = Stage(Case([1], 9, True, [], Sampling(0, 1, 0), load=load, prompts=[[1]] * 500), lambda: 0)
    asked: list[int] = []

    def only_even(_first: Request, other: Request) -> bool:
        asked.append(other.number)
        return other.number % 2 == 0

    stage.over()
    assert [one.number for one in stage.begin(only_even)] == [0, 2, 4]
    assert asked == [0, 1, 2, 3, 4]
    assert stage.begin(only_even) == []
    assert asked == [0, 1, 2, 3, 4]
