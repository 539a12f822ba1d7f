"""The model of a campaign: one that the workflow makes or fetches, or a folder of the user's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_runner.model.recipes import RECIPES, HubModel, synthetic_models


@dataclass(frozen=True)
class Model:
    """Where the model lies and what identifies its content."""

    name: str
    path: str
    identity: str
    source: Mapping[str, Any]
    """Where it comes from: kind (embedded, synthetic, hugging_face, folder) and what that kind has to tell."""
    made: bool = False
    """Whether the workflow makes the folder; False for a folder of the user's, even a copy of one that it made."""

    @property
    def maker(self) -> str:
        """Kind of source by which the workflow makes the folder; `folder` where it does not."""
        return str(self.source["kind"]) if self.made else "folder"

    def describe(self) -> dict[str, Any]:
        """The model's entry in plan.json."""
        return {"name": self.name, "path": self.path, "identity": self.identity, "source": dict(self.source)}


def locate_model(path: Path, hub: Mapping[str, str] | None, cache_file: Path) -> Model:
    """Model behind benchmark.model_path and hugging_face; a user's folder has its hashes remembered in cache_file.

    Raises BenchmarkError where the path is neither the name of a model that can be made nor a model.
    """
    normal = Path(os.path.normpath(path))
    if hub is not None:
        fetched = HubModel(hub["id"], hub["revision"])
        return Model(normal.name, str(normal), fetched.identity, fetched.source(), made=True)
    if normal.name in RECIPES:
        recipe = RECIPES[normal.name]
        source = {"kind": "embedded", "recipe": recipe.name}
        return Model(normal.name, str(normal), recipe.identity, source, made=True)
    if normal.name in synthetic_models():
        synthetic = synthetic_models()[normal.name]
        return Model(normal.name, str(normal), synthetic.identity, synthetic.source(), made=True)
    # Imported here: a recipe's identity needs no reading of weights, and most runs use a recipe.
    from benchmark_runner.model.manifest import folder_identity
    from benchmark_runner.model.source import carried_source

    identity, hashes = folder_identity(normal, cache_file)
    return Model(normal.name, str(normal), identity, carried_source(normal, hashes))
