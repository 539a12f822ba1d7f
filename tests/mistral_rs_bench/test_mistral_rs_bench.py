"""The adapter mistral-rs-bench on the embedded model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import (
    GREEDY_CASES,
    GREEDY_IDS,
    AnswersOfEveryEngine,
    Outcome,
    Serve,
    case,
)

pytestmark = pytest.mark.real_engine

ENGINE = "mistral_rs"

SPECIAL_PROMPT = [1, 9690, 198, 2, 17, 7936, 15855]
"""With special tokens, and pieces of words that no tokenizer would put beside each other."""

CASES = GREEDY_CASES | {
    "one_of_three": case(ignore_eos=False, eos_ids=[2, 2988, 42]),
    "first": case(ignore_eos=False, eos_ids=[7042], max_new_tokens=1),
    "free": case(0.9),
    "narrow": case(0.9, 1e-6),
    "special": case(prompt_ids=SPECIAL_PROMPT, max_new_tokens=3),
}


@pytest.fixture(scope="module")
def again(serve: Serve, spec: dict[str, Any]) -> Outcome:
    """Another launch, without margins, for which mistral.rs computes log-probabilities."""
    return serve(spec)


def test_hello_says_that_it_cannot_seed_nor_be_forced(outcome: Outcome) -> None:
    hello = outcome.event("hello")
    assert hello["build"]["mistralrs"] in hello["version"]
    can = hello["capabilities"]
    assert (can["seed"], can["teacher_forcing"], can["logits"]) == (False, False, False)


class TestMistralRs(AnswersOfEveryEngine):
    """On CASES."""


def test_each_token_has_its_own_time(outcome: Outcome) -> None:
    times = outcome.iteration("greedy")["token_ns"]
    assert times == sorted(set(times))


def test_the_id_that_ended_a_sequence_is_known_among_several(outcome: Outcome) -> None:
    assert outcome.ids("one_of_three") == GREEDY_IDS[:6]
    assert outcome.ids("first") == GREEDY_IDS[:1]
    assert outcome.iteration("first")["finish"] == "eos"


def test_ids_are_the_same_without_margins(outcome: Outcome, again: Outcome) -> None:
    assert again.ids("greedy") == outcome.ids("greedy")
    assert "margins" not in again.iteration("greedy")


def test_prompts_that_no_text_gives_are_taken_as_they_are(outcome: Outcome, again: Outcome) -> None:
    assert len(outcome.ids("special")) == 3
    assert outcome.ids("special", 0) == outcome.ids("special", 1) == again.ids("special")


def test_a_shard_that_is_not_there_is_a_bad_spec(serve: Serve, spec: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 49152}))
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors"}}))
    status, _, message = serve(spec | {"model_dir": str(tmp_path), "weights": index.name}).refusal()
    assert status == 2
    assert "holds no model-00001-of-00001.safetensors" in message
