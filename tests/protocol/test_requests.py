"""What is read of a launch under load: its order, its fields, and whatever cannot be true named with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.protocol.events import EventReport, Window, read_events
from benchmark_runner.protocol.requests import FINISHES, PHASES, STAMPS, STATUSES, check_request, most_in_flight
from benchmark_runner.schemas import first_violation, schema

CLOSED = {"mode": "closed", "concurrency": 2, "requests": 3, "duration_seconds": None, "warmup_requests": 2}
OPEN = {"mode": "open", "requests_per_second": 5.0, "requests": None, "duration_seconds": 2e-7, "warmup_requests": 1}
CASE = {"prompt_ids": [1, 2], "max_new_tokens": 2, "ignore_eos": True, "eos_ids": [9], "prompts": [[1, 2]] * 7}
SPEC = {"protocol": 2, "device": "cpu", "cases": [CASE | {"load": CLOSED}, CASE | {"load": OPEN}], "stages": [1, 0]}
WINDOW = Window(100, 9000)
ABLE = {"devices": ["cpu"], "dtypes": ["f32"], "sampling": ["greedy"], "seed": True, "load_modes": ["closed"]}
HELLO = {"event": "hello", "engine": "e", "version": "1", "protocol": 2, "build": {}}
HELLO["capabilities"] = ABLE | {"max_concurrency": 9, "ignore_eos": True}
LOAD_END = {"event": "load_end", "time_ns": 200, "device": "cpu", "threads": 1}
LOAD_END |= dict.fromkeys(("weights_dtype", "compute_dtype", "kv_cache_dtype"), "f32")
VOCABULARY = 50


def request(case: int, number: int, phase: str, start: int, **changes: Any) -> dict[str, Any]:
    made = {
        "event": "request",
        "case": case,
        "number": number,
        "phase": phase,
        "scheduled_ns": start,
        "start_ns": start,
        "written_ns": start + 1,
        "chunk_ns": [start + 40, start + 80],
        "chunk_tokens": [1, 1],
        "token_ids": [5, 6],
        "stamp": "kernel",
        "shared_chunks": 0,
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "cached_tokens": 0,
        "end_ns": start + 90,
        "finish": "length",
        "status": "ok",
        "error": None,
    }
    return made | changes


def stage(case: int, start: int, window: tuple[int, int], end: int, ended: str = "requests") -> dict[str, Any]:
    made = {"event": "stage", "case": case, "start_ns": start, "end_ns": end, "ended": ended, "client_cpu_seconds": 0.1}
    made |= {"window_start_ns": window[0], "window_end_ns": window[1]}
    return made | {"send_lag_p50_ns": 1, "send_lag_p99_ns": 2, "sockets_max": 2}


def sound() -> list[dict[str, Any]]:
    """An open loop of three arrivals, then two in flight for as long as three requests take."""
    open_loop = [request(1, 0, "warmup", 1000), request(1, 1, "measured", 1200), request(1, 2, "measured", 1250)]
    closed = [request(0, 0, "warmup", 3000), request(0, 1, "warmup", 3040), request(0, 2, "measured", 3090)]
    closed += [request(0, 3, "measured", 3130), request(0, 4, "measured", 3180)]
    gone = {"status": "cancelled", "finish": None, "chunk_ns": [], "chunk_tokens": [], "token_ids": None}
    closed.append(request(0, 5, "filler", 3220, **gone, end_ns=3270, completion_tokens=None))
    return [
        dict(HELLO),
        {"event": "load_start", "time_ns": 150},
        dict(LOAD_END),
        *open_loop,
        stage(1, 1000, (1200, 1450), 1500, "duration"),
        *closed,
        stage(0, 3000, (3090, 3270), 3280),
        {"event": "done"},
    ]


def report(folder: Path, events: list[Any], spec: dict[str, Any] | None = None) -> EventReport:
    path = folder / "events.jsonl"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return read_events(path, spec or SPEC, WINDOW, VOCABULARY)


def test_sound_stages_are_taken_whole(tmp_path: Path) -> None:
    found = report(tmp_path, sound())
    assert (found.problem, found.done, found.iterations) == (None, True, [])
    assert [one["case"] for one in found.stages] == [1, 0] and len(found.requests) == 9
    assert "event" not in found.requests[0] and "event" not in found.stages[0]
    assert found.measured == Window(1200, 3270)


def test_the_sound_events_keep_their_schema() -> None:
    assert [first_violation(f"event.{event['event']}", event) for event in sound()] == [None] * len(sound())


def test_the_schema_and_this_code_have_the_same_words() -> None:
    told = next(part for part in schema("event")["oneOf"] if part["title"] == "request")["properties"]
    assert tuple(told["phase"]["enum"]) == PHASES and tuple(told["stamp"]["enum"]) == STAMPS
    assert tuple(told["status"]["enum"]) == STATUSES and told["finish"]["enum"] == [*FINISHES, None]


def changed(place: int, **changes: Any) -> Callable[[], list[dict[str, Any]]]:
    def events() -> list[dict[str, Any]]:
        made = sound()
        made[place] = made[place] | changes
        return made

    return events


def talking(*prompts: int | None, spec_turns: int | None = 2) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The closed stage with these prompts told, and a spec that asks for conversations."""
    events = sound()
    for place, prompt in enumerate(prompts, start=7):
        if prompt is not None:
            events[place]["prompt"] = prompt
    load = CLOSED | ({} if spec_turns is None else {"turns": spec_turns})
    return events, SPEC | {"cases": [CASE | {"load": load}, CASE | {"load": OPEN}]}


def test_conversations_whose_turns_wait_for_the_answers_before_them_are_sound(tmp_path: Path) -> None:
    events, spec = talking(0, 2, 1, 3, 4, 6)  # 90 ns each, and the turn of another in between
    assert report(tmp_path, events, spec).problem is None
    assert [first_violation("event.request", event) for event in events[7:13]] == [None] * 6


@pytest.mark.parametrize(
    ("prompts", "turns", "expected"),
    [
        ((0, 1, 2, 3, 4, 6), 2, "request 1 was sent before the turn before it had its answer"),
        ((0, 2, 1, 2, 4, 6), 2, "a turn of a conversation was sent twice"),
        ((0, 2, 1, 3, 4, 7), 2, "request 5 of case 0: the spec has 7 prompts for it"),
        ((0, 2, None, 3, 4, 6), 2, "request 2 of case 0: prompt is told where there are conversations"),
        ((0, 1, 2, 3, 4, 5), None, "request 0 of case 0: prompt is told where there are conversations"),
    ],
)
def test_turns_that_the_spec_does_not_ask_for_are_refused(tmp_path: Path, prompts, turns, expected) -> None:
    events, spec = talking(*prompts, spec_turns=turns)
    problem = report(tmp_path, events, spec).problem
    assert problem is not None and expected in problem


def without(place: int) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [*sound()[:place], *sound()[place + 1 :]]


OWN = {"name": "ttft_ms", "ours": 1.0, "theirs": 1.0, "ours_count": 2, "theirs_count": 2}
FAILED = {"status": "cut", "finish": None, "token_ids": None, "completion_tokens": None, "error": "closed"}
BROKEN: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "protocol 3; this runner speaks 2": changed(0, protocol=3),
    "protocol 1; this runner speaks 2": changed(0, protocol=1),
    "iteration where the spec's protocol 2 has none": lambda: [
        *sound()[:3],
        {"event": "iteration", "index": 0, "warmup": False, "case": 0, "start_ns": 300, "token_ids": [], "token_ns": []}
        | {"end_ns": 300, "finish": "length"},
    ],
    "request 0 of case 0 where request 0 of case 1 or its stage is owed": changed(3, case=0),
    "request 2 of case 1 where request 1 of case 1 or its stage is owed": without(4),
    "the stage of case 0 where the stage of case 1 is owed": changed(6, case=0),
    "done although the stage of case 0 is owed": lambda: [*sound()[:7], {"event": "done"}],
    "request 0 of case 0 where done is owed": lambda: [*sound()[:-1], request(0, 0, "warmup", 4000)],
    "request lacks status": lambda: [*sound()[:3], {k: v for k, v in sound()[3].items() if k != "status"}],
    "request.written_ns is '1', not of type int or null": changed(3, written_ns="1"),
    "request.end_ns is True, not of type int": changed(3, end_ns=True),
    "request 0 of case 1: phase is 'hot', none of warmup, measured, filler": changed(3, phase="hot"),
    "request 1 of case 1: finish is 'tired', none of length, eos, stop": changed(4, finish="tired"),
    "a measured request was cancelled": changed(4, **FAILED | {"status": "cancelled"}),
    "chunk_ns must be whole numbers from 0 on": changed(4, chunk_ns=[1240.0, 1280]),
    "chunk_tokens must be whole numbers from 1 on": changed(4, chunk_tokens=[2, 0]),
    "1 chunk_ns but 2 chunk_tokens": changed(4, chunk_ns=[1240]),
    "the sum of chunk_tokens is 2147483648, no count of tokens": changed(4, chunk_tokens=[2**31 - 1, 1]),
    "3 shared_chunks of 2 chunks": changed(4, shared_chunks=3),
    "cached_tokens is -1, no count of tokens": changed(4, cached_tokens=-1),
    "token_ids holds 50, which is no id of the vocabulary's 50": changed(4, token_ids=[5, 50]),
    "2 token_ids but 3 tokens in chunk_tokens": changed(4, chunk_tokens=[2, 1]),
    "request: time goes back from 1201 to 1200 ns": changed(4, scheduled_ns=1201),
    "request: time goes back from 1280 to 1240 ns": changed(4, chunk_ns=[1280, 1240]),
    "request: time goes back from 1280 to 1270 ns": changed(4, end_ns=1270),
    "written_ns: time goes back from 1200 to 1199 ns": changed(4, written_ns=1199),
    "status is ok without a finish, or without a chunk": changed(4, finish=None),
    "status is ok beside an error": changed(4, error="but"),
    "finish is length, but 1 and 1 tokens were generated instead of 2": changed(
        4, chunk_ns=[1240], chunk_tokens=[1], token_ids=[5], completion_tokens=1
    ),
    "finish is length, but 1 tokens were generated instead of 2": changed(4, token_ids=None, completion_tokens=1),
    "finish is stop although the spec says ignore_eos": changed(4, finish="stop"),
    "3 and 2 tokens were generated where at most 2 were asked for": changed(
        4, token_ids=[5, 6, 7], chunk_tokens=[1, 2], completion_tokens=2
    ),
    "stage of case 1: ended is 'bored', none of requests": changed(6, ended="bored"),
    "stage of case 1: client_cpu_seconds is no time": changed(6, client_cpu_seconds=-0.5),
    "send_lag_p99_ns is -1, below 0": changed(6, send_lag_p99_ns=-1),
    "stage: time goes back from 1200 to 1199 ns": changed(6, window_end_ns=1199),
    "request 0 lies outside the stage": changed(6, start_ns=1001),
    "request 2 lies outside the stage": changed(5, end_ns=1501),
    "phases are not in the order warmup, measured, filler": changed(4, phase="filler"),
    "0 warm-up requests where 1 are asked for": changed(3, phase="measured"),
    "2 measured requests where 3 are asked for": changed(11, phase="filler"),
    "request 1 is measured and lies outside the window": changed(6, window_start_ns=1201),
    "request 4 is measured and lies outside the window": changed(13, window_end_ns=3269),
    "3 requests were in flight at a time where 2 are asked for": changed(11, scheduled_ns=3120, start_ns=3120),
    "cached_tokens is about 1e+400, no count of tokens": changed(4, cached_tokens=10**400),
    "token_ids holds about 1e+400, which is no id": changed(4, token_ids=[5, 10**400]),
    "send_lag_p99_ns is about 1e+400, below 0 or beyond": changed(6, send_lag_p99_ns=10**400),
    "client_cpu_seconds is no time": changed(6, client_cpu_seconds=10**400),
    "stage.own_clock.0: 7 is not of type 'object'": changed(6, own_clock=[7]),
    "stage.own_clock.0.theirs is beyond 63 bits": changed(6, own_clock=[dict(OWN, theirs=10**400)]),
    "time goes back to 1000 ns; 1001 ns had been reached": changed(2, time_ns=1001),
    "time 9001 ns lies after the end of the process at 9000 ns": changed(13, end_ns=9001),
}


def test_a_stage_may_tell_the_server_s_own_clock(tmp_path: Path) -> None:
    assert report(tmp_path, changed(6, own_clock=[OWN])()).problem is None


@pytest.mark.parametrize("words", BROKEN)
def test_what_cannot_be_is_named(tmp_path: Path, words: str) -> None:
    assert words in (report(tmp_path, BROKEN[words]()).problem or "")


def test_a_prompt_that_the_spec_has_not_is_named(tmp_path: Path) -> None:
    spec = SPEC | {"cases": [SPEC["cases"][0], SPEC["cases"][1] | {"prompts": [[1, 2]]}]}
    found = report(tmp_path, sound(), spec)
    assert found.problem == "request 1 of case 1: the spec has 1 prompts for it" and len(found.requests) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2.5e-7, None),
        (3.1e-7, "stage of case 1: it ended before the 3.1e-07 s were over that are measured"),
        (5e-8, "stage of case 1: request 2 is a measured one and came after the level's time"),
    ],
)
def test_a_level_by_time_lasts_so_long_and_measures_what_came_within_it(
    tmp_path: Path, seconds: float, words: str | None
) -> None:
    spec = SPEC | {"cases": [SPEC["cases"][0], CASE | {"load": OPEN | {"duration_seconds": seconds}}]}
    assert report(tmp_path, sound(), spec).problem == words


def test_what_came_within_the_time_is_measured_and_fills_no_place(tmp_path: Path) -> None:
    events = changed(5, phase="filler")()
    words = "stage of case 1: request 2 is a filler one and came within the level's time"
    assert report(tmp_path, events).problem == words


@pytest.mark.parametrize(
    ("due_ns", "sent_ns", "words"),
    [
        (3280, 3281, None),  # due a moment after 190 ns from 3090, as of any load
        (3279, 3280, None),  # due within them, sent after them: clients before told the phase by that
        (3270, 3279, "stage of case 0: request 5 is a filler one and came within the level's time"),
    ],
)
def test_a_turn_that_was_due_within_the_time_and_sent_after_it_was_no_measured_one_to_clients_before(
    tmp_path: Path, due_ns: int, sent_ns: int, words: str | None
) -> None:
    events, spec = talking(0, 2, 1, 3, 4, 6)
    spec["cases"][0]["load"] |= {"requests": None, "duration_seconds": 1.9e-7}
    events[12] |= {"scheduled_ns": due_ns, "start_ns": sent_ns, "written_ns": sent_ns, "end_ns": 3290}
    events[13] |= {"ended": "duration", "end_ns": 3300}
    assert report(tmp_path, events, spec).problem == words


@pytest.mark.parametrize("ended", ["timeout", "prompts", "limit"])
def test_a_stage_that_ended_early_may_lack_requests(tmp_path: Path, ended: str) -> None:
    events = [*sound()[:4], stage(1, 1000, (1000, 1000), 1100, ended), *sound()[7:]]
    found = report(tmp_path, events)
    assert found.problem is None and found.stages[0]["ended"] == ended


def test_a_request_that_failed_may_be_partial(tmp_path: Path) -> None:
    assert report(tmp_path, changed(4, **FAILED, chunk_ns=[1240], chunk_tokens=[1])()).problem is None


@pytest.mark.parametrize(
    "counts",
    [
        {"token_ids": None, "completion_tokens": None},
        {"token_ids": [5, 6], "completion_tokens": 3},
        {"token_ids": [6], "chunk_tokens": [1], "chunk_ns": [80], "completion_tokens": 2},
    ],
    ids=["none told", "usage beyond the ids", "ids withheld"],
)
def test_counts_of_which_one_is_as_asked_pass(counts: dict[str, Any]) -> None:
    check_request(request(0, 0, "measured", 0) | counts, CASE)


def test_an_older_adapter_may_say_that_it_cannot(tmp_path: Path) -> None:
    cannot = {"event": "error", "kind": "unsupported", "message": "one request at a time"}
    found = report(tmp_path, [HELLO | {"protocol": 1}, cannot])
    assert found.problem is None and found.error == {"kind": "unsupported", "message": "one request at a time"}


def test_odd_texts_of_an_error_are_kept_readably(tmp_path: Path) -> None:
    found = report(tmp_path, changed(4, **FAILED | {"error": "a\0b" + "c" * 9000})())
    assert found.problem is None and found.requests[1]["error"] == "a?b" + "c" * 3997


def test_a_request_that_begins_as_another_ends_is_not_in_flight_with_it() -> None:
    spans = [{"start_ns": 0, "end_ns": 5}, {"start_ns": 5, "end_ns": 9}, {"start_ns": 4, "end_ns": 4}]
    assert most_in_flight(spans[:2]) == 1
    assert most_in_flight([]) == 0


DUE = (0, 200, 250, 500)


def on_schedule(**changes: Any) -> dict[str, Any]:
    """The spec with an open level whose requests are due at DUE, or as changed."""
    opened = CASE | {"load": OPEN | {"arrivals_ns": list(DUE)} | changes}
    return SPEC | {"cases": [SPEC["cases"][0], opened]}


def test_an_open_loop_on_its_schedule_is_sound_whenever_it_began(tmp_path: Path) -> None:
    assert report(tmp_path, sound(), on_schedule()).problem is None
    assert report(tmp_path, sound(), on_schedule(arrivals_ns=[40, 240, 290])).problem is None


def test_a_request_that_was_put_off_until_the_engine_had_time_is_named(tmp_path: Path) -> None:
    """The schedule moves on with the engine there, and no queue is ever seen."""
    problem = report(tmp_path, sound(), on_schedule(arrivals_ns=[0, 200, 230, 500])).problem
    assert problem is not None and "stage of case 1: request 2 counts from 20 ns after it was due" in problem
