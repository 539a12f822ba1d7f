"""GGUF files of tiny Llamas: read back, they are the model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, TokenType
from safetensors.numpy import load_file

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import gguf_llama, gguf_writer
from benchmark_runner.model.formats import CannotConvertError
from tiny_model import LLAMA_3_2_SCALING, llama_tensors, make_tiny_llama


def written(source: Path, dtype: str = "f32") -> GGUFReader:
    out = source.with_name(f"{source.name}-{dtype}")
    out.mkdir()
    gguf_writer.convert(source, out, dtype)
    return GGUFReader(out / "model.gguf")


def read_back(reader: GGUFReader, path: Path) -> dict[str, np.ndarray]:
    gguf_llama.write_weights(reader, gguf_llama.metadata(reader), path)
    return load_file(path)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("tied", [True, False])
def test_the_tensors_come_back_bit_for_bit(tmp_path, tied, shards):
    tensors = llama_tensors(tied=tied)
    source = make_tiny_llama(tmp_path / "m", tensors, shards=shards, tie_word_embeddings=tied)
    found = read_back(written(source), tmp_path / "back.safetensors")
    assert found.keys() == tensors.keys()
    for name, values in tensors.items():
        assert found[name].tobytes() == values.tobytes(), name


def test_query_and_key_rows_are_in_the_order_of_llama_cpp(tmp_path):
    tensors = llama_tensors()
    reader = written(make_tiny_llama(tmp_path / "m", tensors))
    stored = {tensor.name: np.asarray(tensor.data) for tensor in reader.tensors}
    query = tensors["model.layers.0.self_attn.q_proj.weight"]
    # Two heads of four rows: within each, row 0 of the first half is followed by row 0 of the second.
    assert np.array_equal(stored["blk.0.attn_q.weight"], query[[0, 2, 1, 3, 4, 6, 5, 7]])
    assert np.array_equal(stored["blk.0.attn_v.weight"], tensors["model.layers.0.self_attn.v_proj.weight"])


@pytest.mark.parametrize(("dtype", "bits"), [("f16", 10), ("bf16", 7)])
def test_matrices_are_rounded_to_the_dtype_and_norms_stay_f32(tmp_path, dtype, bits):
    tensors = llama_tensors()
    reader = written(make_tiny_llama(tmp_path / "m", tensors), dtype)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds.pop("output_norm.weight") == kinds.pop("blk.0.attn_norm.weight") == "F32"
    assert kinds.pop("blk.0.ffn_norm.weight") == "F32"
    assert set(kinds.values()) == {dtype.upper()}
    found = read_back(reader, tmp_path / "back.safetensors")
    for name, values in tensors.items():
        assert np.allclose(found[name], values, rtol=2.0 ** -(bits + 1), atol=1e-6), name
    embedding = "model.embed_tokens.weight"
    assert not np.array_equal(found[embedding], tensors[embedding])


def test_bf16_weights_come_back_bit_for_bit(tmp_path):
    source = make_tiny_llama(tmp_path / "m")
    exact = {name: _cut_to_bf16(values) for name, values in llama_tensors().items()}
    _store_as_bf16(exact, source / "model.safetensors")
    for dtype in ("f32", "bf16"):
        found = read_back(written(source, dtype), tmp_path / f"{dtype}.safetensors")
        assert all(found[name].tobytes() == values.tobytes() for name, values in exact.items())


def _cut_to_bf16(values: np.ndarray) -> np.ndarray:
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def _store_as_bf16(tensors: dict[str, np.ndarray], path: Path) -> None:
    from benchmark_runner.model.safetensors_data import write_file

    halves = [(values.view(np.uint32) >> np.uint32(16)).astype(np.uint16) for values in tensors.values()]
    write_file(path, [(name, "BF16", values.shape) for name, values in tensors.items()], halves)


def test_the_numbers_of_the_model_are_told(tmp_path):
    content = gguf_llama.metadata(written(make_tiny_llama(tmp_path / "m", rms_norm_eps=1e-5)))
    assert content["llama.attention.head_count"] == 2
    assert content["llama.attention.head_count_kv"] == 1
    assert content["llama.rope.dimension_count"] == content["llama.attention.key_length"] == 4
    assert content["llama.feed_forward_length"] == 16
    assert content["llama.context_length"] == 64
    assert content["llama.rope.freq_base"] == 5000.0
    assert content["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert "llama.rope.scaling.type" not in content


def test_each_id_has_its_token_and_ids_without_one_are_unused(tmp_path):
    source = make_tiny_llama(tmp_path / "m")
    content = gguf_llama.metadata(written(source))
    tokens, kinds = content["tokenizer.ggml.tokens"], content["tokenizer.ggml.token_type"]
    vocabulary = json.loads((source / "tokenizer.json").read_text())
    assert len(tokens) == len(kinds) == len(set(tokens)) == 300
    special = {entry["id"]: entry["content"] for entry in vocabulary["added_tokens"]}
    for text, index in vocabulary["model"]["vocab"].items():
        assert tokens[index] == special.get(index, text)
    assert {index: tokens[index] for index in special} == special
    assert {kinds[index] for index in special} == {TokenType.CONTROL}
    assert (tokens[299], kinds[299]) == ("[PAD299]", TokenType.UNUSED)
    assert (content["tokenizer.ggml.model"], content["tokenizer.ggml.eos_token_id"]) == ("gpt2", 1)


def test_a_vocabulary_with_byte_fallback_is_a_sentencepiece_one(tmp_path):
    source = make_tiny_llama(tmp_path / "m")
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    tokenizer["model"] |= {
        "vocab": {"<unk>": 2, "<0x0A>": 3, "a": 4},
        "byte_fallback": True,
        "unk_token": "<unk>",
    }
    tokenizer["added_tokens"] = []
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    content = gguf_llama.metadata(written(source))
    assert content["tokenizer.ggml.model"] == "llama"
    assert content["tokenizer.ggml.token_type"][2:5] == [TokenType.UNKNOWN, TokenType.BYTE, TokenType.NORMAL]
    assert content["tokenizer.ggml.unknown_token_id"] == 2
    assert len(content["tokenizer.ggml.scores"]) == 300


@pytest.mark.parametrize("place", ["rope_scaling", "rope_parameters"])
def test_llama_3_s_scaling_becomes_the_tensor_of_frequency_factors(tmp_path, place):
    reader = written(make_tiny_llama(tmp_path / "m", **{place: LLAMA_3_2_SCALING}, rope_theta=500000.0))
    factors = next(np.asarray(tensor.data) for tensor in reader.tensors if tensor.name == "rope_freqs.weight")
    # head_dim 4: frequencies 1 (unscaled) and 500000^-0.5, whose wavelength 4443 lies between 2048 and 8192.
    wavelength = 2 * math.pi * 500000.0**0.5
    smooth = (8192 / wavelength - 1) / 3
    assert factors == pytest.approx([1.0, 1 / ((1 - smooth) / 32 + smooth)], rel=1e-6)


def test_linear_scaling_is_told(tmp_path):
    scaling = {"type": "linear", "factor": 4.0}
    content = gguf_llama.metadata(written(make_tiny_llama(tmp_path / "m", rope_scaling=scaling)))
    assert (content["llama.rope.scaling.type"], content["llama.rope.scaling.factor"]) == ("linear", 4.0)


def test_what_gguf_cannot_express_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(CannotConvertError, match="rope scaling 'yarn'"):
        written(make_tiny_llama(tmp_path / "yarn", rope_scaling={"rope_type": "yarn", "factor": 2.0}))
    widths = {"q": 8, "k": 4, "v": 4, "o": 8}
    biases = {f"model.layers.0.self_attn.{name}_proj.bias": np.zeros(n, np.float32) for name, n in widths.items()}
    with pytest.raises(CannotConvertError, match=r"biases \(attention_bias\), which a plain Llama has not"):
        written(make_tiny_llama(tmp_path / "biased", llama_tensors() | biases, attention_bias=True))
    large = llama_tensors()
    large["model.embed_tokens.weight"][0, 0] = 1e6
    with pytest.raises(CannotConvertError, match=r"beyond the range of f16.*use f32 or bf16"):
        written(make_tiny_llama(tmp_path / "large", large), "f16")
    source = make_tiny_llama(tmp_path / "words")
    (source / "tokenizer.json").write_text('{"model": {"type": "WordLevel", "vocab": {}}}')
    with pytest.raises(CannotConvertError, match="WordLevel"):
        written(source)


def test_an_absent_tensor_and_a_vocabulary_too_large_are_named(tmp_path):
    partial = llama_tensors()
    del partial["model.layers.0.mlp.up_proj.weight"]
    with pytest.raises(BenchmarkError, match=r"no tensor model\.layers\.0\.mlp\.up_proj\.weight"):
        written(make_tiny_llama(tmp_path / "partial", partial))
    with pytest.raises(BenchmarkError, match="do not belong together"):
        written(make_tiny_llama(tmp_path / "small", vocab_size=200))
