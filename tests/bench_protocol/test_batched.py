"""Requests in flight together: what a closed loop of an engine in its own process measures, by a clock of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench_protocol import BadSpecError, Capabilities, Case, Description, Loaded, Spec, Timings, UnsupportedError
from bench_protocol.batched import BatchedEngine, LoadEngine, StaticBatches, run_stages
from bench_protocol.events import EventLog
from bench_protocol.refusals import refuse
from bench_protocol.spec import parse_spec
from bench_protocol.stage import Request
from benchmark_runner.protocol.requests import LoadReader
from benchmark_runner.schemas import require_valid

VOCABULARY = 50
PREFILL_NS, STEP_NS = 30, 10

Logits = npt.NDArray[np.float32]


class Metronome(BatchedEngine):
    """Answers with the prompt's last id plus one, plus two …; a prompt takes 30 ns, a step of all sequences 10."""

    def __init__(self) -> None:
        self.time_ns = 1000
        self.held: dict[int, int] = {}
        self.resets = 0

    def now_ns(self) -> int:
        return self.time_ns

    def _logits(self, places: Sequence[int]) -> Logits:
        logits = np.zeros((len(places), VOCABULARY), dtype=np.float32)
        for row, place in enumerate(places):
            self.held[place] += 1
            logits[row, self.held[place] % VOCABULARY] = 1.0
        return logits

    def prefill(self, places: Sequence[int], prompts: Sequence[Sequence[int]]) -> Logits:
        assert not set(places) & self.held.keys(), "a place was given away before it was empty"
        self.time_ns += PREFILL_NS * len(places)
        self.held.update({place: prompt[-1] for place, prompt in zip(places, prompts, strict=True)})
        return self._logits(places)

    def step(self, places: Sequence[int], ids: Sequence[int]) -> Logits:
        assert [self.held[place] % VOCABULARY for place in places] == list(ids)
        self.time_ns += STEP_NS
        return self._logits(places)

    def release(self, place: int) -> None:
        del self.held[place]

    def wait_until(self, time_ns: int) -> None:
        self.time_ns = max(self.time_ns, time_ns)

    def configure(self, options: dict[str, Any]) -> None: ...

    def describe(self) -> Description:
        raise NotImplementedError

    def load(self, spec: Spec) -> Loaded:
        raise NotImplementedError

    def reset(self) -> None:
        self.resets += 1
        self.held.clear()

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        raise NotImplementedError


def spec_of(*levels: dict[str, Any], prompts: int = 40, **case: Any) -> dict[str, Any]:
    load = {"mode": "closed", "concurrency": 2, "requests": 4, "duration_seconds": None}
    load |= {"warmup_requests": 2, "timeout_seconds": 60}
    entry = {
        "prompt_ids": [1, 7],
        "max_new_tokens": 3,
        "ignore_eos": True,
        "eos_ids": [2],
        "sampling": {"temperature": 0, "top_p": 1.0, "seed": 0},
        "prompts": [[1, 3 + number % 20] for number in range(prompts)],
    } | case
    named = {"model_dir": "/models/tiny", "weights": "model.safetensors", "dtype": "f32", "device": "cpu", "threads": 1}
    cases, stages = [entry | {"load": load | level} for level in levels], list(range(len(levels)))[::-1]
    return {"protocol": 2, **named, "max_seq_len": 64, "cases": cases, "stages": stages, "options": {}}


def open_spec(every_ns: int = 100, prompts: int = 40, **level: Any) -> dict[str, Any]:
    """An open level of constant arrivals, the first of them due as the level starts."""
    content = spec_of({"mode": "open"}, prompts=prompts)
    load = content["cases"][0]["load"]
    del load["concurrency"]
    drawn = {"requests_per_second": 1e9 / every_ns, "arrivals": "constant", "burstiness": 1.0, "seed": 0}
    load |= drawn | {"arrivals_ns": [every_ns * number for number in range(prompts + 1)]} | level
    return content


def events_of(engine: LoadEngine, content: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    require_valid("spec", content, "the test's spec")
    run_stages(engine, parse_spec(content), EventLog(folder / "events.jsonl"))
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    reader = LoadReader(content, VOCABULARY)
    for event in events:
        require_valid("event", event, str(event))
        reader.take_stage(event) if event["event"] == "stage" else reader.take_request(event)
    return events


def of_phase(events: list[dict[str, Any]], phase: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == "request" and event["phase"] == phase]


def most_in_flight(requests: list[dict[str, Any]], time_ns: int) -> int:
    return sum(one["start_ns"] <= time_ns < one["end_ns"] for one in requests)


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


class Ensemble(StaticBatches):
    """Answers with the prompt's last id plus one, plus two …; a batch takes 30 ns and 10 for each further token."""

    def __init__(self) -> None:
        self.time_ns = 1000

    now_ns = Metronome.now_ns
    wait_until = Metronome.wait_until
    configure = Metronome.configure
    describe = Metronome.describe
    load = Metronome.load
    generate = Metronome.generate

    def reset(self) -> None: ...

    def decode(self, case: Case, batch: Sequence[Request], push: Callable[[Request, int], bool]) -> None:
        wanting, step = list(batch), 0
        while wanting:
            step += 1
            self.time_ns += STEP_NS if step > 1 else PREFILL_NS
            wanting = [one for one in wanting if push(one, (case.prompts[one.number][-1] + step) % VOCABULARY)]


def test_static_batches_begin_when_the_one_before_has_ended_and_waiting_counts(tmp_path: Path) -> None:
    events = events_of(Ensemble(), open_spec(20, requests=4, warmup_requests=0), tmp_path)
    first, second, third, *_ = events[:-1]
    # The first is alone from 1000 to 1050; those of 1020 and 1040 then begin together.
    assert (first["written_ns"], first["chunk_ns"]) == (1000, [1030, 1040, 1050])
    assert [one["scheduled_ns"] for one in (second, third)] == [1020, 1040]
    assert [one["written_ns"] for one in (second, third)] == [1050, 1050]
    assert second["chunk_ns"] == third["chunk_ns"] == [1080, 1090, 1100]


def test_a_closed_loop_of_static_batches_counts_from_the_end_of_the_request_before(tmp_path: Path) -> None:
    """Of two the first ends a step earlier: what follows it waits that step for the batch to end."""
    each = [2, 3] * 20
    events = events_of(Ensemble(), spec_of({"warmup_requests": 0}, max_new_tokens_each=each), tmp_path)
    first, second, third, fourth = of_phase(events, "measured")
    assert (first["end_ns"], second["end_ns"]) == (1040, 1050)
    assert (third["scheduled_ns"], fourth["scheduled_ns"]) == (1040, 1050)
    assert third["written_ns"] == fourth["written_ns"] == 1050
    assert {most_in_flight(events[:-1], at) for at in range(1000, events[-1]["window_end_ns"])} == {2}
