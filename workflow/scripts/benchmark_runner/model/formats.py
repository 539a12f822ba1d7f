"""The formats of weights that engines open: the model's own, and those that are derived from it.

A derived format is one entry of DERIVED and one module with a function `convert(source, out, dtype)`, which writes the
format's files into the folder out from the Hugging Face folder source (never changed), holds a tensor or two in memory
at a time, and raises CannotConvertError for a model that the format or its engine cannot express.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmark_runner.errors import BenchmarkError

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
