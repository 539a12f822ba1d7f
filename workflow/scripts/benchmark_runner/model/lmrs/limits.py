"""Which Llamas lm.rs computes rightly: what its model file cannot say, its program assumes.

Each rule was found by reading lm.rs at commit aa6db5c; where a model breaks one, lm.rs would run it and answer with
other text, or drop what does not fit, without a word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.llama_config import Architecture

FEWEST_IDS: Final = 128_010
"""Its prompt holds ids up to 128009, whatever the tokenizer."""

ROW_GROUP: Final = 4
"""It computes the logits four rows at a time; rows left over stay 0."""

VECTOR_LENGTH: Final = 8
"""It multiplies eight numbers at a time; numbers left over are dropped."""

LLAMA3_SCALING: Final[Mapping[str, float]] = {
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""The rotary scaling of Llama 3.2, which is part of its program."""

UNSCALED_BELOW: Final = LLAMA3_SCALING["original_max_position_embeddings"] / LLAMA3_SCALING["high_freq_factor"]
"""Wavelengths below this are not scaled; unit: positions."""

ELEMENT_LIMIT: Final = 1 << 32
"""It counts the elements of all layers of one kind in 32 bits."""

REMEDY: Final = "measure lm.rs on a checkpoint that it computes, such as Llama 3.2 1B or 3B, or leave the engine out"


def longest_wavelength(shape: Architecture) -> float:
    """Of the rotary embedding's pairs, unit: positions; the wavelength of pair i is 2 pi theta^(2 i / head_dim)."""
    return float(2 * math.pi * shape.rope_theta ** ((shape.head_dim - 2) / shape.head_dim))


def _of_kind(config: Mapping[str, Any]) -> Iterator[str]:
    if not config.get("tie_word_embeddings", False):
        yield "its output layer is not tied to the embedding (tie_word_embeddings), and lm.rs has no other output layer"
    for key in ("attention_bias", "mlp_bias"):
        if config.get(key):
            yield f"it has biases ({key}), which lm.rs has not"
    if (activation := config.get("hidden_act", "silu")) not in ("silu", "swish"):
        yield f"its activation is {activation!r}; lm.rs computes silu"


def _of_rope(config: Mapping[str, Any], shape: Architecture) -> Iterator[str]:
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "llama3":
        for key, wanted in LLAMA3_SCALING.items():
            if scaling.get(key) != wanted:
                yield f"rope scaling has {key} {scaling.get(key)}; lm.rs always computes with {wanted:g}"
    elif kind != "default":
        yield f"rope scaling is of type {kind!r}; lm.rs always scales as Llama 3.2 does"
    elif (longest := longest_wavelength(shape)) >= UNSCALED_BELOW:
        yield (
            f"it has no rope scaling, and lm.rs would scale its wavelengths from {UNSCALED_BELOW:g} positions on "
            f"as Llama 3.2 does (rope_theta {shape.rope_theta:g} makes one of {longest:.0f})"
        )


def _of_widths(shape: Architecture) -> Iterator[str]:
    if shape.vocab_size < FEWEST_IDS:
        yield f"it knows {shape.vocab_size} tokens; lm.rs's prompt uses ids up to {FEWEST_IDS - 1}"
    if shape.vocab_size % ROW_GROUP:
        yield f"vocab_size {shape.vocab_size} is no multiple of {ROW_GROUP}; lm.rs leaves the last logits at 0"
    widths = {
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "heads x head_dim": shape.query_width,
    }
    for name, width in widths.items():
        if width % VECTOR_LENGTH:
            yield f"{name} {width} is no multiple of {VECTOR_LENGTH}; lm.rs drops what is left over"
    if shape.kv_width % ROW_GROUP:
        yield f"key and value heads x head_dim, {shape.kv_width}, is no multiple of {ROW_GROUP}"
    if not shape.hidden_size < 2 * shape.query_width < 4 * shape.hidden_size:
        yield (
            f"heads x head_dim {shape.query_width} is not between half and twice hidden_size {shape.hidden_size}, "
            "which lm.rs's buffers need"
        )
    largest = shape.layers * shape.hidden_size * max(shape.intermediate_size, shape.query_width)
    if max(largest, shape.vocab_size * shape.hidden_size) >= ELEMENT_LIMIT:
        yield "the elements of one kind of tensor do not fit the 32 bits in which lm.rs counts them"


def broken_rules(config: Mapping[str, Any], shape: Architecture) -> list[str]:
    """Why lm.rs would compute another model than config.json describes; empty where it computes this one."""
    return [*_of_kind(config), *_of_widths(shape), *_of_rope(config, shape)]


def require_computable(config: Mapping[str, Any], shape: Architecture) -> None:
    """Raise CannotConvertError that tells all that stands against a model which lm.rs would compute wrongly."""
    if problems := broken_rules(config, shape):
        raise CannotConvertError(f"lm.rs cannot compute this model: {'; '.join(problems)}", REMEDY)
