"""Makes weights of another format: python -m benchmark_runner.model.derive --format gguf --dtype f32 …."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import write_json
from benchmark_runner.model.checkpoint import DTYPE_NAMES, files_that_matter, weight_files, weights_name
from benchmark_runner.model.formats import DERIVED, MANIFEST, CannotConvertError
from benchmark_runner.model.manifest import describe_files
from benchmark_runner.model.source import made_whole
from benchmark_runner.terminal import say

SCHEMA_VERSION: Final = 1


def copy_small_files(source: Path, target: Path) -> None:
    """Copy what lies beside the weights, so that an engine finds config.json where it finds its weights."""
    large = {*weight_files(source), weights_name(source)}
    for name in files_that_matter(source):
        if name not in large:
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, target / name)


def derive(source: Path, target: Path, weights_format: str, dtype: str) -> dict[str, Any]:
    """Write the files of a format into the empty folder target; returns its manifest without the model.

    A model that the format cannot express gives a manifest with status `unavailable` and no weights.
    """
    form = DERIVED[weights_format]
    copy_small_files(source, target)
    status, reason, remedy = "ok", None, None
    try:
        importlib.import_module(form.module).convert(source, target, dtype)
    except CannotConvertError as refusal:
        status, reason, remedy = "unavailable", refusal.reason, refusal.remedy
    return {
        "schema_version": SCHEMA_VERSION,
        "status": status,
        "reason": reason,
        "remedy": remedy,
        "format": weights_format,
        "dtype": dtype,
        "weights": form.weights,
        "converter": {
            "module": form.module,
            "version": form.version,
            "packages": {name: metadata.version(name) for name in form.packages},
        },
        "files": describe_files(
            target, sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
        ),
    }


def make_derived(source: Path, out: Path, weights_format: str, dtype: str, model: dict[str, str]) -> dict[str, Any]:
    """Make the whole folder out, or leave what was there; returns its manifest."""
    with made_whole(out) as fresh:
        manifest = {"model": model, **derive(source, fresh, weights_format, dtype)}
        write_json(fresh / MANIFEST, manifest)
    return manifest


def main(argv: Sequence[str]) -> int:
    """Derive weights of --format in --dtype from the model at --model-dir into the folder --out."""
    parser = command("model.derive", main.__doc__, "model-dir", out="folder to make")
    parser.add_argument("--name", required=True, help="the model's name in reports")
    parser.add_argument("--identity", required=True, help="the identity that the plan gives the model")
    parser.add_argument("--format", choices=sorted(DERIVED), required=True)
    parser.add_argument("--dtype", choices=sorted(DTYPE_NAMES.values()), required=True)
    arguments = parser.parse_args(argv)
    say(f"{arguments.name}: writing its weights as {arguments.format} in {arguments.dtype}")
    model = {"name": arguments.name, "identity": arguments.identity}
    manifest = make_derived(arguments.model_dir, arguments.out, arguments.format, arguments.dtype, model)
    if manifest["status"] == "ok":
        size_bytes = manifest["files"][manifest["weights"]]["bytes"]
        say(f"{arguments.name}: {arguments.out / manifest['weights']} ({size_bytes / 1e9:.1f} GB)")
    else:
        say(f"{arguments.name}: not to be had as {arguments.format}: {manifest['reason']}; {manifest['remedy']}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
