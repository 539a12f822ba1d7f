"""Whatever a format cannot hold makes its engine unavailable with the reason; no converter ends in another way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.model.derive import make_derived
from tiny_model import LLAMA_3_2_SCALING, make_tiny_llama

MODEL = {"name": "m", "identity": "0123456789ab"}


def made(source: Path, weights_format: str) -> dict[str, Any]:
    return make_derived(source, source.parent / weights_format, weights_format, "f32", MODEL)


def lacking(key: str) -> dict[str, Any]:
    return {name: value for name, value in LLAMA_3_2_SCALING.items() if name != key}


@pytest.mark.parametrize("weights_format", ["gguf", "ctranslate2"])
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rope_scaling": lacking("low_freq_factor")}, "llama3 has no low_freq_factor"),
        ({"rope_scaling": lacking("original_max_position_embeddings")}, "has no original_max_position_embeddings"),
        ({"rope_parameters": LLAMA_3_2_SCALING | {"factor": None}}, "llama3 has no factor"),
        ({"rope_scaling": LLAMA_3_2_SCALING | {"high_freq_factor": 1.0}}, "high_freq_factor at or below"),
        ({"rope_scaling": {"type": "linear"}}, "linear has no factor"),
        ({"rope_scaling": {"rope_type": "longrope", "long_factor": [1]}}, "rope scaling 'longrope'"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope scaling 'dynamic'"),
        ({"hidden_act": "gelu_new"}, "activation is 'gelu_new'"),
        ({"hidden_act": 3}, "activation is 3"),
        ({"partial_rotary_factor": 0.5}, "rotates a part of each head (0.5)"),
    ],
)
def test_a_configuration_that_a_format_cannot_hold_is_told(
    tmp_path: Path, weights_format: str, keys: dict[str, Any], words: str
) -> None:
    manifest = made(make_tiny_llama(tmp_path / "m", **keys), weights_format)
    assert manifest["status"] == "unavailable"
    assert words in manifest["reason"]
    assert manifest["remedy"]


def token(index: object, content: object = "[X]") -> dict[str, Any]:
    return {"id": index, "content": content, "special": True}


@pytest.mark.parametrize(
    ("tokenizer", "model", "words"),
    [
        ({"added_tokens": [token(300)]}, {}, "has id 300, while config.json has a vocab_size of 300"),
        ({"added_tokens": [token(-1)]}, {}, "has id -1"),
        ({"added_tokens": [token("7")]}, {}, "has the added token"),
        ({"added_tokens": [token(7, None)]}, {}, "has the added token"),
        ({"added_tokens": ["<s>"]}, {}, "has the added token '<s>'"),
        ({"added_tokens": {"<s>": 1}}, {}, "for added_tokens"),
        ({"model": None}, {}, "holds a None model"),
        ({}, {"type": "Unigram", "vocab": [["a", -1.0]]}, "holds a Unigram model"),
        ({}, {"vocab": {"a": 400}}, "has id 400"),
        ({}, {"vocab": {"a": 1.5}}, "no table of ids"),
        ({}, {"vocab": ["a"]}, "no table of ids"),
        ({}, {"merges": {"a": "b"}}, "for merges"),
        ({}, {"merges": ["abc"]}, "has the merge 'abc'"),
        ({}, {"merges": [["a", "b", "c"]]}, "has the merge ['a', 'b', 'c']"),
        ({}, {"merges": [["a", 1]]}, "has the merge ['a', 1]"),
    ],
)
def test_a_tokenizer_that_gguf_cannot_hold_is_told(
    tmp_path: Path, tokenizer: dict[str, Any], model: dict[str, Any], words: str
) -> None:
    source = make_tiny_llama(tmp_path / "m")
    content = json.loads((source / "tokenizer.json").read_text())
    content["model"] |= model
    (source / "tokenizer.json").write_text(json.dumps(content | tokenizer))
    manifest = made(source, "gguf")
    assert manifest["status"] == "unavailable"
    assert words in manifest["reason"]
    assert made(source, "ctranslate2")["status"] == "ok"  # which needs no tokenizer


def test_an_id_of_a_role_beyond_the_vocabulary_is_told_and_a_negative_one_means_none(tmp_path: Path) -> None:
    manifest = made(make_tiny_llama(tmp_path / "m", bos_token_id=300), "gguf")
    assert manifest["reason"] == "bos_token_id is 300, while config.json has a vocab_size of 300"
    assert made(make_tiny_llama(tmp_path / "none" / "m", pad_token_id=-1, bos_token_id=-1), "gguf")["status"] == "ok"


def test_templates_in_a_folder_of_their_own_come_with_the_derived_weights(tmp_path: Path) -> None:
    source = make_tiny_llama(tmp_path / "m")
    (source / "additional_chat_templates").mkdir()
    (source / "additional_chat_templates" / "rag.jinja").write_text("{{ messages }}")
    assert "additional_chat_templates/rag.jinja" in made(source, "ctranslate2")["files"]
