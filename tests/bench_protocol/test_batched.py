"""Requests in flight together: what a closed loop of an engine in its own process measures, by a clock of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench_protocol import BadSpecError, Capabilities, UnsupportedError
from bench_protocol.refusals import refuse
from bench_protocol.spec import parse_spec
from served_level import Metronome, events_of, most_in_flight, of_phase, open_spec, spec_of


def test_the_load_stays_what_was_asked_for_until_the_last_measured_request_has_ended(tmp_path: Path) -> None:
    events = events_of(Metronome(), spec_of({}, max_new_tokens=4), tmp_path)
    stage, requests = events[-1], events[:-1]
    inside = range(stage["window_start_ns"], stage["window_end_ns"])
    assert {most_in_flight(requests, time_ns) for time_ns in inside} == {2}
    assert [one["number"] for one in requests] == list(range(len(requests)))


def test_times_are_those_of_prompt_and_steps(tmp_path: Path) -> None:
    first, second, *_ = events_of(Metronome(), spec_of({}), tmp_path)
    # Two prompts are read together, then both go on in steps.
    for request, id_before in ((first, 3), (second, 4)):
        assert request["scheduled_ns"] == request["start_ns"] == 1000
        assert request["chunk_ns"] == [1060, 1070, 1080]
        assert request["token_ids"] == [id_before + 1, id_before + 2, id_before + 3]
        assert (request["finish"], request["status"], request["end_ns"]) == ("length", "ok", 1080)
        assert (request["prompt_tokens"], request["completion_tokens"], request["cached_tokens"]) == (2, 3, 0)


def test_warm_up_comes_first_and_hands_its_place_over_at_once(tmp_path: Path) -> None:
    events = events_of(Metronome(), spec_of({}), tmp_path)
    warm, measured = of_phase(events, "warmup"), of_phase(events, "measured")
    assert (len(warm), len(measured)) == (2, 4)
    assert measured[0]["start_ns"] == warm[0]["end_ns"] == events[-1]["window_start_ns"]
    assert events[-1]["window_end_ns"] == measured[-1]["end_ns"]


def test_what_fills_the_places_at_the_end_is_cancelled_and_kept_apart(tmp_path: Path) -> None:
    # The second of two ends one step before the first: what takes its place is cut off with the first.
    case = {"ignore_eos": False, "eos_ids": [9], "max_new_tokens": 9}
    events = events_of(Metronome(), spec_of({"requests": 2, "warmup_requests": 0}, **case), tmp_path)
    assert [len(one["token_ids"]) for one in of_phase(events, "measured")] == [6, 5]
    (filler,) = of_phase(events, "filler")
    assert (filler["status"], filler["finish"], filler["error"]) == ("cancelled", None, None)
    assert 0 < len(filler["token_ids"]) < 4
    assert filler["end_ns"] >= events[-1]["window_end_ns"]


def test_turns_of_a_conversation_come_a_pause_after_the_answers_before_them(tmp_path: Path) -> None:
    level = {"turns": 3, "think_seconds": 4e-8, "requests": 12, "warmup_requests": 6}
    events = events_of(Metronome(), spec_of(level, prompts=60, max_new_tokens_each=[1, 2, 3] * 20), tmp_path)
    requests = {one["prompt"]: one for one in events[:-1]}
    assert [one["prompt"] for one in events[:2]] == [0, 4]  # conversations begin at turns 0 and 1
    followed = [prompt for prompt in requests if prompt % 3 and prompt - 1 in requests]
    assert len(followed) >= 8
    for prompt in followed:
        assert requests[prompt]["scheduled_ns"] == requests[prompt - 1]["end_ns"] + 40
    for prompt, one in requests.items():
        if one["status"] == "ok":
            assert one["token_ids"] == [4 + prompt % 20 + step for step in range(1 + prompt % 3)]
    assert events[-1]["ended"] == "requests"


def test_a_conversation_that_the_prompts_do_not_hold_is_not_begun(tmp_path: Path) -> None:
    level = {"turns": 3, "think_seconds": 0, "requests": 40, "warmup_requests": 0}
    events = events_of(Metronome(), spec_of(level, prompts=12), tmp_path)
    assert events[-1]["ended"] == "prompts"
    assert len(events) - 1 <= 12


def test_a_duration_measures_what_begins_within_it(tmp_path: Path) -> None:
    level = {"requests": None, "duration_seconds": 2e-7, "warmup_requests": 2}
    events = events_of(Metronome(), spec_of(level), tmp_path)
    begun, measured = events[-1]["window_start_ns"], of_phase(events, "measured")
    assert events[-1]["ended"] == "duration"
    assert all(one["start_ns"] < begun + 200 for one in measured)
    assert all(one["start_ns"] >= begun + 200 for one in of_phase(events, "filler"))
    assert len(measured) > 2


def test_prompts_that_run_out_end_the_stage_and_say_so(tmp_path: Path) -> None:
    events = events_of(Metronome(), spec_of({"requests": 30}, prompts=6), tmp_path)
    assert events[-1]["ended"] == "prompts"
    assert len(events) == 7


def test_a_request_that_takes_too_long_is_a_timeout_and_its_place_is_used_again(tmp_path: Path) -> None:
    level = {"timeout_seconds": 1e-7, "requests": 2, "warmup_requests": 0, "concurrency": 1}
    events = events_of(Metronome(), spec_of(level, max_new_tokens=30), tmp_path)
    measured = of_phase(events, "measured")
    assert [one["status"] for one in measured] == ["timeout", "timeout"]
    assert all(one["finish"] is None and 0 < len(one["chunk_ns"]) < 30 for one in measured)


def test_an_end_of_sequence_id_ends_a_request(tmp_path: Path) -> None:
    events = events_of(Metronome(), spec_of({}, ignore_eos=False, eos_ids=[5], max_new_tokens=9), tmp_path)
    assert (events[0]["token_ids"], events[0]["finish"]) == ([4, 5], "eos")


def test_levels_run_in_the_spec_s_order_with_empty_caches(tmp_path: Path) -> None:
    engine = Metronome()
    events = events_of(engine, spec_of({}, {"concurrency": 4}), tmp_path)
    assert [event["case"] for event in events if event["event"] == "stage"] == [1, 0]
    assert engine.resets == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"duration_seconds": 2}, "requests or duration_seconds, exactly one"),
        ({"concurrency": 0}, "load.concurrency is 0"),
        ({"requests": -3}, "load.requests is -3"),
        ({"pauses": 1}, "unknown key cases[0].load.pauses"),
    ],
)
def test_a_load_that_cannot_be_is_a_bad_spec(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSpecError) as caught:
        parse_spec(spec_of(change))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("stages", "prompts"),
    [([0, 0], [[1]]), ([1], [[1]]), ([0], []), ([0], [[]]), ([0], [[1, -4]])],
)
def test_stages_and_prompts_that_cannot_be_are_a_bad_spec(stages: list[int], prompts: list[list[int]]) -> None:
    content = spec_of({}) | {"stages": stages}
    content["cases"][0]["prompts"] = prompts
    with pytest.raises(BadSpecError):
        parse_spec(content)


@pytest.mark.parametrize(
    ("most", "load", "words"),
    [
        (1, {"concurrency": 1}, "serves one request after the other"),
        (4, {"concurrency": 8}, "load.concurrency 8 is asked for; this engine serves 4"),
        (4, {"mode": "open"}, "load.mode 'open'"),
        (4, {"mode": "open", "slots": 9}, "cases[0].load.slots 9 is asked for; this engine serves 4"),
    ],
)
def test_a_load_that_the_engine_cannot_serve_is_refused_by_name(most: int, load: dict[str, Any], words: str) -> None:
    content = spec_of(load)
    if "mode" in load:
        content = open_spec(**load)
    can = Capabilities.of_logits(["cpu"], ["f32"])._replace(max_concurrency=most)
    can = can.under_load(most) if "slots" in load else can
    with pytest.raises(UnsupportedError) as caught:
        refuse(parse_spec(content), can)
    assert words in str(caught.value)


def test_each_request_ends_at_its_own_length_where_it_has_one(tmp_path: Path) -> None:
    each = [1 + number % 3 for number in range(40)]
    requests = events_of(Metronome(), spec_of({}, max_new_tokens_each=each), tmp_path)[:-1]
    ended = [one for one in requests if one["status"] == "ok"]
    assert [len(one["token_ids"]) for one in ended] == [each[one["number"]] for one in ended]
    for wrong in ([1] * 39, [4] * 40, [0] * 40):
        with pytest.raises(BadSpecError, match="max_new_tokens_each must have a number for each prompt, from 1"):
            parse_spec(spec_of({}, max_new_tokens_each=wrong))


def test_requests_that_come_while_a_step_runs_wait_for_its_end_and_count_from_when_they_were_due(
    tmp_path: Path,
) -> None:
    """Due every 25 ns: 30 ns a prompt, 10 a step of all; worked out by hand."""
    requests = events_of(Metronome(), open_spec(25, requests=3, warmup_requests=0), tmp_path)[:-1]
    assert [one["scheduled_ns"] for one in requests[:3]] == [1000, 1025, 1050]
    assert [one["start_ns"] for one in requests[:3]] == [1000, 1025, 1050]
    # 0 is read until 1030 and stepped until 1040. Then 1 is read until 1070, while 0 waits for its last token.
    assert [one["written_ns"] for one in requests[:3]] == [1000, 1040, 1080]
    assert [one["chunk_ns"] for one in requests[:2]] == [[1030, 1040, 1080], [1070, 1080, 1150]]
    # 2 and the filler that came at 1075 are read together; that of 1100, the last one, holds up the third token of 2.
    assert requests[2]["chunk_ns"] == [1140, 1150, 1190]
    assert [(one["phase"], one["scheduled_ns"]) for one in requests[3:]] == [("filler", 1075), ("filler", 1100)]


def test_an_engine_that_is_faster_than_the_arrivals_waits_for_each(tmp_path: Path) -> None:
    events = events_of(Metronome(), open_spec(100, requests=4, warmup_requests=1), tmp_path)
    stage, requests = events[-1], events[:-1]
    assert [one["phase"] for one in requests] == ["warmup", *["measured"] * 4]
    for number, one in enumerate(requests):
        due_ns = 1000 + 100 * number
        assert (one["scheduled_ns"], one["written_ns"]) == (due_ns, due_ns)
        assert one["chunk_ns"] == [due_ns + 30, due_ns + 40, due_ns + 50]
    # The gap behind the last arrival belongs to the window, and the stage lasts as long.
    assert (stage["window_start_ns"], stage["window_end_ns"], stage["end_ns"]) == (1100, 1500, 1500)
    assert (stage["ended"], stage["sockets_max"]) == ("requests", 1)


def test_a_duration_ends_with_the_first_arrival_that_is_measured_no_more(tmp_path: Path) -> None:
    level = {"requests": None, "duration_seconds": 2.5e-7, "warmup_requests": 1}
    events = events_of(Metronome(), open_spec(100, **level), tmp_path)
    assert [one["scheduled_ns"] for one in of_phase(events, "measured")] == [1100, 1200, 1300]
    assert (events[-1]["window_end_ns"], events[-1]["ended"]) == (1400, "duration")


def test_no_more_are_decoded_at_once_than_there_are_places_and_the_rest_wait_their_turn(tmp_path: Path) -> None:
    """All of an overload, at one time: 16 places, three answers of three tokens in a row."""
    content = open_spec(1, requests=40, warmup_requests=0)
    content["cases"][0]["load"]["arrivals_ns"] = [0] * 40
    events = events_of(Metronome(), content, tmp_path)
    took = [one["written_ns"] for one in events[:-1]]
    assert [took.count(at) for at in sorted(set(took))] == [16, 16, 8]
    assert took == sorted(took)
    assert events[-1]["sockets_max"] == 40
    assert {one["status"] for one in events[:-1]} == {"ok"}


def test_a_request_that_waits_too_long_for_a_place_is_a_timeout_that_was_never_taken_up(tmp_path: Path) -> None:
    content = open_spec(1, requests=20, warmup_requests=0, timeout_seconds=4.95e-7)
    content["cases"][0]["load"]["arrivals_ns"] = [0] * 40
    requests = events_of(Metronome(), content, tmp_path)[:20]
    assert [one["status"] for one in requests] == ["ok"] * 16 + ["timeout"] * 4
    assert all((one["written_ns"], one["chunk_ns"]) == (None, []) for one in requests[16:])


def test_fillers_arrive_until_the_last_measured_request_has_ended_and_at_most_as_long_again(tmp_path: Path) -> None:
    """Each answer takes 1000 ns: the five arrivals of 400 ns are followed by four more, whatever is still in flight."""
    events = events_of(Metronome(), open_spec(100, requests=5, warmup_requests=0), tmp_path)
    assert not of_phase(events, "filler")
    content = open_spec(100, requests=5, warmup_requests=0)
    content["max_seq_len"] = content["cases"][0]["max_new_tokens"] = 99
    content["max_seq_len"] += 2
    fillers = of_phase(events_of(Metronome(), content, tmp_path / "long"), "filler")
    assert [one["scheduled_ns"] for one in fillers] == [1500, 1600, 1700, 1800]
    assert {one["status"] for one in fillers} == {"cancelled"}


def test_a_trace_ends_with_its_last_arrival_and_its_window_by_its_own_mean_gap(tmp_path: Path) -> None:
    due = [0, 10, 200, 270, 500]
    content = open_spec(requests=4, warmup_requests=1, prompts=5, arrivals="trace", arrivals_ns=due)
    events = events_of(Metronome(), content, tmp_path)
    assert [one["scheduled_ns"] - 1000 for one in events[:-1]] == due
    assert events[-1]["window_end_ns"] == 1500 + round(490 / 3)


@pytest.mark.parametrize("due", [[], [5, 4], [0] * 39, [0] * 42, [-1] * 40])
def test_arrivals_that_cannot_be_are_a_bad_spec(due: list[int]) -> None:
    with pytest.raises(BadSpecError, match=r"load\.arrivals_ns"):
        parse_spec(open_spec(arrivals_ns=due))
