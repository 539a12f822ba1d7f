"""Requests in flight together: what a closed loop of an engine in its own process measures, by a clock of the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench_protocol import BadSpecError, Capabilities, Case, Description, Loaded, Spec, Timings, UnsupportedError
from bench_protocol.batched import BatchedEngine, run_stages
from bench_protocol.events import EventLog
from bench_protocol.refusals import refuse
from bench_protocol.spec import parse_spec
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
    return {
        "protocol": 2,
        "model_dir": "/models/tiny",
        "weights": "model.safetensors",
        "dtype": "f32",
        "device": "cpu",
        "threads": 1,
        "max_seq_len": 64,
        "cases": [entry | {"load": load | level} for level in levels],
        "stages": list(range(len(levels)))[::-1],
        "options": {},
    }


def events_of(engine: BatchedEngine, content: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
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
        (4, {"mode": "open", "requests_per_second": 2.5}, "load.mode 'open'"),
    ],
)
def test_a_load_that_the_engine_cannot_serve_is_refused_by_name(most: int, load: dict[str, Any], words: str) -> None:
    content = spec_of(load)
    if "mode" in load:
        del content["cases"][0]["load"]["concurrency"]
    can = Capabilities.of_logits(["cpu"], ["f32"])._replace(max_concurrency=most)
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
