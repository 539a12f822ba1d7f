"""Reading a Hugging Face folder, and saying why a folder is no model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import checkpoint


def edit(path: Path, **keys: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **keys}))


def test_numbers_of_a_folder_are_read(model_dir: Path) -> None:
    tensors = checkpoint.read_all_tensors(model_dir)
    assert tensors == checkpoint.Tensors(dtypes=frozenset({"F16"}), parameters=8, data_bytes=16)
    architecture = checkpoint.read_architecture(model_dir, tensors)
    assert architecture.head_dim == 4
    assert architecture.rope_theta == 5000.0
    assert architecture.as_json()["context_length"] == 64
    assert checkpoint.weights_dtype(tensors) == "f16"


def test_rope_theta_is_found_where_newer_checkpoints_put_it(model_dir: Path) -> None:
    edit(model_dir / "config.json", rope_theta=None, rope_parameters={"rope_theta": 7.0})
    architecture = checkpoint.read_architecture(model_dir, checkpoint.read_all_tensors(model_dir))
    assert architecture.rope_theta == 7.0


def test_shards_are_read_together(model_dir: Path) -> None:
    (model_dir / "model.safetensors").rename(model_dir / "a.safetensors")
    save_file({"x": np.zeros(3, dtype=np.float32)}, model_dir / "b.safetensors")
    weight_map = {"x": "b.safetensors", "model.norm.weight": "a.safetensors"}
    (model_dir / checkpoint.SHARDED_WEIGHTS).write_text(json.dumps({"weight_map": weight_map}))
    tensors = checkpoint.read_all_tensors(model_dir)
    assert (tensors.parameters, tensors.data_bytes) == (11, 28)
    assert checkpoint.weights_dtype(tensors) == "mixed"
    assert {"a.safetensors", "b.safetensors"} < set(checkpoint.files_that_matter(model_dir))
    (model_dir / "b.safetensors").unlink()
    with pytest.raises(BenchmarkError, match=r"lacks b\.safetensors"):
        checkpoint.files_that_matter(model_dir)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "holds no config.json"),
        ("tokenizer.json", "holds no tokenizer.json"),
        ("model.safetensors", "holds no model.safetensors and no"),
    ],
)
def test_an_absent_file_is_named(model_dir: Path, name: str, message: str) -> None:
    (model_dir / name).unlink()
    with pytest.raises(BenchmarkError, match=message):
        checkpoint.files_that_matter(model_dir)


def test_weights_of_another_format_are_named(model_dir: Path) -> None:
    (model_dir / "model.safetensors").unlink()
    (model_dir / "pytorch_model.bin").touch()
    with pytest.raises(BenchmarkError, match=r"found pytorch_model\.bin"):
        checkpoint.weights_name(model_dir)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="is no folder"):
        checkpoint.files_that_matter(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("keep", "message"),
    [(4, "ends inside its header"), (20, "ends inside its header"), (-1, "where its header promises")],
)
def test_weights_cut_short_are_refused(model_dir: Path, keep: int, message: str) -> None:
    path = model_dir / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BenchmarkError, match=message):
        checkpoint.read_tensors(path)


@pytest.mark.parametrize("header", [b"not json", b"[]", b"{}", b'{"x": {}}'])
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(BenchmarkError, match="is no safetensors file"):
        checkpoint.read_tensors(path)


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(BenchmarkError, match="git lfs pull"):
        checkpoint.read_tensors(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model_type": "mamba"}, "only 'llama' is served"),
        ({"quantization_config": {"bits": 4}}, "is quantised"),
        ({"hidden_size": "wide"}, "cannot read"),
    ],
)
def test_a_model_that_no_engine_serves_is_refused(model_dir: Path, keys: dict[str, object], message: str) -> None:
    edit(model_dir / "config.json", **keys)
    with pytest.raises(BenchmarkError, match=message):
        checkpoint.read_architecture(model_dir, checkpoint.read_all_tensors(model_dir))


def test_quantised_weights_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="type I8"):
        checkpoint.weights_dtype(checkpoint.Tensors(frozenset({"F32", "I8"}), 1, 1))


def test_eos_ids_come_from_the_generation_config_first(model_dir: Path) -> None:
    assert checkpoint.eos_ids(model_dir) == [1]
    (model_dir / "generation_config.json").write_text('{"eos_token_id": [9, 3]}')
    assert checkpoint.eos_ids(model_dir) == [3, 9]
