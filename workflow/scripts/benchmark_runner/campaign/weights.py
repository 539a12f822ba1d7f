"""The weights that the engines of a campaign open: the model's own, or ones derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from benchmark_runner.campaign.engines import Engine
from benchmark_runner.campaign.model import Model
from benchmark_runner.model.formats import MANIFEST, SAFETENSORS, derived_folder, read_derived, require_unaltered

REFERENCE_ADAPTER: Final = "pytorch-baseline"
"""transformers' own model code, from which the others are written."""

REFERENCE_DTYPE: Final = "f32"
"""The fidelity check's reference computes in f32 whatever its engine is configured for."""


class Derivation(NamedTuple):
    """What is derived into one folder."""

    format: str
    dtype: str


class CampaignWeights:
    """Which weights are derived, for whom, and where they lie."""

    def __init__(self, model: Model, engines: Mapping[str, Engine], reference: str) -> None:
        self.model = model
        self.engines = engines
        self.reference = reference

    def _folder(self, engine: Engine, dtype: str) -> Path:
        return derived_folder(self.model.describe(), engine.weights_format, dtype)

    @cached_property
    def derivations(self) -> dict[str, Derivation]:
        """All that is derived, by folder; engines that open the same files share them."""
        wanted = [(engine, engine.dtype) for engine in self.engines.values()]
        wanted.append((self.engines[self.reference], REFERENCE_DTYPE))
        return {
            str(self._folder(engine, dtype)): Derivation(engine.weights_format, dtype)
            for engine, dtype in wanted
            if engine.weights_format != SAFETENSORS
        }

    @property
    def manifests(self) -> list[str]:
        """Manifests of all derived weights."""
        return [f"{folder}/{MANIFEST}" for folder in self.derivations]

    def manifest_of(self, name: str, dtype: str | None = None) -> list[str]:
        """Manifest of what an engine opens, in its own dtype by default; none where that is the model itself."""
        engine = self.engines[name]
        if engine.weights_format == SAFETENSORS:
            return []
        return [f"{self._folder(engine, dtype or engine.dtype)}/{MANIFEST}"]

    def opened_by(self, name: str) -> str:
        """Folder that an engine is told to open, whether or not it is there yet."""
        engine = self.engines[name]
        return self.model.path if engine.weights_format == SAFETENSORS else str(self._folder(engine, engine.dtype))

    def refused(self, engine: Engine) -> bool:
        """Whether the model is known not to be had in the engine's format."""
        if engine.weights_format == SAFETENSORS or not Path(self.manifest_of(engine.name)[0]).is_file():
            return False
        found = read_derived(self.model.describe(), engine.weights_format, engine.dtype)
        return found is not None and found.refusal is not None

    def require_unaltered(self, cache_file: Path) -> None:
        """Raise BenchmarkError where a derived file is not what its manifest says."""
        for folder in self.derivations:
            require_unaltered(Path(folder), cache_file)
