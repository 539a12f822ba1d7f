"""The adapter pytorch-baseline on the embedded model. Starting Python with torch takes seconds, so tests share runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import (
    DRAWN_CASES,
    GREEDY_CASES,
    GREEDY_IDS,
    AnswersOfEveryEngine,
    AnswersUnderLoad,
    Outcome,
    Serve,
)

pytestmark = pytest.mark.real_engine

ENGINE = "pytorch_baseline"

CASES = GREEDY_CASES | DRAWN_CASES


@pytest.fixture(scope="module")
def again(serve: Serve, spec: dict[str, Any]) -> Outcome:
    """Another launch, with other code for the attention."""
    return serve(spec | {"options": {"attention": "eager"}})


def test_nothing_is_said_on_stderr(outcome: Outcome) -> None:
    assert outcome.stderr == ""


def test_hello_names_what_computes(outcome: Outcome) -> None:
    hello = outcome.events[0]
    assert hello["build"].keys() >= {"torch", "transformers", "cpu_capability", "mkldnn", "parallel"}
    assert hello["build"]["torch"] in hello["version"]


def test_load_end_names_the_vector_instructions_that_torch_chose(outcome: Outcome) -> None:
    capability = outcome.event("hello")["build"]["cpu_capability"]
    assert outcome.event("load_end").get("simd") == {"AVX2": "avx2", "AVX512": "avx512", "SVE256": "sve256"}.get(
        capability
    )


class TestPytorchBaseline(AnswersOfEveryEngine):
    """On CASES."""


def test_rounds_draw_different_ids_from_a_nucleus(outcome: Outcome) -> None:
    assert outcome.ids("nucleus", 0) != outcome.ids("nucleus", 1)
    assert outcome.ids("nucleus", 0) != GREEDY_IDS


def test_another_launch_gives_the_same_greedy_and_drawn_ids(outcome: Outcome, again: Outcome) -> None:
    for name in CASES:
        assert outcome.ids(name) == again.ids(name), name
    assert "margins" not in again.iteration("greedy")


class TestPytorchBaselineUnderLoad(AnswersUnderLoad):
    """With a cache of rows."""

    BATCHING = "continuous"


def changed(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(spec) | changes


def test_options_that_it_does_not_know_are_refused(serve: Serve, spec: dict[str, Any]) -> None:
    refused = serve(changed(spec, options={"attention": "flash"}))
    assert (refused.status, [event["event"] for event in refused.events]) == (3, ["hello", "error"])
    assert "'flash'; it must be one of sdpa, eager" in refused.events[1]["message"]


def test_a_folder_without_a_model_is_a_bad_spec(serve: Serve, spec: dict[str, Any], tmp_path: Path) -> None:
    refused = serve(changed(spec, model_dir=str(tmp_path)))
    assert (refused.status, refused.events[-1]["kind"]) == (2, "bad_spec")
    assert "holds no model.safetensors" in refused.events[-1]["message"]
