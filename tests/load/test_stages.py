"""Closed and open loops, run over a transport and a clock that are simulated."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import pytest

from benchmark_runner.load.schedule import with_arrivals
from benchmark_runner.load.stages import stage_of

MS = 1_000_000
CLOSED = {"mode": "closed", "concurrency": 4, "requests": 12, "duration_seconds": None, "warmup_requests": 4}
OPEN = {
    "mode": "open",
    "requests_per_second": 100,
    "arrivals": "constant",
    "burstiness": 1.0,
    "seed": 0,
    "requests": 10,
    "duration_seconds": None,
    "warmup_requests": 2,
}


class Sent(NamedTuple):
    number: int
    phase: str
    scheduled_ns: int
    start_ns: int
    end_ns: int | None
    """None for one that was cancelled."""


def _simulate(stage, service_ns, begin_ns=1_000 * MS):
    """What is sent and when it ends where request n takes service_ns(n), by a client that is never late."""
    now, ends, sent, open_ones = begin_ns, [], {}, {}
    while not stage.over:
        while (due := stage.next_ns(now)) is not None and due <= now:
            if (planned := stage.take(now)) is None:
                continue
            open_ones[planned.number] = (planned, now)
            heapq.heappush(ends, (now + service_ns(planned.number), planned.number))
        if stage.over:
            break
        upcoming = [time for time in (due, ends[0][0] if ends else None) if time is not None]
        now = min(upcoming)
        while ends and ends[0][0] <= now:
            _, number = heapq.heappop(ends)
            planned, start = open_ones.pop(number)
            sent[number] = Sent(number, planned.phase, planned.scheduled_ns, start, now)
            stage.ended(number)
    for number, (planned, start) in open_ones.items():
        sent[number] = Sent(number, planned.phase, planned.scheduled_ns, start, None)
    return [sent[number] for number in sorted(sent)]


def _phase(sent, phase):
    return [request for request in sent if request.phase == phase]


def _in_flight(sent, at_ns):
    return sum(request.start_ns <= at_ns and (request.end_ns is None or request.end_ns > at_ns) for request in sent)


def _uneven(number):
    return (10 + 7 * (number % 5)) * MS


def _stage(load, prompts=10_000, **changed):
    return stage_of(with_arrivals({**load, **changed}, prompts), prompts)


def test_numbers_go_from_warm_up_over_measured_to_fillers():
    sent = _simulate(_stage(CLOSED), _uneven)
    assert [request.number for request in _phase(sent, "warmup")] == [0, 1, 2, 3]
    assert [request.number for request in _phase(sent, "measured")] == list(range(4, 16))
    assert [request.number for request in _phase(sent, "filler")] == list(range(16, len(sent)))


def test_a_closed_loop_is_full_from_the_first_measured_request_to_the_end_of_the_last():
    """Neither a start at which all prompts are read at once nor a tail of falling concurrency is measured."""
    sent = _simulate(_stage(CLOSED), _uneven)
    measured = _phase(sent, "measured")
    last_ns = max(request.end_ns for request in measured)
    moments = {request.start_ns for request in sent if measured[0].start_ns <= request.start_ns < last_ns}
    assert {_in_flight(sent, moment) for moment in moments} == {4}
    assert _in_flight(sent, last_ns - 1) == 4


def test_warm_up_hands_its_slots_over_while_others_of_it_are_in_flight():
    sent = _simulate(_stage(CLOSED), _uneven)
    first = _phase(sent, "measured")[0].start_ns
    assert max(request.end_ns for request in _phase(sent, "warmup")) > first
    assert first == min(request.end_ns for request in _phase(sent, "warmup"))


def test_a_slot_goes_on_at_the_moment_at_which_its_request_ends():
    sent = _simulate(_stage(CLOSED), _uneven)
    ends = {request.end_ns for request in sent}
    assert all(request.start_ns in ends for request in sent[4:])
    assert all(request.scheduled_ns == request.start_ns for request in sent)


def test_fillers_are_left_when_the_last_measured_request_has_ended():
    stage = _stage(CLOSED)
    sent = _simulate(stage, lambda number: 505 * MS if number == 15 else 20 * MS)
    assert len(_phase(sent, "filler")) > 12
    assert [request.phase for request in sent if request.end_ns is None] == ["filler"] * 3
    assert stage.ended_by == "requests"


def test_one_request_at_a_time_needs_no_filler():
    sent = _simulate(_stage(CLOSED, concurrency=1, warmup_requests=1, requests=3), _uneven)
    assert [request.phase for request in sent] == ["warmup", "measured", "measured", "measured"]


def test_what_begins_within_the_duration_is_measured():
    stage = _stage(CLOSED, requests=None, duration_seconds=0.1)
    sent = _simulate(stage, _uneven)
    measured, filler = _phase(sent, "measured"), _phase(sent, "filler")
    limit_ns = measured[0].start_ns + 100 * MS
    assert measured[-1].start_ns < limit_ns <= filler[0].start_ns
    assert stage.ended_by == "duration"


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_a_stage_that_runs_out_of_prompts_says_so_and_waits_for_what_is_in_flight(load):
    stage = _stage(load, prompts=9)
    sent = _simulate(stage, _uneven)
    assert (len(sent), stage.ended_by) == (9, "prompts")
    assert all(request.end_ns for request in _phase(sent, "measured"))


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_a_stage_that_runs_out_of_fillers_alone_says_that(load):
    asked = load["warmup_requests"] + load["requests"]
    stage = _stage(load, prompts=asked + 1)
    sent = _simulate(stage, lambda number: (400 if number == asked - 1 else 5) * MS)
    assert (len(sent), stage.ended_by) == (asked + 1, "fillers")
    assert len(_phase(sent, "measured")) == load["requests"]


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_prompts_that_are_not_needed_are_not_missed(load):
    needed = 12 if load is OPEN else 16
    stage = _stage(load, prompts=needed, concurrency=1, warmup_requests=needed - load["requests"])
    assert len(_simulate(stage, lambda _: MS)) == needed
    assert stage.ended_by == "requests"


def test_an_open_loop_sends_by_its_schedule_while_nothing_is_answered():
    """No limit on what is in flight: a server that stalls meets the requests that users would have sent."""
    sent = _simulate(_stage(OPEN), lambda number: 95 * MS if number == 2 else 5 * MS)
    starts = [request.start_ns for request in sent]
    assert starts[:12] == [1_000 * MS + 10 * MS * (place + 1) for place in range(12)]
    stalled = _simulate(_stage(OPEN), lambda _: 80 * MS)
    assert [request.start_ns for request in stalled][:12] == starts[:12]
    assert max(_in_flight(stalled, request.start_ns) for request in stalled) == 8


def test_poisson_arrivals_at_one_server_wait_as_long_as_the_textbook_says():
    """M/D/1 at half load: the mean wait is half a service time, counted from the schedule with nobody held back."""
    service_ns, rate, ends = 10 * MS, 50, [0]

    def served(_number):
        begins_ns = max(moment[0], ends[-1])
        ends.append(begins_ns + service_ns)
        return ends[-1] - moment[0]

    moment = [0]
    stage = _stage(OPEN, arrivals="poisson", requests_per_second=rate, requests=8_000, prompts=20_000)
    taken = stage.take
    stage.take = lambda now: moment.__setitem__(0, now) or taken(now)
    sent = _simulate(stage, served)
    waits_ms = [(request.end_ns - request.scheduled_ns - service_ns) / MS for request in _phase(sent, "measured")]
    assert sum(waits_ms) / len(waits_ms) == pytest.approx(5.0, rel=0.1)


def test_a_request_that_is_sent_late_counts_from_its_schedule():
    stage = _stage(OPEN)
    assert stage.next_ns(0) == 10 * MS
    late = [stage.take(47 * MS) for _ in range(4)]
    assert [planned.scheduled_ns for planned in late] == [10 * MS, 20 * MS, 30 * MS, 40 * MS]
    assert stage.next_ns(47 * MS) == 50 * MS


def test_requests_arrive_on_until_the_last_measured_one_has_ended_but_not_for_ever():
    short = _simulate(_stage(OPEN), lambda _: 35 * MS)
    assert len(_phase(short, "filler")) == 3
    never = _simulate(_stage(OPEN), lambda _: 10_000 * MS)
    last = _phase(never, "measured")[-1].scheduled_ns
    assert all(request.scheduled_ns - last <= 90 * MS for request in _phase(never, "filler"))
    assert len(_phase(never, "filler")) == 9


def test_an_open_loop_measures_what_arrives_within_the_duration():
    sent = _simulate(_stage(OPEN, requests=None, duration_seconds=0.05), lambda _: MS)
    assert [request.number for request in _phase(sent, "measured")] == [2, 3, 4, 5, 6]


def test_the_window_of_a_duration_holds_arrivals_at_the_rate_that_was_asked():
    """Over many draws: ended a mean gap after the last arrival it would hold a third too many."""
    load = OPEN | {"arrivals": "poisson", "requests_per_second": 0.5, "requests": None, "duration_seconds": 6}
    arrived, seconds = 0, 0.0
    for seed in range(600):
        stage = _stage(load, 100, seed=seed)
        measured = _phase(_simulate(stage, lambda _: MS), "measured")
        arrived += len(measured)
        seconds += (stage.window_end_ns - measured[0].scheduled_ns) / 1e9
    assert arrived / seconds == pytest.approx(0.5, rel=0.06)


def test_an_open_loop_lasts_until_its_window_is_over():
    """The gap after the last measured arrival belongs to the window, and who arrives in it is served."""
    stage = _stage(OPEN)
    stage.next_ns(0)
    for place in range(12):
        assert stage.take(120 * MS).number == place
        stage.ended(place)
    assert stage.next_ns(121 * MS) == 130 * MS == stage.window_end_ns
    assert not stage.over
    assert stage.take(129 * MS) is None
    assert stage.next_ns(130 * MS) is None
    assert stage.over


def test_a_trace_ends_with_its_last_time():
    times_ns = [0, 500 * MS, 600 * MS, 2_000 * MS]
    stage = _stage(OPEN, arrivals="trace", arrivals_ns=times_ns, warmup_requests=1)
    sent = _simulate(stage, lambda _: 10 * MS)
    assert [request.scheduled_ns - sent[0].scheduled_ns for request in sent] == [0, 500 * MS, 600 * MS, 2_000 * MS]
    assert [request.phase for request in sent] == ["warmup", "measured", "measured", "measured"]


TALK = {**CLOSED, "concurrency": 3, "turns": 4, "think_seconds": 0.02, "requests": 24, "warmup_requests": 12}


def _turns(stage, **simulated):
    """What was sent, and the prompt of each by its number."""
    prompts, take = {}, stage.take

    def noted(now_ns):
        planned = take(now_ns)
        if planned is not None:
            prompts[planned.number] = planned.prompt
        return planned

    stage.take = noted
    return _simulate(stage, _uneven, **simulated), prompts


def test_the_next_turn_of_a_conversation_is_due_a_pause_after_the_answer_and_no_earlier():
    sent, prompts = _turns(_stage(TALK))
    at = {prompts[request.number]: request for request in sent}
    assert len(at) == len(sent)
    followed = [prompt for prompt in at if prompt % 4 and prompt - 1 in at]
    assert len(followed) > 20
    for prompt in followed:
        assert at[prompt].scheduled_ns == at[prompt].start_ns == at[prompt - 1].end_ns + 20 * MS


def test_conversations_begin_at_different_turns_and_each_goes_on_to_its_last():
    _, prompts = _turns(_stage(TALK))
    assert [prompts[number] for number in range(3)] == [0, 5, 10]  # turns 0, 1 and 2 of three conversations
    whole = [conversation for conversation in range(3, 8) if conversation * 4 in prompts.values()]
    assert whole and all(
        {conversation * 4 + turn for turn in range(4)} <= set(prompts.values()) for conversation in whole
    )


def test_without_a_pause_as_many_conversations_as_asked_for_are_always_in_flight():
    sent, _ = _turns(_stage(TALK, think_seconds=0))
    measured = _phase(sent, "measured")
    assert len(measured) == 24
    assert {_in_flight(sent, request.start_ns) for request in measured} == {3}


def test_a_stage_that_has_no_further_conversation_says_so():
    stage = _stage(TALK, prompts=20)
    sent, _ = _turns(stage)
    assert (stage.over, stage.ended_by) == (True, "prompts")
    assert len(sent) <= 20


def test_a_conversation_that_would_come_after_the_measured_time_is_not_lacking():
    alone = {"concurrency": 1, "turns": 2, "warmup_requests": 0, "requests": None}
    stage = _stage(TALK, prompts=2, **alone, think_seconds=0.08, duration_seconds=0.16)
    sent, _ = _turns(stage)  # of 10 ms and, from 90 ms on, of 17: the next would be due after 187
    assert [request.phase for request in sent] == ["measured"] * 2
    assert stage.ended_by == "duration"


def test_a_stage_that_is_stopped_sends_nothing_more():
    stage = _stage(CLOSED)
    for _ in range(3):
        stage.take(0)
    stage.stop("limit")
    assert stage.next_ns(0) is None
    for number in range(3):
        assert not stage.over
        stage.ended(number)
    assert (stage.over, stage.ended_by) == (True, "limit")
