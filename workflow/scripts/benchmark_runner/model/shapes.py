"""Synthetic models: the shape of a published Llama with random weights, known before they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark_runner.hashes import text_identity
from benchmark_runner.model.llama_config import architecture_of
from benchmark_runner.model.tensor_set import llama_tensors

TABLE: Final = Path(__file__).with_name("shapes.yaml")

PREFIX: Final = "synthetic-"
"""A model path whose last part begins so is made from the table."""

GENERATOR_VERSION: Final = 1
"""Goes up when other bytes are written, so that the models' identities change with it."""

SEED: Final = 0
"""Of the weights: one is enough, since speed does not depend on their values."""


@dataclass(frozen=True)
class Synthetic:
    """A shape of the table as a model; its weights are random, so only its speed means something."""

    name: str
    """Name of the folder: PREFIX and the shape's name."""
    published: str
    """Address of the config.json that the shape is taken from."""
    config: Mapping[str, Any]
    """The shape's keys of config.json."""

    @property
    def shape(self) -> str:
        """Name of the shape in the table."""
        return self.name.removeprefix(PREFIX)

    @property
    def identity(self) -> str:
        """Short hash of all that determines each byte of the model."""
        text = json.dumps([GENERATOR_VERSION, SEED, self.config], sort_keys=True)
        return text_identity(text)

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return int(self.config["max_position_embeddings"])

    def source(self) -> dict[str, Any]:
        """What plan and manifest say of where the model comes from."""
        return {
            "kind": "synthetic",
            "recipe": self.name,
            "shape": self.shape,
            "shape_source": self.published,
            "seed": SEED,
            "generator_version": GENERATOR_VERSION,
        }

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of each tensor, in the order of the file; a vector is a norm."""
        return llama_tensors(architecture_of(self.config, TABLE, parameters=0))


@cache
def synthetic_models() -> dict[str, Synthetic]:
    """All of the table, by the name of their folder."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {
        f"{PREFIX}{shape}": Synthetic(f"{PREFIX}{shape}", entry["source"], entry["config"])
        for shape, entry in table.items()
    }
