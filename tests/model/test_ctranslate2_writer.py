"""CTranslate2 folders of tiny Llamas: read back, they are the model. tests/ctranslate2_bench has the engine's own."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import ctranslate2_writer
from benchmark_runner.model.formats import CannotConvertError
from tiny_model import LLAMA_3_2_SCALING, llama_tensors, make_tiny_llama

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32}
ATTENTION = "decoder/layer_0/self_attention"


class Cursor:
    """Takes numbers and texts from the bytes of a model.bin."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, count: int) -> bytes:
        self.place += count
        return self.content[self.place - count : self.place]

    def numbers(self, letters: str) -> tuple[int, ...]:
        return struct.unpack(f"<{letters}", self.take(struct.calcsize(f"<{letters}")))

    def text(self) -> str:
        return self.take(self.numbers("H")[0])[:-1].decode()

    def variable(self) -> tuple[str, np.ndarray]:
        name = self.text()
        shape = self.numbers(f"{self.numbers('B')[0]}I")
        kind, size = self.numbers("BI")
        return name, np.frombuffer(self.take(size), TYPES[kind]).reshape(shape)


def written(source: Path, dtype: str = "f32") -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, Any]]:
    """Variables, aliases and config.json."""
    out = source.with_name(f"{source.name}-{dtype}")
    out.mkdir()
    ctranslate2_writer.convert(source, out, dtype)
    cursor = Cursor((out / "model.bin").read_bytes())
    assert cursor.numbers("I") == (6,)
    assert (cursor.text(), cursor.numbers("I")) == ("TransformerDecoderSpec", (8,))
    variables = dict(cursor.variable() for _ in range(cursor.numbers("I")[0]))
    aliases = {cursor.text(): cursor.text() for _ in range(cursor.numbers("I")[0])}
    assert cursor.place == len(cursor.content)
    vocabulary = json.loads((out / "vocabulary.json").read_text())
    assert vocabulary == [str(token_id) for token_id in range(300)]
    return variables, aliases, json.loads((out / "config.json").read_text())


@pytest.mark.parametrize("shards", [1, 3])
def test_every_tensor_is_there_bit_for_bit(tmp_path, shards):
    tensors = llama_tensors(2, tied=False)
    changes = {"tie_word_embeddings": False, "num_hidden_layers": 2}
    variables, aliases, _ = written(make_tiny_llama(tmp_path / "m", tensors, shards=shards, **changes))
    assert aliases == {}
    assert np.array_equal(variables["decoder/projection/weight"], tensors["lm_head.weight"])
    assert np.array_equal(variables["decoder/embeddings/weight"], tensors["model.embed_tokens.weight"])
    assert np.array_equal(variables["decoder/layer_norm/gamma"], tensors["model.norm.weight"])
    of_second = {name.removeprefix("model.layers.1."): values for name, values in tensors.items() if ".1." in name}
    for theirs, ours in {
        "self_attention/layer_norm/gamma": ["input_layernorm"],
        "self_attention/linear_0/weight": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        "self_attention/linear_1/weight": ["self_attn.o_proj"],
        "ffn/layer_norm/gamma": ["post_attention_layernorm"],
        "ffn/linear_0/weight": ["mlp.gate_proj"],
        "ffn/linear_0_noact/weight": ["mlp.up_proj"],
        "ffn/linear_1/weight": ["mlp.down_proj"],
    }.items():
        wanted = np.concatenate([of_second.pop(f"{name}.weight") for name in ours])
        assert np.array_equal(variables[f"decoder/layer_1/{theirs}"], wanted), theirs
    assert of_second == {}


def test_tied_embeddings_are_stored_once(tmp_path):
    variables, aliases, _ = written(make_tiny_llama(tmp_path / "m"))
    assert aliases == {"decoder/projection/weight": "decoder/embeddings/weight"}
    assert "decoder/projection/weight" not in variables


def test_the_model_s_own_keys_stay_beside_those_of_the_engine(tmp_path):
    _, _, config = written(make_tiny_llama(tmp_path / "m", rms_norm_eps=3e-5))
    assert (config["vocab_size"], config["rope_theta"]) == (300, 5000.0)
    assert config["layer_norm_epsilon"] == 3e-5
    assert config["eos_token"] == config["bos_token"] == config["unk_token"] == "<unk>"


def test_heads_are_told_where_they_are_not_what_the_engine_takes_by_default(tmp_path):
    variables, _, _ = written(make_tiny_llama(tmp_path / "grouped"))
    assert (variables["decoder/num_heads"], variables[f"{ATTENTION}/num_heads_kv"]) == (2, 1)
    assert f"{ATTENTION}/head_dim" not in variables
    every = llama_tensors(kv_heads=2)
    variables, _, _ = written(make_tiny_llama(tmp_path / "every", every, num_key_value_heads=2))
    assert f"{ATTENTION}/num_heads_kv" not in variables


@pytest.mark.parametrize("place", ["rope_scaling", "rope_parameters"])
def test_llama_3_s_scaling_is_told_with_its_factor_and_original_context(tmp_path, place):
    variables, _, _ = written(make_tiny_llama(tmp_path / "m", **{place: LLAMA_3_2_SCALING}, rope_theta=500000.0))
    told = {name.removeprefix(f"{ATTENTION}/"): value for name, value in variables.items() if ATTENTION in name}
    assert told["rotary_base"] == 500000
    assert (told["rotary_scaling_type"], told["rotary_scaling_factor"]) == (2, 32)
    assert (told["rotary_low_freq_factor"], told["rotary_high_freq_factor"]) == (1, 4)
    assert told["original_max_position_embeddings"] == 8192


def test_linear_scaling_is_told(tmp_path):
    variables, _, _ = written(make_tiny_llama(tmp_path / "m", rope_scaling={"type": "linear", "factor": 4.0}))
    assert variables[f"{ATTENTION}/rotary_scaling_type"] == 0
    assert variables[f"{ATTENTION}/rotary_scaling_factor"] == 4


def test_what_the_engine_does_not_compute_is_refused_with_a_remedy(tmp_path, monkeypatch):
    with pytest.raises(CannotConvertError, match="rope scaling 'yarn'"):
        written(make_tiny_llama(tmp_path / "yarn", rope_scaling={"rope_type": "yarn", "factor": 2.0}))
    with pytest.raises(CannotConvertError, match="activation is 'gelu'"):
        written(make_tiny_llama(tmp_path / "gelu", hidden_act="gelu"))
    with pytest.raises(CannotConvertError, match=r"f16 was asked for; set the engine's dtype to f32"):
        written(make_tiny_llama(tmp_path / "half"), "f16")
    widths = {"q": 8, "k": 4, "v": 4, "o": 8}
    biases = {f"model.layers.0.self_attn.{name}_proj.bias": np.zeros(n, np.float32) for name, n in widths.items()}
    with pytest.raises(CannotConvertError, match=r"biases \(attention_bias\), which a plain Llama has not"):
        written(make_tiny_llama(tmp_path / "biased", llama_tensors() | biases, attention_bias=True))
    monkeypatch.setattr(ctranslate2_writer, "LARGEST_BYTES", 9599)
    with pytest.raises(CannotConvertError, match=r"takes 9600 bytes; model\.bin counts up to 9599"):
        written(make_tiny_llama(tmp_path / "large"))


def test_an_absent_tensor_is_named(tmp_path):
    partial = llama_tensors()
    del partial["model.layers.0.mlp.up_proj.weight"]
    with pytest.raises(BenchmarkError, match=r"no tensor model\.layers\.0\.mlp\.up_proj\.weight"):
        written(make_tiny_llama(tmp_path / "partial", partial))
