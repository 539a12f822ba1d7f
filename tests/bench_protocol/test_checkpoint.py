"""A model's folder as Python adapters read it: shards that are there, and a Llama that is the plain one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import case, make_spec
from bench_protocol import BadSpecError, UnsupportedError
from bench_protocol.checkpoint import Llama3Scaling, LlamaConfig, weight_files
from bench_protocol.spec import Spec, read_spec
from tiny_model import LLAMA_3_2_SCALING, SHARDS, make_tiny_llama


def spec_of(folder: Path, **changes: Any) -> Spec:
    cases = {"one": case(prompt_ids=[1, 2], max_new_tokens=2)}
    (folder / "spec.json").write_text(json.dumps(make_spec(folder, "model.safetensors", cases) | changes))
    return read_spec(folder / "spec.json")


def test_the_numbers_of_a_llama_are_read(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "m", head_dim=6, rope_scaling=LLAMA_3_2_SCALING, tie_word_embeddings=False)
    config = LlamaConfig.read(spec_of(folder))
    assert (config.vocab_size, config.num_key_value_heads, config.head_dim) == (300, 1, 6)
    assert (config.rope_theta, config.rms_norm_eps, config.tie_word_embeddings) == (5000.0, 1e-6, False)
    assert config.rope_scaling == Llama3Scaling(32.0, 1.0, 4.0, 8192)
    with pytest.raises(UnsupportedError, match=r"head_dim is 6, the engine computes .* = 4"):
        config.require_derived_head_width("the engine")


def test_what_transformers_5_writes_is_read_too(tmp_path: Path) -> None:
    nested = {"rope_type": "default", "rope_theta": 7.0}
    folder = make_tiny_llama(tmp_path / "m", rope_theta=None, rope_parameters=nested, num_key_value_heads=None)
    config = LlamaConfig.read(spec_of(folder))
    assert (config.rope_theta, config.rope_scaling, config.num_key_value_heads, config.head_dim) == (7.0, None, 2, 4)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"attention_bias": True}, "attention_bias is True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"model_type": "gemma"}, "model_type is 'gemma'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope scaling is linear"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 2.0}}, "low_freq_factor"),
        ({"max_position_embeddings": 19}, "max_seq_len is 20, the model's context is 19"),
    ],
)
def test_a_model_that_would_be_computed_differently_is_refused(
    tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    folder = make_tiny_llama(tmp_path / "m")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | keys))
    with pytest.raises(UnsupportedError, match=words):
        LlamaConfig.read(spec_of(folder))


def test_ids_that_the_model_does_not_know_are_a_bad_spec(tmp_path: Path) -> None:
    cases = [case(prompt_ids=[300], max_new_tokens=2)]
    with pytest.raises(BadSpecError, match="has id 300; the model knows 300 tokens"):
        LlamaConfig.read(spec_of(make_tiny_llama(tmp_path / "m"), cases=cases))


def test_the_files_of_an_index_are_all_there_or_named(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "m", shards=2)
    assert weight_files(folder, SHARDS) == [SHARDS, "model-00001.safetensors", "model-00002.safetensors"]
    (folder / "model-00002.safetensors").unlink()
    with pytest.raises(BadSpecError, match=r"holds no model-00002\.safetensors"):
        weight_files(folder, SHARDS)
    (folder / SHARDS).write_text("{}")
    with pytest.raises(BadSpecError, match="has no weight_map"):
        weight_files(folder, SHARDS)
    with pytest.raises(UnsupportedError, match="opens safetensors"):
        weight_files(folder, "model.gguf")
