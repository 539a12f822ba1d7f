"""Making the embedded model."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, TokenType
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import embedded, gguf_llama
from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.manifest import file_sha256
from benchmark_runner.model.recipes import RECIPE_IDENTITY, RECIPES, Recipe

WIDTH, HEADS, KV_HEADS = 8, 2, 1


def llama_cpp_permutation(rows: np.ndarray, heads: int) -> np.ndarray:
    """What convert_hf_to_gguf.py does to query and key rows (LlamaModel.permute)."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_gguf(path: Path, architecture: str = "llama") -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    head_dim = WIDTH // HEADS
    query = random.normal(size=(WIDTH, WIDTH)).astype(np.float32)
    key = random.normal(size=(KV_HEADS * head_dim, WIDTH)).astype(np.float32)
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(16)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100000.0)
    writer.add_vocab_size(6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<|end|>", "<|start|>", "1", "2", "a", "aa"])
    writer.add_token_types([TokenType.CONTROL] * 2 + [TokenType.NORMAL] * 4)
    writer.add_token_merges(["a a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_chat_template("{{ messages }}")
    tensors = {
        "token_embd.weight": random.normal(size=(6, WIDTH)).astype(np.float32),
        "blk.0.attn_q.weight": llama_cpp_permutation(query, HEADS),
        "blk.0.attn_k.weight": llama_cpp_permutation(key, KV_HEADS),
    }
    others = {
        "attn_v": (KV_HEADS * head_dim, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "attn_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
        "ffn_gate": (16, WIDTH),
        "ffn_up": (16, WIDTH),
        "ffn_down": (WIDTH, 16),
    }
    drawn = {name: random.normal(size=shape).astype(np.float32) for name, shape in others.items()}
    tensors |= {f"blk.0.{name}.weight": values for name, values in drawn.items()}
    tensors["output_norm.weight"] = random.normal(size=WIDTH).astype(np.float32)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {
        "model.embed_tokens.weight": tensors["token_embd.weight"],
        "model.layers.0.self_attn.q_proj.weight": query,
        "model.layers.0.self_attn.k_proj.weight": key,
        "model.norm.weight": tensors["output_norm.weight"],
        **{f"model.layers.0.{gguf_llama.LAYER_NAMES[name]}.weight": values for name, values in drawn.items()},
    }


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe whose wheel would hold a Llama of a few numbers."""
    gguf = tmp_path / "source.gguf"
    write_gguf(gguf)
    folder = tmp_path / "converted"
    folder.mkdir()
    return Recipe(
        name="tiny",
        wheel="tiny-wheel",
        gguf_path="tiny/model.gguf",
        gguf_bytes=gguf.stat().st_size,
        gguf_sha256=file_sha256(gguf),
        weights_sha256=embedded.convert(gguf, folder),
        licence="none",
        context_length=64,
    )


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(lock: Path, target: Path, uv: Path) -> None:  # noqa: ARG001  stands for install_wheel
        (target / "tiny").mkdir(parents=True)
        (target / "tiny" / "model.gguf").write_bytes((tmp_path / "source.gguf").read_bytes())

    monkeypatch.setattr(embedded, "install_wheel", install)


def test_conversion_undoes_the_permutation_and_keeps_each_number(tmp_path: Path) -> None:
    wanted = write_gguf(tmp_path / "model.gguf")
    sha256 = embedded.convert(tmp_path / "model.gguf", tmp_path)
    path = tmp_path / "model.safetensors"
    read = load_file(path)
    assert read.keys() == wanted.keys()
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(read[name], tensor)
    assert sha256 == file_sha256(path)
    assert path.stat().st_mode & 0o444 == 0o444
    architecture = read_checkpoint(tmp_path).architecture
    assert (architecture.kv_heads, architecture.head_dim, architecture.tied_embeddings) == (1, 4, True)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["rope_theta"], config["rms_norm_eps"], config["eos_token_id"]) == (100000.0, 1e-05, 0)


def test_the_tokenizer_splits_digits_and_knows_its_special_tokens(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    embedded.convert(tmp_path / "model.gguf", tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.encode("<|start|>12aa").ids == [1, 2, 3, 5]
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (config["bos_token"], config["chat_template"]) == ("<|start|>", "{{ messages }}")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf", architecture="gpt2")
    with pytest.raises(BenchmarkError, match="architecture 'gpt2'"):
        gguf_llama.metadata(GGUFReader(tmp_path / "model.gguf"))


@pytest.mark.parametrize("name", ["blk.0.ffn_gate_inp.weight", "blk.0.attn_q.bias", "rope_freqs.weight"])
def test_a_tensor_that_a_llama_lacks_is_refused(name: str) -> None:
    with pytest.raises(BenchmarkError, match="which a Llama does not have"):
        gguf_llama.hugging_face_name(name)


@pytest.mark.usefixtures("wheel")
def test_a_model_takes_the_place_of_what_was_there(tmp_path: Path, recipe: Recipe) -> None:
    out = tmp_path / "models" / "tiny"
    (out / "old").mkdir(parents=True)
    (tmp_path / "models" / ".tiny.partial" / "of a killed run").mkdir(parents=True)
    embedded.make_model(recipe, Path("lock"), out, Path("uv"))
    assert not (out / "old").exists()
    assert file_sha256(out / "model.safetensors") == recipe.weights_sha256
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gguf_sha256": "0"}, "damaged"),
        ({"gguf_bytes": 1}, "the recipe wants 1 bytes"),
        ({"gguf_path": "tiny/other.gguf"}, "holds no tiny/other.gguf"),
        ({"weights_sha256": "0"}, "computes otherwise"),
    ],
)
def test_bytes_other_than_the_recipe_s_leave_the_old_model(
    tmp_path: Path, recipe: Recipe, change: dict[str, object], message: str
) -> None:
    out = tmp_path / "models" / "tiny"
    (out / "old").mkdir(parents=True)
    with pytest.raises(BenchmarkError, match=message):
        embedded.make_model(dataclasses.replace(recipe, **change), Path("lock"), out, Path("uv"))
    assert (out / "old").exists()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]


def test_a_missing_uv_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="uv is missing"):
        embedded.install_wheel(tmp_path / "lock", tmp_path, tmp_path / "uv")


def test_a_failed_installation_names_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="network"):
        embedded.install_wheel(tmp_path / "lock", tmp_path, Path("/bin/false"))


def test_a_recipe_is_known_without_reading_libraries() -> None:
    code = (
        "import sys; from benchmark_runner.model import recipes; "
        "print(recipes.RECIPE_IDENTITY, 'numpy' in sys.modules, 'gguf' in sys.modules)"
    )
    path = str(Path(embedded.__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [RECIPE_IDENTITY, "False", "False"]


def test_the_converter_s_version_is_part_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = next(iter(RECIPES.values()))
    before = recipe.identity
    monkeypatch.setattr("benchmark_runner.model.recipes.CONVERTER_VERSION", 2)
    assert recipe.identity != before
