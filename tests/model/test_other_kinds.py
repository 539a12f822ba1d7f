"""Folders that hold a model in another form say what they hold and what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.checkpoint import read_checkpoint
from tiny_model import make_tiny_llama


def refusal(folder: Path) -> str:
    with pytest.raises(BenchmarkError) as caught:
        read_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert "download it again" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "is empty"),
        (["llama-Q5_K_S.gguf", "llama-Q8_0.gguf"], "GGUF weights ('llama-Q5_K_S.gguf' and 1 more)"),
        (["consolidated.01.pth", "params.json", "tokenizer.model"], "convert_llama_weights_to_hf.py"),
        (["params.json"], "Meta's own form"),
        (["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"], "merge it into its base model"),
        (["model.onnx"], "an ONNX model"),
        (["openvino_model.xml", "openvino_model.bin"], "an OpenVINO model"),
        (["weights.00.npz"], "an MLX model"),
        (["config.json", "tokenizer.json", "pytorch_model-00001-of-00002.bin"], "PyTorch weights"),
        (["config.json", "tokenizer.json", "tf_model.h5"], "TensorFlow weights"),
        (["config.json", "tokenizer.json", "model-00001-of-00002.safetensors"], "without their index"),
        (["config.json", "tokenizer.json", "model.safetensors.incomplete"], "an unfinished download"),
        (["config.json", "tokenizer.json"], "holds no model.safetensors; put the one"),
        (["model.safetensors", "tokenizer.json"], "holds no config.json; put the one"),
        (["README.md"], "holds no config.json; put the one"),
        (["snapshots/0123/config.json"], "its folder 'snapshots/0123' does; name that"),
    ],
)
def test_what_lies_there_is_named_with_a_remedy(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        path = tmp_path / "m" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (tmp_path / "m").mkdir(exist_ok=True)
    assert words in refusal(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tokenizer.model", "a SentencePiece or tiktoken tokenizer ('tokenizer.model')"),
        ("vocab.json", "a tokenizer of separate files"),
        (None, "holds no tokenizer.json; put"),
    ],
)
def test_a_tokenizer_of_another_form_is_named(tmp_path: Path, name: str | None, words: str) -> None:
    folder = make_tiny_llama(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    if name:
        (folder / name).write_text("{}")
    assert words in refusal(folder)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert "is no folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_link_that_leads_nowhere_as_in_a_copied_cache_of_the_hub_is_named_for_what_it_is(
    tmp_path: Path, name: str
) -> None:
    folder = make_tiny_llama(tmp_path / "m")
    (folder / name).unlink()
    (folder / name).symlink_to("../../blobs/gone")
    assert f"/{name} is no file, or a link to none; put the model's there (cp -L follows links)" in refusal(folder)
