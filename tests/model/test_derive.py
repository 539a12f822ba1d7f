"""Derived weights: made whole or not at all, never in the user's folder, and known when they were altered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_json
from benchmark_runner.model import derive, formats
from benchmark_runner.model.manifest import file_sha256
from tiny_model import make_tiny_llama

MODEL = {"name": "m", "identity": "0123456789ab"}


def derive_gguf(source: Path, out: Path, dtype: str = "f32") -> dict:
    flags = ["--model-dir", str(source), "--name", "m", "--identity", MODEL["identity"]]
    assert derive.main([*flags, "--format", "gguf", "--dtype", dtype, "--out", str(out)]) == 0
    return json.loads((out / "manifest.json").read_text())


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_tiny_llama(tmp_path / "mine" / "m")


def test_the_manifest_proves_the_files_and_names_their_source(source):
    before = {path.name: path.stat().st_mtime_ns for path in source.iterdir()}
    out = formats.derived_folder(MODEL, "gguf", "f16")
    assert str(out) == "models/derived/m.0123456789ab/gguf-f16.v1"
    manifest = derive_gguf(source, out, "f16")
    assert (manifest["status"], manifest["format"], manifest["dtype"]) == ("ok", "gguf", "f16")
    assert (manifest["weights"], manifest["model"]) == ("model.gguf", MODEL)
    assert manifest["converter"]["version"] == 1
    assert set(manifest["converter"]["packages"]) == {"gguf"}
    assert set(manifest["files"]) == {"model.gguf", "config.json", "tokenizer.json", "tokenizer_config.json"}
    for name, entry in manifest["files"].items():
        assert entry == {"sha256": file_sha256(out / name), "bytes": (out / name).stat().st_size}
    assert {path.name: path.stat().st_mtime_ns for path in source.iterdir()} == before


def test_the_same_model_gives_the_same_bytes(source, tmp_path):
    first, second = (derive_gguf(source, tmp_path / name)["files"] for name in ("a", "b"))
    assert first == second


def test_a_model_that_cannot_be_converted_leaves_reason_and_remedy(source):
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"rope_scaling": {"rope_type": "yarn"}}))
    out = formats.derived_folder(MODEL, "gguf", "f32")
    manifest = derive_gguf(source, out)
    assert manifest["status"] == "unavailable"
    found = formats.read_derived(MODEL, "gguf", "f32")
    assert found is not None
    assert found.refusal == ("the model has rope scaling 'yarn'; only linear and llama3 are written", derive_remedy())
    assert not (out / "model.gguf").exists()


def derive_remedy() -> str:
    from benchmark_runner.model.plain_llama import OTHER_ENGINE

    return OTHER_ENGINE


def test_a_broken_folder_leaves_what_was_there(source, tmp_path):
    out = tmp_path / "out"
    before = derive_gguf(source, out)
    (source / "model.safetensors").write_bytes(b"")
    with pytest.raises(BenchmarkError, match="ends inside its header"):
        derive.make_derived(source, out, "gguf", "f32", MODEL)
    assert json.loads((out / "manifest.json").read_text()) == before
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_an_altered_file_is_noticed_and_a_touched_one_is_not(source, tmp_path):
    out, cache = tmp_path / "out", tmp_path / "hashes.json"
    formats.require_unaltered(out, cache)
    derive_gguf(source, out)
    (out / "model.gguf").touch()
    formats.require_unaltered(out, cache)
    content = bytearray((out / "model.gguf").read_bytes())
    content[-1] ^= 1
    (out / "model.gguf").write_bytes(bytes(content))
    with pytest.raises(BenchmarkError, match=r"model\.gguf is not the file .* delete"):
        formats.require_unaltered(out, cache)
    (out / "model.gguf").unlink()
    with pytest.raises(BenchmarkError, match=r"model\.gguf is not the file"):
        formats.require_unaltered(out, cache)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"files": {}}, r"manifest\.json: files has no model\.gguf, which engines open; move it away"),
        ({"files": None}, r"manifest\.json: files: None is not of type 'object' \(schema derived\); move it away"),
        ({"status": 7}, r"manifest\.json: status: 7 is not one of"),
    ],
)
def test_a_manifest_that_was_spoilt_is_named_with_the_remedy(source, changes, words):
    out = formats.derived_folder(MODEL, "gguf", "f32")
    write_json(out / "manifest.json", derive_gguf(source, out) | changes)
    with pytest.raises(BenchmarkError, match=words):
        formats.read_derived(MODEL, "gguf", "f32")
    with pytest.raises(BenchmarkError, match=words):
        formats.require_unaltered(out, out / "hashes.json")


def test_weights_that_were_not_made_are_named(source):  # noqa: ARG001  sets the current folder
    with pytest.raises(BenchmarkError, match="is missing"):
        formats.read_derived(MODEL, "gguf", "f32")
    assert formats.read_derived(MODEL, "safetensors", "f32") is None
