"""The formats of weights that engines open: the model's own, and those that are derived from it.

A derived format is one entry of DERIVED and one module with a function `convert(source, out, dtype)`, which writes the
format's files into the folder out from the Hugging Face folder source (never changed), holds a tensor or two in memory
at a time, and raises CannotConvertError for a model that the format or its engine cannot express.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import MADE_AGAIN, BenchmarkError
from benchmark_runner.jsonio import read_json, read_valid
from benchmark_runner.remembered import altered
from benchmark_runner.schemas import first_violation

SAFETENSORS: Final = "safetensors"
"""The format of the model's own folder, which nothing is derived for."""


class CannotConvertError(BenchmarkError):
    """A model that a format cannot express: its engine is unavailable for this model, and the campaign goes on."""

    def __init__(self, reason: str, remedy: str) -> None:
        """Keep both parts, which records hold apart."""
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class DerivedFormat:
    """How weights of one format are made."""

    weights: str
    """The file that an adapter is told to open."""
    module: str
    """Module with the function convert, imported only when something is converted."""
    version: int
    """Goes up when the module writes other bytes: files of another version are others, and so are launches on them."""
    packages: tuple[str, ...] = ()
    """Libraries that write the bytes too; the manifest names their versions."""


DERIVED: Final = {
    "gguf": DerivedFormat("model.gguf", "benchmark_runner.model.gguf_writer", version=1, packages=("gguf",)),
    "lmrs": DerivedFormat("model.lmrs", "benchmark_runner.model.lmrs.convert", version=1),
    "lmrs-q8_0": DerivedFormat("model.lmrs", "benchmark_runner.model.lmrs.convert_q8_0", version=1),
    "ctranslate2": DerivedFormat("model.bin", "benchmark_runner.model.ctranslate2_writer", version=1),
}

FORMATS: Final = (SAFETENSORS, *DERIVED)
"""Names that weights.format of an adapter.yaml may have."""


ROOT: Final = Path("models") / "derived"
"""Below the current folder: a folder of the user's is never written to."""

MANIFEST: Final = "manifest.json"


class DerivedWeights(NamedTuple):
    """A folder of derived weights that has been made."""

    folder: Path
    """Absolute."""
    manifest: dict[str, Any]

    @property
    def refusal(self) -> tuple[str, str] | None:
        """Reason and remedy where the model cannot be had in this format; None where the weights are there."""
        if self.manifest["status"] == "ok":
            return None
        return self.manifest["reason"], self.manifest["remedy"]


def derived_folder(model: Mapping[str, Any], weights_format: str, dtype: str) -> Path:
    """Folder of derived weights, relative to the current one; model is its entry in the plan.

    The name holds all that determines the bytes, so that what lies there is never out of date.
    """
    version = DERIVED[weights_format].version
    return ROOT / f"{model['name']}.{model['identity']}" / f"{weights_format}-{dtype}.v{version}"


def format_of(engine: Mapping[str, Any]) -> str:
    """Format that an engine of the plan opens; plans made before there were others do not name it."""
    return str(engine.get("weights_format", SAFETENSORS))


def _manifest(folder: Path) -> dict[str, Any]:
    """Manifest of derived weights; raises BenchmarkError where it is none, or lists not what engines open."""
    content: dict[str, Any] = read_valid("derived", path := folder / MANIFEST)
    if content["status"] == "ok" and content["weights"] not in content["files"]:
        raise BenchmarkError(f"{path}: files has no {content['weights']}, which engines open; {MADE_AGAIN}")
    return content


def read_derived(model: Mapping[str, Any], weights_format: str, dtype: str) -> DerivedWeights | None:
    """What an engine opens instead of the model's own folder; None for SAFETENSORS.

    Raises BenchmarkError where it has not been made.
    """
    if weights_format == SAFETENSORS:
        return None
    folder = derived_folder(model, weights_format, dtype).absolute()
    return DerivedWeights(folder, _manifest(folder))


def derived_manifest(folder: Path) -> dict[str, Any] | None:
    """Manifest of a folder of derived weights; None for any other folder, such as a model of the user's."""
    path = folder / MANIFEST
    content: dict[str, Any] | None = read_json(path) if path.is_file() else None
    return None if content is None or first_violation("derived", content) else content


def require_unaltered(folder: Path, cache_file: Path) -> None:
    """Raise BenchmarkError where a file of a derived folder is not what its manifest says; one not made yet passes.

    Hashes are remembered in cache_file as those of a user's folder are.
    """
    if not (folder / MANIFEST).is_file():
        return
    files = _manifest(folder)["files"]
    changed = altered(folder, {name: entry["sha256"] for name, entry in files.items()}, cache_file)
    if changed:
        raise BenchmarkError(
            f"{changed[0]} is not the file that {MANIFEST} beside it describes: it was changed or removed; "
            f"delete {folder} and run again, which makes it anew"
        )
