"""Synthetic models: published shapes, random weights that compute something, and a tokenizer that fits."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from benchmark_runner.campaign.model import locate_model
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.fidelity.compare import TOLERANCES
from benchmark_runner.model import synthetic
from benchmark_runner.model.byte_level import tokenizer
from benchmark_runner.model.chat import render
from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.manifest import build_manifest, file_sha256
from benchmark_runner.model.recipes import TABLE, synthetic_models
from benchmark_runner.model.safetensors_data import as_float32
from benchmark_runner.model.texts import text_of
from llama_numpy import logits, of_checkpoint
from tiny_model import LLAMA_3_2_SCALING

NAME = "synthetic-tiny"
PROOF = "synthetic-tiny-llama3"
TINY = synthetic_models()[NAME]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("models") / NAME
    assert synthetic.main(["--name", NAME, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("name", sorted(synthetic_models()))
def test_a_shape_has_the_number_of_parameters_that_its_source_has(name):
    import yaml

    stated = yaml.safe_load(TABLE.read_text())[name.removeprefix("synthetic-")]["parameters"]
    assert sum(math.prod(shape) for _, shape in synthetic_models()[name].tensors()) == stated


def test_the_folder_is_a_model_of_its_shape(made):
    checkpoint = read_checkpoint(made)
    architecture = checkpoint.architecture
    assert checkpoint.dtype == "bf16"
    assert (architecture.layers, architecture.heads, architecture.kv_heads) == (2, 4, 2)
    assert (architecture.vocab_size, architecture.tied_embeddings) == (1600, True)
    assert {tensor.name: tensor.shape for tensor in checkpoint.tensors} == dict(TINY.tensors())


def test_it_is_made_again_byte_for_byte(made, tmp_path):
    again = tmp_path / NAME
    synthetic.make_model(TINY, again)
    assert {path.name: file_sha256(path) for path in again.iterdir()} == {
        path.name: file_sha256(path) for path in made.iterdir()
    }
    # Pinned: other bytes under the same GENERATOR_VERSION would be another model under the same identity.
    assert file_sha256(made / "model.safetensors") == WEIGHTS_SHA256


WEIGHTS_SHA256 = "c93bb7e9ad1b8fe6863b71a52511fad9365f99d32919b52f85003f60518e4726"


def test_weights_have_the_spread_of_the_rule_and_norms_are_one(made):
    for tensor in read_checkpoint(made).tensors:
        values = as_float32(tensor)
        if len(tensor.shape) == 1:
            assert (values == 1).all()
        else:
            assert values.std() == pytest.approx(1 / math.sqrt(tensor.shape[1]), rel=0.03), tensor.name
            assert abs(values.mean()) < 5 * values.std() / math.sqrt(values.size), tensor.name


@pytest.mark.parametrize(
    "dropped",
    [
        {"rope_scaling": None},
        {"rope_scaling": LLAMA_3_2_SCALING},
        {"lm_head.weight": None},
        {"rope_theta": 500_000.0},
    ],
)
def test_an_adapter_that_drops_a_part_of_the_proof_shape_is_seen(tmp_path, dropped):
    folder = tmp_path / PROOF
    synthetic.make_model(synthetic_models()[PROOF], folder)
    config = json.loads((folder / "config.json").read_text())
    weights = {tensor.name: as_float32(tensor) for tensor in read_checkpoint(folder).tensors}
    kept = {name: values for name, values in weights.items() if name not in dropped}
    ids = [(37 * place) % 1600 for place in range(2, 62)]
    right, wrong = (logits(of_checkpoint(*one), ids) for one in ((weights, config), (kept, config | dropped)))
    assert config["head_dim"] * config["num_attention_heads"] != config["hidden_size"]
    assert np.abs(right - wrong).mean() > 10 * TOLERANCES["f32"].logits_mean


def test_weights_that_are_cut_while_they_are_read_are_named(made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "cut"))
    last = max(read_checkpoint(folder).tensors, key=lambda tensor: tensor.offset)
    os.truncate(folder / "model.safetensors", last.offset + 1)
    with pytest.raises(BenchmarkError, match=r"model\.safetensors became shorter while it was read; get an unaltered"):
        as_float32(last)


def test_different_tensors_hold_different_weights(made):
    by_name = {tensor.name: as_float32(tensor) for tensor in read_checkpoint(made).tensors}
    first, second = (by_name[f"model.layers.{layer}.mlp.up_proj.weight"] for layer in (0, 1))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_a_product_keeps_the_variance_of_its_input_at_any_width():
    for inputs in (64, 2048):
        weights = synthetic.drawn((256, inputs), 3)
        values = (weights.astype(np.uint32) << np.uint32(16)).view(np.float32)
        vector = np.random.default_rng(5).normal(size=inputs)
        assert (values @ vector).std() == pytest.approx(np.sqrt(np.mean(vector**2)), rel=0.15)


def test_bf16_is_rounded_to_the_nearest():
    values = np.array([1.0, 1.00390625, 1.01171875, -2.0, 1.004], dtype=np.float32)
    assert [hex(bits) for bits in synthetic._bf16(values)] == ["0x3f80", "0x3f80", "0x3f82", "0xc000", "0x3f81"]


@pytest.mark.parametrize("text", ["Hello, how are you?", "def f(x):\n    return x  # é", "北京 и Москва", ""])
def test_any_text_comes_back(made, text):
    read = Tokenizer.from_file(str(made / "tokenizer.json"))
    assert read.decode(read.encode(text).ids) == text


def test_the_tokenizer_is_as_large_as_the_model_and_common_words_are_one_token(made):
    read = Tokenizer.from_file(str(made / "tokenizer.json"))
    assert read.get_vocab_size() == 1600
    assert read.encode(" the people think that it was good").tokens == [
        "Ġthe", "Ġpeople", "Ġthink", "Ġthat", "Ġit", "Ġwas", "Ġgood",
    ]  # fmt: skip
    assert read.decode([1599]) != ""
    assert (read.token_to_id("<|begin_of_text|>"), read.token_to_id("<|end_of_text|>")) == (0, 1)


@pytest.mark.parametrize("count", [1, 7, 500])
def test_prompts_of_an_exact_length_can_be_made(made, count):
    read = Tokenizer.from_file(str(made / "tokenizer.json"))
    encode = lambda text: list(read.encode(text).ids)  # noqa: E731
    assert len(encode(text_of(count, encode))) == count


def test_messages_can_be_rendered(made):
    assert render(made, [{"role": "user", "content": "Hi"}]) == "<|begin_of_text|>user: Hi\nassistant:"


def test_special_tokens_stand_at_the_ids_of_the_shape():
    content = tokenizer(128256, 128000, 128001)
    assert content["model"]["vocab"]["<|begin_of_text|>"] == 128000
    assert sorted(content["model"]["vocab"].values()) == list(range(128256))
    with pytest.raises(ValueError, match="needs 258 tokens"):
        tokenizer(200, 0, 1)


def test_plan_and_manifest_say_that_it_is_synthetic_and_so_does_a_copy(made, tmp_path):
    model = locate_model(made, None, tmp_path / "hashes.json")
    assert (model.maker, model.source["kind"], model.source["shape"]) == ("synthetic", "synthetic", "tiny")
    manifest = build_manifest(made, NAME, model.identity, model.maker)
    assert manifest["source"] == model.source
    shutil.copytree(made, tmp_path / "renamed")
    copied = locate_model(tmp_path / "renamed", None, tmp_path / "hashes.json")
    assert (copied.maker, copied.source["kind"]) == ("folder", "synthetic")
    assert build_manifest(tmp_path / "renamed", "renamed", copied.identity)["source"] == model.source


def test_a_changed_copy_is_a_folder_and_a_changed_original_is_refused(made, tmp_path):
    changed = tmp_path / NAME
    shutil.copytree(made, changed)
    with (changed / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"X")
    with pytest.raises(BenchmarkError, match=r"model\.safetensors is not what was written.*delete"):
        build_manifest(changed, NAME, TINY.identity, "synthetic")
    changed.rename(tmp_path / "mine")
    assert locate_model(tmp_path / "mine", None, tmp_path / "hashes.json").source == {"kind": "folder"}


def test_a_folder_that_the_workflow_did_not_make_is_not_taken_for_one(made, tmp_path):
    theirs = tmp_path / NAME
    shutil.copytree(made, theirs)
    (theirs / "source.json").unlink()
    with pytest.raises(BenchmarkError, match="was not made by this workflow"):
        build_manifest(theirs, NAME, TINY.identity, "synthetic")
    content = json.loads((made / "source.json").read_text())
    (theirs / "source.json").write_text(json.dumps(content | {"identity": "of another generator"}))
    with pytest.raises(BenchmarkError, match="holds another model"):
        build_manifest(theirs, NAME, TINY.identity, "synthetic")


def test_an_unfinished_model_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "write_source", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        synthetic.make_model(TINY, tmp_path / NAME)
    assert list(tmp_path.iterdir()) == []
