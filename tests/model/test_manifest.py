"""The manifest and the identity of a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import manifest
from benchmark_runner.model.recipes import RECIPE_IDENTITY, RECIPES


def identity_of(folder: Path, cache: Path) -> str:
    return manifest.folder_identity(folder, cache)[0]


def test_the_manifest_names_files_numbers_and_source(model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "manifest.json"
    flags = ["--model-dir", str(model_dir), "--name", "tiny", "--identity", "abc", "--out", str(out)]
    assert manifest.main(flags) == 0
    content = json.loads(out.read_text())
    assert content["source"] == {"kind": "folder"}
    assert (content["weights"], content["weights_dtype"], content["weights_bytes"]) == (
        "model.safetensors",
        "f16",
        6000,
    )
    assert content["architecture"]["vocab_size"] == 300
    entry = content["files"]["config.json"]
    assert entry["bytes"] == (model_dir / "config.json").stat().st_size
    assert entry["sha256"] == manifest.file_sha256(model_dir / "config.json")


def test_a_changed_embedded_model_is_refused(model_dir: Path) -> None:
    with pytest.raises(BenchmarkError, match="the folder was changed"):
        manifest.build_manifest(model_dir, next(iter(RECIPES)), RECIPE_IDENTITY, "embedded")


def test_an_identity_is_remembered_and_survives_a_touch(model_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hashes.json"
    first = identity_of(model_dir, cache)
    remembered = cache.read_text()
    assert len(first) == 12
    assert identity_of(model_dir, cache) == first
    assert cache.read_text() == remembered
    (model_dir / "model.safetensors").touch()
    assert identity_of(model_dir, cache) == first


def test_a_known_file_is_not_read_again(model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hashes.json"
    first = identity_of(model_dir, cache)
    monkeypatch.setattr(manifest, "file_sha256", lambda path: pytest.fail(f"{path} was read"))
    assert identity_of(model_dir, cache) == first


@pytest.mark.parametrize("broken", ["", "[]", "{", "\xff"])
def test_a_broken_cache_is_made_again(model_dir: Path, tmp_path: Path, broken: str) -> None:
    cache = tmp_path / "hashes.json"
    first = identity_of(model_dir, cache)
    cache.write_bytes(broken.encode("latin-1"))
    assert identity_of(model_dir, cache) == first


def test_each_file_that_matters_changes_the_identity(model_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hashes.json"
    seen = {identity_of(model_dir, cache)}
    (model_dir / "README.md").write_text("changes nothing")
    assert identity_of(model_dir, cache) in seen
    for name in ("config.json", "tokenizer.json", "generation_config.json"):
        (model_dir / name).write_text("{} ")
        seen.add(identity_of(model_dir, cache))
    assert len(seen) == 4


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"files": {"a": 1}}', '{"files": {}, "identity": "a", "source": []}']
)
def test_a_source_json_of_somebody_else_makes_no_difference(model_dir: Path, content: str) -> None:
    (model_dir / "source.json").write_text(content)
    assert manifest.build_manifest(model_dir, "tiny", "abc")["source"] == {"kind": "folder"}
    with pytest.raises(BenchmarkError, match="was not made by this workflow"):
        manifest.build_manifest(model_dir, "tiny", "abc", "synthetic")
