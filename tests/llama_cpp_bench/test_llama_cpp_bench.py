"""The adapter llama-cpp-bench on the embedded model as GGUF."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from adapter_launch import (
    DRAWN_CASES,
    GREEDY_CASES,
    PROMPT,
    AnswersOfEveryEngine,
    Outcome,
    Serve,
    case,
)

pytestmark = pytest.mark.real_engine

ENGINE = "llama_cpp"

CASES = GREEDY_CASES | DRAWN_CASES


@pytest.fixture(scope="module")
def again(serve: Serve, spec: dict[str, Any]) -> Outcome:
    """Another launch, with other code for the attention."""
    return serve(spec | {"options": {"flash_attention": True}})


def test_nothing_is_said_on_stderr(outcome: Outcome) -> None:
    assert outcome.stderr == ""


def test_hello_names_what_computes(outcome: Outcome) -> None:
    hello = outcome.event("hello")
    assert hello["build"]["xllamacpp"].split(".")[-1] in hello["version"]
    assert "CPU" in hello["build"]["system_info"]


class TestLlamaCpp(AnswersOfEveryEngine):
    """On CASES."""


def test_flash_attention_gives_the_same_greedy_and_drawn_ids(outcome: Outcome, again: Outcome) -> None:
    assert again.event("hello")["build"]["flash_attention"] is True
    for name in CASES:
        assert outcome.ids(name) == again.ids(name), name
    assert "margins" not in again.iteration("greedy")


def test_weights_that_are_no_gguf_are_refused(serve: Serve, spec: dict[str, Any]) -> None:
    status, kind, message = serve(spec | {"weights": "config.json"}).refusal()
    assert (status, kind) == (3, "unsupported")
    assert "llama.cpp opens GGUF files only" in message


def test_weights_of_another_dtype_are_a_bad_spec(serve: Serve, spec: dict[str, Any]) -> None:
    status, kind, message = serve(spec | {"dtype": "f16"}).refusal()
    assert (status, kind) == (2, "bad_spec")
    assert "holds other tensors" in message


def test_an_option_that_is_no_truth_value_is_refused(serve: Serve, spec: dict[str, Any]) -> None:
    status, _, message = serve(spec | {"options": {"flash_attention": "auto"}}).refusal()
    assert status == 3
    assert "'auto'; it must be true or false" in message


def test_requests_that_are_decoded_together_get_the_ids_that_each_gets_alone(
    serve: Serve, spec: dict[str, Any]
) -> None:
    prompts = [[*PROMPT[:2], *order] for order in itertools.permutations(PROMPT[2:])]
    load = {"mode": "closed", "concurrency": 3, "requests": 3, "duration_seconds": None}
    level = case(prompts=prompts, load=load | {"warmup_requests": 1, "timeout_seconds": 300})
    kept = {key: value for key, value in spec.items() if key not in ("warmup_iterations", "iterations", "load")}
    together = serve(kept | {"protocol": 2, "cases": [level], "stages": [0]})
    assert together.status == 0, together.stderr
    requests = [event for event in together.events if event["event"] == "request" and event["status"] == "ok"]
    assert {request["phase"] for request in requests} >= {"warmup", "measured"}
    assert together.event("load_end")["batch_size"] == 3
    assert together.event("stage")["ended"] == "requests"
    alone = serve(spec | {"cases": [case(prompt_ids=prompt) for prompt in prompts], "iterations": 1})
    for request in requests:
        assert request["token_ids"] == alone.events[3 + request["number"]]["token_ids"]


def test_an_open_loop_is_refused_by_name(serve: Serve, spec: dict[str, Any]) -> None:
    load = {"mode": "open", "requests_per_second": 2.0, "arrivals": "constant", "burstiness": 1.0, "seed": 0}
    load |= {"requests": 3, "duration_seconds": None, "warmup_requests": 0, "timeout_seconds": 300}
    kept = {key: value for key, value in spec.items() if key not in ("warmup_iterations", "iterations", "load")}
    asked = kept | {"protocol": 2, "cases": [case(prompts=[PROMPT], load=load)], "stages": [0]}
    status, kind, message = serve(asked).refusal()
    assert (status, kind) == (3, "unsupported")
    assert "'open'" in message
