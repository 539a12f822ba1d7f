"""The adapter llama-cpp-bench on the embedded model as GGUF."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_launch import (
    DRAWN_CASES,
    GREEDY_CASES,
    AnswersOfEveryEngine,
    AnswersUnderLoad,
    Outcome,
    Serve,
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


class TestLlamaCppUnderLoad(AnswersUnderLoad):
    """With places of their own in one KV cache."""

    BATCHING = "continuous"
