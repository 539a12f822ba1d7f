"""The adapter pytorch-baseline on the embedded model. Starting Python with torch takes seconds, so tests share runs."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark_runner.schemas import require_valid

pytestmark = pytest.mark.real_engine

PROMPT = [504, 3575, 282, 4649, 314]
"""The capital of France is"""

GREEDY_IDS = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33]
"""What generate() of transformers 5.23.0 gives after PROMPT in f32 (greedy, dynamic cache); 198 is a line's end."""


def case(temperature: float = 0.0, top_p: float = 1.0, **changes: Any) -> dict[str, Any]:
    sampling = {"temperature": temperature, "top_p": top_p, "seed": 7}
    fixed = {"prompt_ids": PROMPT, "max_new_tokens": 12, "ignore_eos": True, "eos_ids": [198], "sampling": sampling}
    return fixed | changes


CASES = {
    "greedy": case(),
    "ends": case(ignore_eos=False),
    "nucleus": case(0.9, 0.9),
    "free": case(0.9),
    "narrow": case(0.9, 1e-6),
}


class Outcome(NamedTuple):
    status: int
    events: list[dict[str, Any]]
    stdout: str
    stderr: str

    def ids(self, name: str, index: int = 0) -> list[int]:
        return self.iteration(name, index)["token_ids"]

    def iteration(self, name: str, index: int = 0) -> dict[str, Any]:
        (found,) = [
            event
            for event in self.events
            if event["event"] == "iteration" and (event["case"], event["index"]) == (list(CASES).index(name), index)
        ]
        return found


@pytest.fixture(scope="module")
def spec(embedded_model: Path) -> dict[str, Any]:
    return {
        "protocol": 1,
        "model_dir": str(embedded_model),
        "weights": "model.safetensors",
        "dtype": "f32",
        "device": "cpu",
        "threads": 1,
        "max_seq_len": 20,
        "cases": list(CASES.values()),
        "warmup_iterations": 0,
        "iterations": 1,
        "load": {"mode": "closed", "concurrency": 1},
        "options": {},
    }


@pytest.fixture(scope="module")
def serve(
    program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], Outcome]:
    binary = program("pytorch_baseline")

    def serve(spec: dict[str, Any]) -> Outcome:
        require_valid("spec", spec, "the test's spec")
        folder = tmp_path_factory.mktemp("launch")
        (folder / "spec.json").write_text(json.dumps(spec))
        ended = subprocess.run(
            [str(binary), "--spec", str(folder / "spec.json"), "--events", str(folder / "events.jsonl")],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=folder,
        )
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        for event in events:
            require_valid("event", event, str(event))
        return Outcome(ended.returncode, events, ended.stdout, ended.stderr)

    return serve


@pytest.fixture(scope="module")
def outcome(serve: Callable[[dict[str, Any]], Outcome], spec: dict[str, Any]) -> Outcome:
    return serve(spec | {"iterations": 2, "options": {"margins": True}})


@pytest.fixture(scope="module")
def again(serve: Callable[[dict[str, Any]], Outcome], spec: dict[str, Any]) -> Outcome:
    """Another launch, with other code for the attention."""
    return serve(spec | {"options": {"attention": "eager"}})


def test_a_launch_ends_well_and_quietly(outcome: Outcome) -> None:
    assert outcome.status == 0, outcome.stderr
    assert outcome.events[-1] == {"event": "done"}
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_hello_names_what_computes(outcome: Outcome) -> None:
    hello = outcome.events[0]
    assert hello["build"].keys() >= {"torch", "transformers", "cpu_capability", "mkldnn", "parallel"}
    assert hello["build"]["torch"] in hello["version"]


def test_load_end_tells_threads_and_types(outcome: Outcome) -> None:
    (load_end,) = [event for event in outcome.events if event["event"] == "load_end"]
    assert (load_end["threads"], load_end["device"], load_end["kv_cache_dtype"]) == (1, "cpu", "f32")


def test_greedy_ids_are_those_of_generate_in_each_round(outcome: Outcome) -> None:
    assert outcome.ids("greedy", 0) == outcome.ids("greedy", 1) == GREEDY_IDS


def test_eos_ends_a_sequence_only_where_it_counts(outcome: Outcome) -> None:
    assert outcome.ids("ends") == GREEDY_IDS[:3]
    assert outcome.iteration("ends")["finish"] == "eos"
    assert outcome.iteration("greedy")["finish"] == "length"


def test_rounds_draw_different_ids(outcome: Outcome) -> None:
    assert outcome.ids("free", 0) != outcome.ids("free", 1)
    assert outcome.ids("nucleus", 0) != outcome.ids("nucleus", 1)
    assert outcome.ids("nucleus", 0) != GREEDY_IDS


def test_the_smallest_nucleus_is_the_best_token(outcome: Outcome) -> None:
    assert outcome.ids("narrow") == GREEDY_IDS


def test_margins_are_positive_and_one_a_token(outcome: Outcome) -> None:
    margins = outcome.iteration("greedy")["margins"]
    assert len(margins) == 12
    assert min(margins) > 0


def test_another_launch_gives_the_same_greedy_and_drawn_ids(outcome: Outcome, again: Outcome) -> None:
    for name in CASES:
        assert outcome.ids(name) == again.ids(name), name
    assert "margins" not in again.iteration("greedy")


def changed(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(spec) | changes


def test_options_that_it_does_not_know_are_refused(serve: Callable[..., Outcome], spec: dict[str, Any]) -> None:
    refused = serve(changed(spec, options={"attention": "flash"}))
    assert (refused.status, [event["event"] for event in refused.events]) == (3, ["hello", "error"])
    assert "'flash'; it must be one of sdpa, eager" in refused.events[1]["message"]


def test_a_folder_without_a_model_is_a_bad_spec(
    serve: Callable[..., Outcome], spec: dict[str, Any], tmp_path: Path
) -> None:
    refused = serve(changed(spec, model_dir=str(tmp_path)))
    assert (refused.status, refused.events[-1]["kind"]) == (2, "bad_spec")
    assert "holds no config.json" in refused.events[-1]["message"]


def test_ids_that_the_model_does_not_know_are_a_bad_spec(serve: Callable[..., Outcome], spec: dict[str, Any]) -> None:
    refused = serve(changed(spec, cases=[case(prompt_ids=[49152])], dtype="bf16"))
    assert refused.status == 2
    assert "the model knows 49152 tokens" in refused.events[-1]["message"]
