"""Levels of load for an engine in its own process on a clock of the tests, and what it writes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench_protocol import Case, Description, Loaded, Spec, Timings
from bench_protocol.batched import BatchedEngine, LoadEngine, run_stages
from bench_protocol.events import EventLog
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
