"""The model file holds the checkpoint's model: read back by another reader, and run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.derive import make_derived
from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.lmrs.convert import Q8_0, blocks, convert, quantise_q8
from llama_numpy import greedy, logits, of_checkpoint, read_lmrs
from lm_rs_bench.model_file import read_model_file
from lmrs_case import (
    CIRCLE_CONFIG,
    CONFIG,
    TWO_LINES,
    circle_ids,
    circle_weights,
    make_checkpoint,
    random_weights,
    shape_of,
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "hf", CONFIG, random_weights())


def test_every_weight_is_read_back_bit_by_bit(checkpoint, tmp_path):
    convert(checkpoint, tmp_path, "f32")
    weights, found = random_weights(), read_lmrs(tmp_path / "model.lmrs")
    assert found.weights.keys() == weights.keys()
    assert all(np.array_equal(found.weights[name], weights[name]) for name in weights)
    assert (found.heads, found.kv_heads, found.head_dim, found.layers) == (2, 1, 8, 2)
    assert (found.norm_epsilon, found.rope_theta) == (pytest.approx(1e-5), 500_000.0)


def test_the_file_computes_what_the_checkpoint_computes(checkpoint, tmp_path):
    convert(checkpoint, tmp_path, "f32")
    ids = [128_000, 5, 90, 17, TWO_LINES, 40]
    ours = logits(read_lmrs(tmp_path / "model.lmrs"), ids)
    assert np.allclose(ours, logits(of_checkpoint(random_weights(), CONFIG), ids), atol=1e-5)
    swapped = random_weights() | {
        "model.layers.0.mlp.up_proj.weight": random_weights()["model.layers.0.mlp.gate_proj.weight"]
    }
    assert not np.allclose(ours, logits(of_checkpoint(swapped, CONFIG), ids), atol=1e-2)


def test_a_designed_model_answers_what_it_was_designed_to(tmp_path):
    source = make_checkpoint(tmp_path / "hf", CIRCLE_CONFIG, circle_weights(64))
    convert(source, tmp_path, "f32")
    assert greedy(read_lmrs(tmp_path / "model.lmrs"), [5, TWO_LINES], 66) == circle_ids(64)


def test_bf16_weights_are_written_exactly(checkpoint, tmp_path):
    folder = tmp_path / "hf"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    halves = {name: (values.view(np.uint32) >> 16).astype("<u2") for name, values in random_weights().items()}
    header, offset = {}, 0
    for name, values in halves.items():
        header[name] = {"dtype": "BF16", "shape": values.shape, "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    content = [len(text).to_bytes(8, "little"), text, *(values.tobytes() for values in halves.values())]
    (folder / "model.safetensors").write_bytes(b"".join(content))
    convert(folder, tmp_path, "f32")
    found = read_lmrs(tmp_path / "model.lmrs").weights
    assert all(np.array_equal(found[name].view(np.uint32) >> 16, halves[name]) for name in halves)


def test_the_derived_folder_tells_its_files_or_why_there_are_none(checkpoint, tmp_path):
    model = {"name": "m", "identity": "0" * 12}
    made = make_derived(checkpoint, tmp_path / "made", "lmrs", "f32", model)
    assert (made["status"], made["weights"]) == ("ok", "model.lmrs")
    assert {"model.lmrs", "tokenizer.bin", "config.json", "tokenizer.json"} <= made["files"].keys()
    refused = make_derived(checkpoint, tmp_path / "refused", "lmrs", "bf16", model)
    assert refused["status"] == "unavailable"
    assert "lm.rs computes in f32, and bf16 was asked for" in refused["reason"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model.norm.weight": None}, "holds no tensor model.norm.weight"),
        ({"model.norm.weight": np.zeros(8, np.float32)}, r"shape \[8\] where config.json makes it \[16\]"),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(tmp_path, change, words):
    weights = {name: values for name, values in (random_weights() | change).items() if values is not None}
    source = make_checkpoint(tmp_path / "hf", CONFIG, weights)
    with pytest.raises(BenchmarkError, match=words):
        convert(source, tmp_path, "f32")


def test_the_order_of_the_tensors_is_the_format_s():
    names = [name.removeprefix("model.") for name, _ in blocks(shape_of(CONFIG))]
    assert names[:4] == [
        "embed_tokens.weight",
        "layers.0.input_layernorm.weight",
        "layers.1.input_layernorm.weight",
        "layers.0.self_attn.q_proj.weight",
    ]
    kinds = [name.split(".")[-2] for name in names if name.startswith("layers.0")]
    assert kinds[-4:] == ["post_attention_layernorm", "gate_proj", "down_proj", "up_proj"]
    assert names[-1] == "norm.weight"


def test_q8_by_hand():
    values = np.zeros((2, 128), dtype=np.float32)
    values[0, :3] = [127.0, -63.5, 0.4]
    found, scales = quantise_q8(values)
    assert scales.tolist() == [1.0, 0.0]
    assert found[0, :4].tolist() == [127, -64, 0, 0]
    assert not found[1].any()


def test_q8_values_lie_within_half_a_step(tmp_path):
    config = CONFIG | {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "num_hidden_layers": 1,
    }
    draw = np.random.default_rng(1)
    weights = {name: draw.normal(size=shape).astype(np.float32) for name, shape in blocks(shape_of(config))}
    source = make_checkpoint(tmp_path / "hf", config, weights)
    made = make_derived(source, tmp_path / "q8", "lmrs-q8_0", "f32", {"name": "m", "identity": "0" * 12})
    assert made["status"] == "ok"
    found = read_lmrs(tmp_path / "q8" / "model.lmrs").weights
    for name, values in weights.items():
        steps = np.abs(values.reshape(-1, 128)).max(axis=1) / 127
        limit = 0 if values.ndim == 1 else steps.max() / 2 * 1.001
        assert np.abs(found[name] - values).max() <= limit
    assert read_model_file(tmp_path / "q8" / "model.lmrs").value_type.name == "q8_0"


def test_widths_that_a_scale_would_span_are_refused(checkpoint, tmp_path):
    with pytest.raises(CannotConvertError, match="a width of 16 is no multiple of the 128"):
        convert(checkpoint, tmp_path, "f32", Q8_0)
