"""The adapter llama-cpp-bench on the embedded model as GGUF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import (
    DRAWN_CASES,
    GREEDY_CASES,
    GREEDY_IDS,
    GREEDY_MARGINS,
    MARGIN_TOLERANCE,
    Outcome,
    Serve,
    case,
    make_spec,
    run_adapter,
)

pytestmark = pytest.mark.real_engine

CASES = GREEDY_CASES | DRAWN_CASES


@pytest.fixture(scope="module")
def spec(opened_by: Callable[[str], tuple[Path, str]]) -> dict[str, Any]:
    return make_spec(*opened_by("llama_cpp"), CASES)


@pytest.fixture(scope="module")
def serve(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Serve:
    binary = program("llama_cpp")
    return lambda spec: run_adapter(binary, tmp_path_factory.mktemp("launch"), spec, list(CASES))


@pytest.fixture(scope="module")
def outcome(serve: Serve, spec: dict[str, Any]) -> Outcome:
    return serve(spec | {"iterations": 2, "options": {"margins": True}})


@pytest.fixture(scope="module")
def again(serve: Serve, spec: dict[str, Any]) -> Outcome:
    """Another launch, with other code for the attention."""
    return serve(spec | {"options": {"flash_attention": True}})


def test_a_launch_ends_well_and_quietly(outcome: Outcome) -> None:
    assert outcome.status == 0, outcome.stderr
    assert outcome.events[-1] == {"event": "done"}
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_hello_names_what_computes(outcome: Outcome) -> None:
    hello = outcome.event("hello")
    assert hello["build"]["xllamacpp"].split(".")[-1] in hello["version"]
    assert "CPU" in hello["build"]["system_info"]


def test_the_cache_has_the_type_that_was_asked_for(outcome: Outcome) -> None:
    load_end = outcome.event("load_end")
    assert (load_end["threads"], load_end["device"], load_end["kv_cache_dtype"]) == (1, "cpu", "f32")
    assert (load_end["batch_size"], load_end["compiled_graph"]) == (1, False)


def test_greedy_ids_are_those_of_transformers_in_each_round(outcome: Outcome) -> None:
    assert outcome.ids("greedy", 0) == outcome.ids("greedy", 1) == GREEDY_IDS


def test_eos_ends_a_sequence_only_where_it_counts(outcome: Outcome) -> None:
    assert outcome.ids("ends") == GREEDY_IDS[:3]
    assert outcome.iteration("ends")["finish"] == "eos"
    assert outcome.iteration("greedy")["finish"] == "length"


def test_rounds_draw_different_ids(outcome: Outcome) -> None:
    assert outcome.ids("free", 0) != outcome.ids("free", 1)
    assert outcome.ids("narrow") == GREEDY_IDS


def test_margins_tell_that_weights_and_cache_are_f32(outcome: Outcome) -> None:
    assert outcome.iteration("greedy")["margins"] == pytest.approx(GREEDY_MARGINS, abs=MARGIN_TOLERANCE)


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


def test_ids_that_the_model_does_not_know_are_a_bad_spec(serve: Serve, spec: dict[str, Any]) -> None:
    status, _, message = serve(spec | {"cases": [case(prompt_ids=[49152])]}).refusal()
    assert status == 2
    assert "the model knows 49152 tokens" in message


def test_an_option_that_is_no_truth_value_is_refused(serve: Serve, spec: dict[str, Any]) -> None:
    status, _, message = serve(spec | {"options": {"flash_attention": "auto"}}).refusal()
    assert status == 3
    assert "'auto'; it must be true or false" in message
