"""The adapter ctranslate2-bench on the embedded model in CTranslate2's format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import (
    DRAWN_CASES,
    GREEDY_CASES,
    AnswersOfEveryEngine,
    AnswersUnderLoad,
    Outcome,
    Serve,
    case,
)

pytestmark = pytest.mark.real_engine

ENGINE = "ctranslate2"

FED = [504, 198, 2, 0, 49151, 7042, 30, 198, 198, 504, 2988, 314]
"""Special tokens and the last of the vocabulary among them."""

CASES = GREEDY_CASES | DRAWN_CASES | {"fed": case(forced_ids=FED), "short": case(prompt_ids=[504], forced_ids=FED)}


def test_a_launch_ends_well_and_the_log_names_what_computes(outcome: Outcome) -> None:
    assert outcome.status == 0, outcome.stderr
    assert outcome.events[-1] == {"event": "done"}
    assert outcome.stdout == ""
    assert "SGEMM backend" in outcome.stderr
    isa = re.search(r"Selected ISA: (\w+)", outcome.stderr)
    assert isa is not None
    assert outcome.event("load_end").get("simd", "GENERIC").upper() == isa[1]


def test_hello_names_the_version(outcome: Outcome) -> None:
    hello = outcome.event("hello")
    assert hello["version"] == f"ctranslate2 {hello['build']['ctranslate2']}"
    assert "float32" in hello["build"]["compute_types"]
    assert hello["capabilities"]["seed"] is False


class TestCTranslate2(AnswersOfEveryEngine):
    """On CASES."""


class TestCTranslate2UnderLoad(AnswersUnderLoad):
    """In batches that none joins."""

    BATCHING = "static"


def test_after_forced_ids_the_engine_chooses_as_after_a_prompt_that_ends_in_them(
    serve: Serve, spec: dict[str, Any], outcome: Outcome
) -> None:
    for name, start in (("fed", [504, 3575, 282, 4649, 314]), ("short", [504])):
        chosen = outcome.ids(name)
        assert len(chosen) == len(FED)
        prompts = [start + FED[:step] for step in range(len(FED))]
        free = serve(spec | {"cases": [case(prompt_ids=prompt, max_new_tokens=1) for prompt in prompts]})
        assert [event["token_ids"][0] for event in free.events if event["event"] == "iteration"] == chosen


def test_margins_are_absent_unless_asked_for(serve: Serve, spec: dict[str, Any]) -> None:
    found = serve(spec | {"cases": [case()]})
    assert found.status == 0, found.stderr
    assert "margins" not in found.events[-2]


def test_weights_under_another_name_are_refused(serve: Serve, spec: dict[str, Any]) -> None:
    status, kind, message = serve(spec | {"weights": "config.json"}).refusal()
    assert (status, kind) == (3, "unsupported")
    assert "CTranslate2 opens model.bin only" in message


def test_a_folder_in_another_format_is_a_bad_spec(serve: Serve, spec: dict[str, Any], embedded_model: Path) -> None:
    status, kind, message = serve(spec | {"model_dir": str(embedded_model)}).refusal()
    assert (status, kind) == (2, "bad_spec")
    assert "holds no model.bin" in message


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_number_types_that_the_library_would_not_compute_in_are_refused(
    serve: Serve, spec: dict[str, Any], dtype: str
) -> None:
    status, kind, message = serve(spec | {"dtype": dtype}).refusal()
    assert (status, kind) == (3, "unsupported")
    assert "this engine computes in f32" in message


@pytest.mark.parametrize("changes", [{"prompt_ids": [49152]}, {"forced_ids": [49152] * 12}])
def test_ids_that_the_model_does_not_know_are_a_bad_spec(
    serve: Serve, spec: dict[str, Any], changes: dict[str, Any]
) -> None:
    status, _, message = serve(spec | {"cases": [case(**changes)]}).refusal()
    assert status == 2
    assert "the model knows 49152 tokens" in message
