"""The model of a campaign: a recipe that the workflow follows, or a folder of the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_runner.model.recipes import RECIPES


@dataclass(frozen=True)
class Model:
    """Where the model lies and what identifies its content."""

    name: str
    path: str
    identity: str
    recipe: str | None
    """Name of the recipe that makes the folder; None for a folder of the user's."""

    def describe(self) -> dict[str, Any]:
        """The model's entry in plan.json."""
        source = {"kind": "embedded", "recipe": self.recipe} if self.recipe else {"kind": "folder"}
        return {"name": self.name, "path": self.path, "identity": self.identity, "source": source}


def locate_model(path: Path, cache_file: Path) -> Model:
    """Model behind benchmark.model_path; the hashes of a user's folder are remembered in cache_file.

    Raises BenchmarkError where the path is neither the name of a model that can be made nor a model.
    """
    normal = Path(os.path.normpath(path))
    if normal.name in RECIPES:
        recipe = RECIPES[normal.name]
        return Model(name=normal.name, path=str(normal), identity=recipe.identity, recipe=recipe.name)
    # Imported here: a recipe's identity needs no reading of weights, and most runs use a recipe.
    from benchmark_runner.model.manifest import folder_identity

    identity = folder_identity(normal, cache_file)
    return Model(name=normal.name, path=str(normal), identity=identity, recipe=None)
