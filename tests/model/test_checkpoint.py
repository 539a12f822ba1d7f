"""Reading a Hugging Face folder, and saying why a folder is no model that can be measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import checkpoint
from benchmark_runner.model.llama_config import special_ids
from tiny_model import CONFIG, LLAMA_3_2_SCALING, SHARDS, drawn, llama_tensors, make_tiny_llama, tensor_shapes

EMBEDDING = "model.embed_tokens.weight"


def edit(path: Path, **keys: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **keys}))


def refusal(folder: Path) -> str:
    """The one line in which a folder is refused."""
    with pytest.raises(BenchmarkError) as caught:
        checkpoint.read_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_key_that_stands_twice_is_refused_since_engines_differ_in_which_they_read(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "m")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text[:-1] + ', "rope_theta": 10000.0}')
    assert "config.json is not valid JSON (the key 'rope_theta' stands twice" in refusal(folder)


def test_numbers_of_a_folder_are_read(model_dir: Path) -> None:
    found = checkpoint.read_checkpoint(model_dir)
    assert (found.dtype, found.data_bytes, found.architecture.parameters) == ("f16", 6000, 3000)
    assert (found.architecture.head_dim, found.architecture.rope_theta) == (4, 5000.0)
    assert found.architecture.context_length == 64


def test_rope_theta_is_found_where_newer_checkpoints_put_it(model_dir: Path) -> None:
    edit(model_dir / "config.json", rope_theta=None, rope_parameters={"rope_theta": 7.0})
    assert checkpoint.read_checkpoint(model_dir).architecture.rope_theta == 7.0


def test_shards_are_read_together(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "m", shards=2)
    found = checkpoint.read_checkpoint(folder)
    assert (found.architecture.parameters, found.dtype) == (3000, "f32")
    assert {"model-00001.safetensors", "model-00002.safetensors", SHARDS} < set(found.files)
    (folder / "model-00002.safetensors").unlink()
    assert "lacks model-00002.safetensors" in refusal(folder)


def test_a_mixture_of_served_types_is_told(tmp_path: Path) -> None:
    tensors = llama_tensors()
    tensors["model.norm.weight"] = tensors["model.norm.weight"].astype(np.float16)
    assert checkpoint.read_checkpoint(make_tiny_llama(tmp_path / "m", tensors)).dtype == "mixed"


@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": False},
        {"head_dim": 6, "num_key_value_heads": 2},
        {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": None},
    ],
)
def test_a_folder_whose_tensors_fit_its_numbers_is_taken(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = checkpoint.read_checkpoint(make_tiny_llama(tmp_path / "m", **changes))
    assert {tensor.name: tensor.shape for tensor in found.tensors} == tensor_shapes(CONFIG | changes)


def test_biases_belong_to_a_model_that_says_so_alone(tmp_path: Path) -> None:
    shapes = tensor_shapes(CONFIG)
    biases = {
        name.replace("weight", "bias"): shape[:1]
        for name, shape in shapes.items()
        if "self_attn" in name or "mlp" in name
    }
    tensors = drawn(shapes | biases)
    checkpoint.read_checkpoint(make_tiny_llama(tmp_path / "said", tensors, attention_bias=True, mlp_bias=True))
    assert "_proj.bias'" in refusal(make_tiny_llama(tmp_path / "unsaid", tensors))
    lacking = refusal(make_tiny_llama(tmp_path / "lacking", mlp_bias=True))
    assert "holds no tensor model.layers.0.mlp.gate_proj.bias" in lacking


def test_buffers_that_follow_from_the_configuration_may_be_there(tmp_path: Path) -> None:
    tensors = llama_tensors() | {"model.layers.0.self_attn.rotary_emb.inv_freq": np.zeros(2, np.float32)}
    checkpoint.read_checkpoint(make_tiny_llama(tmp_path / "m", tensors))


def without(name: str) -> dict[str, np.ndarray]:
    return {key: values for key, values in llama_tensors().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "keys", "words"),
    [
        (without("model.layers.0.mlp.down_proj.weight"), {}, "no tensor model.layers.0.mlp.down_proj.weight"),
        (llama_tensors(), {"num_hidden_layers": 2}, "no tensor model.layers.1.input_layernorm.weight"),
        (llama_tensors(2), {}, "holds the tensor 'model.layers.1."),
        (llama_tensors() | {"model.layers.0.self_attn.q_norm.weight": np.ones(4, np.float32)}, {}, "q_norm.weight"),
        (llama_tensors() | {"x\ny": np.ones(1, np.float32)}, {}, "holds the tensor 'x\\ny'"),
        (llama_tensors(), {"vocab_size": 301}, "[300, 8] where config.json makes it [301, 8]"),
        (llama_tensors(), {"intermediate_size": 17}, "gate_proj.weight in "),
        (llama_tensors(), {"tie_word_embeddings": False}, "no tensor lm_head.weight, while config.json has no tie"),
        (llama_tensors(tied=False), {"tie_word_embeddings": True}, "lm_head.weight with other values than model.embed"),
        ({name.removeprefix("model."): t for name, t in llama_tensors().items()}, {}, f"no tensor {EMBEDDING}"),
        (llama_tensors() | {EMBEDDING: np.ones((300, 8), np.int8)}, {}, "has type 'I8'"),
    ],
)
def test_tensors_that_do_not_fit_the_configuration_are_named(
    tmp_path: Path, tensors: dict[str, np.ndarray], keys: dict[str, Any], words: str
) -> None:
    assert words in refusal(make_tiny_llama(tmp_path / "m", tensors, **keys))


def test_an_output_layer_that_repeats_the_embedding_is_no_contradiction(tmp_path: Path) -> None:
    tensors = llama_tensors()
    checkpoint.read_checkpoint(make_tiny_llama(tmp_path / "m", tensors | {"lm_head.weight": tensors[EMBEDDING]}))


def shard_of(folder: Path, name: str, place: str) -> None:
    index = json.loads((folder / SHARDS).read_text())
    index["weight_map"][name] = place
    (folder / SHARDS).write_text(json.dumps(index))


def linked(folder: Path) -> None:
    outside = folder.parent / "elsewhere.safetensors"
    shutil.move(folder / "model-00001.safetensors", outside)
    (folder / "model-00001.safetensors").symlink_to(outside)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: shard_of(folder, EMBEDDING, "../other.safetensors"),
            "'../other.safetensors', which is no shard",
        ),
        (lambda folder: shard_of(folder, EMBEDDING, "/etc/passwd"), "'/etc/passwd', which is no shard's name"),
        (lambda folder: shard_of(folder, EMBEDDING, ".."), "which is no shard's name"),
        (
            lambda folder: shard_of(folder, EMBEDDING, "a\nb.safetensors"),
            "'a\\nb.safetensors', which is no shard's name",
        ),
        (lambda folder: shard_of(folder, EMBEDDING, ""), "which is no shard's name"),
        (lambda folder: shard_of(folder, "more", "model-00001.safetensors"), "has 'more' in model-00001.safetensors"),
        (lambda folder: shard_of(folder, EMBEDDING, "model-00002.safetensors"), f"has '{EMBEDDING}' in model-00002"),
        (lambda folder: (folder / SHARDS).write_text('{"weight_map": ["a"]}'), "has no weight_map"),
        (
            lambda folder: (folder / SHARDS).write_text('{"weight_map": {"a": "b", "a": "c"}}'),
            "index.json is not valid JSON (the key 'a' stands twice",
        ),
        (lambda folder: save_file(llama_tensors(), folder / "model-00002.safetensors"), "twice, in model-00001"),
        (linked, "is a link out of its folder"),
    ],
)
def test_shards_lie_beside_an_index_that_is_true(tmp_path: Path, change: Callable[[Path], None], words: str) -> None:
    folder = make_tiny_llama(tmp_path / "m", shards=2)
    change(folder)
    assert words in refusal(folder)


def test_the_links_of_the_hub_s_cache_are_taken(tmp_path: Path) -> None:
    made, snapshot = make_tiny_llama(tmp_path / "made"), tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    (tmp_path / "models--a--b" / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for path in made.iterdir():
        shutil.move(path, tmp_path / "models--a--b" / "blobs" / f"hash of {path.name}")
        (snapshot / path.name).symlink_to(f"../../blobs/hash of {path.name}")
    assert checkpoint.read_checkpoint(snapshot).dtype == "f32"


@pytest.mark.parametrize("keep", [4, 20, -1])
def test_weights_cut_short_are_refused(model_dir: Path, keep: int) -> None:
    path = model_dir / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "its header" in refusal(model_dir)


def tensor(offsets: object = (0, 8), shape: object = (4,), dtype: object = "F16") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        "not json",
        "[]",
        "{}",
        '{"x": {}}',
        '{"x": 3}',
        "[" * 200_000,
        '{"x": ' + '{"y": ' * 100_000,
        json.dumps({"x": tensor(), "__metadata__": {"format": 1}}),
        '{"x": %s, "x": %s}' % ((json.dumps(tensor()),) * 2),
        *(
            json.dumps({"x": entry})
            for entry in (
                tensor(offsets=[-4, 4]),
                tensor(offsets=[8, 0]),
                tensor(offsets=[0, 8, 8]),
                tensor(offsets=[0.0, 8.0]),
                tensor(offsets=[0, 6]),
                tensor(offsets=["0", "8"]),
                tensor(shape=[-4]),
                tensor(shape=[True, 4]),
                tensor(shape=[4.0]),
                tensor(shape=[10**40]),
                tensor(shape=[float("nan")]),
                tensor(shape=[2] * 2000),
                tensor(shape="4"),
                tensor(shape=[8]),
                tensor(dtype=None),
                tensor(dtype=["F16"]),
            )
        ),
        json.dumps({"x": tensor(), "y": tensor()}),
        json.dumps({"x": tensor(), "y": tensor(offsets=[4, 12])}),
        json.dumps({"x": tensor(offsets=[4, 12])}),
        json.dumps({"x": tensor(), "y": tensor(offsets=[100, 108])}),
    ],
)
def test_a_header_that_cannot_be_true_is_refused(model_dir: Path, header: str) -> None:
    (model_dir / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    assert "safetensors file (" in refusal(model_dir)


@pytest.mark.parametrize("name", ["generation_config.json", "chat_template.jinja"])
def test_a_link_to_nowhere_is_no_file_that_the_model_has_not(model_dir: Path, name: str) -> None:
    (model_dir / name).unlink(missing_ok=True)
    (model_dir / name).symlink_to("nowhere")
    assert f"{name} is no file, or a link to none" in refusal(model_dir)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"])
def test_a_git_lfs_pointer_is_recognised(model_dir: Path, name: str) -> None:
    (model_dir / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert f"{name} is a Git LFS pointer" in refusal(model_dir)
    assert "git lfs pull" in refusal(model_dir)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
            "model_type is 'qwen2' (['Qwen2ForCausalLM']); only 'llama'",
        ),
        ({"model_type": None}, "model_type is None; only 'llama' is served"),
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            "the checkpoint is quantised (quantization_config: 'gptq')",
        ),
        ({"quantization": {"group_size": 64, "bits": 4}}, "the checkpoint is quantised (quantization)"),
        ({"hidden_size": "wide"}, "hidden_size is 'wide'"),
        ({"hidden_size": None}, "it names no hidden_size"),
        ({"hidden_size": 8.0}, "hidden_size is 8.0"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"hidden_size": 9}, "hidden_size 9 is no multiple of num_attention_heads 2"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_attention_heads": -2}, "num_attention_heads is -2"),
        ({"vocab_size": 10**30}, "vocab_size is 1000000"),
        ({"max_position_embeddings": []}, "max_position_embeddings is []"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0"),
        (
            {"num_attention_heads": 8, "num_key_value_heads": 3},
            "num_attention_heads 8 is no multiple of num_key_value_heads 3",
        ),
        ({"head_dim": 3}, "head_dim is 3"),
        ({"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5'"),
        ({"rope_theta": 0}, "rope_theta is 0"),
        ({"rope_theta": 1e300}, "rope_theta is 1e+300"),
        ({"rope_theta": 10**400}, "rope_theta is 1000000"),
        ({"rope_parameters": {"rope_theta": 7.0}}, "rope_theta is 5000.0 and rope_parameters.rope_theta 7.0"),
        ({"rope_scaling": "linear"}, "rope_scaling is 'linear'"),
        ({"rope_scaling": {"type": ["llama3"]}}, "rope_scaling has the type ['llama3']"),
        ({"rope_parameters": [1]}, "rope_parameters is [1]"),
        ({"rope_scaling": {"type": "linear", "factor": -4}}, "rope_scaling.factor is -4"),
        ({"rope_scaling": LLAMA_3_2_SCALING | {"factor": 0}}, "rope_scaling.factor is 0"),
        ({"rope_parameters": LLAMA_3_2_SCALING | {"low_freq_factor": "1"}}, "rope_parameters.low_freq_factor is '1'"),
        ({"rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": True}}, "rope_scaling.beta_fast is True"),
        ({"rope_scaling": {"type": "dynamic", "factor": [2]}}, "rope_scaling.factor is [2]"),
        ({"rope_scaling": {"type": "linear", "factor": 10**50}}, "rope_scaling.factor is 1000000"),
        ({"rope_scaling": {"type": "longrope", "long_factor": [1, 0]}}, "rope_scaling.long_factor is [1, 0]"),
        (
            {"rope_scaling": LLAMA_3_2_SCALING | {"original_max_position_embeddings": 1e12}},
            "rope_scaling.original_max_position_embeddings is 1000000000000.0",
        ),
        (
            {"rope_scaling": LLAMA_3_2_SCALING, "rope_parameters": {"rope_type": "linear", "factor": 2.0}},
            "rope_scaling and rope_parameters tell two scalings",
        ),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings is 'false'"),
        ({"attention_bias": 1}, "attention_bias is 1"),
        ({"eos_token_id": "</s>"}, "eos_token_id holds '</s>'"),
        ({"eos_token_id": [1, None]}, "eos_token_id holds None"),
        ({"eos_token_id": [1, 300]}, "eos_token_id holds 300, while config.json has a vocab_size of 300"),
    ],
)
def test_a_configuration_that_cannot_be_true_is_refused_by_its_key(
    model_dir: Path, keys: dict[str, object], words: str
) -> None:
    edit(model_dir / "config.json", **keys)
    assert f"config.json: {words}" in refusal(model_dir)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        '{"x": NaN}',
        '{"x": [-Infinity]}',
        '{"x": "\\ud812"}',
        '{"a": ' * 200_000,
        '{"hidden_size": ' + "9" * 5000 + "}",
        "\udcff",
    ],
)
def test_a_configuration_that_is_no_object_is_refused(model_dir: Path, content: str) -> None:
    (model_dir / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    assert str(model_dir / "config.json") in refusal(model_dir)


def test_ids_of_special_tokens_come_from_the_generation_config_first(model_dir: Path) -> None:
    assert special_ids(model_dir, "eos") == [1]
    edit(model_dir / "config.json", pad_token_id=-1)
    assert special_ids(model_dir, "pad") == []
    (model_dir / "generation_config.json").write_text('{"eos_token_id": [9, 3, 9]}')
    assert special_ids(model_dir, "eos") == [3, 9]


def test_an_end_of_the_generation_config_that_the_model_has_not_is_refused_by_that_file(model_dir: Path) -> None:
    (model_dir / "generation_config.json").write_text('{"eos_token_id": [1, 4000]}')
    assert "generation_config.json: eos_token_id holds 4000, while config.json has a vocab" in refusal(model_dir)


def test_one_scaling_that_is_told_in_both_places_is_taken(model_dir: Path) -> None:
    newer = {name.replace("rope_type", "type"): value for name, value in LLAMA_3_2_SCALING.items()}
    edit(model_dir / "config.json", rope_scaling=newer, rope_parameters=LLAMA_3_2_SCALING)
    checkpoint.read_checkpoint(model_dir)


def test_a_file_that_cannot_be_read_is_named(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in refusal(model_dir)
