"""The head of a .lmrs file of version 4, and the order of the tensors behind it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmark_runner.model.llama_config import Architecture
from benchmark_runner.model.tensor_set import llama_tensors

MAGIC: Final = b"lmrs"
VERSION: Final = 4
HEADER_BYTES: Final = 256
FIELDS: Final = struct.Struct("<4s9I2f2BIB")
"""magic, version, hidden, intermediate, layers, heads, head_dim, kv heads, vocabulary, positions, epsilon, theta,
type of the values, kind of model, group size, whether images are understood; little-endian, without gaps."""

FLOAT32: Final = 0
Q8_0: Final = 1
"""Type of the values."""

LLAMA: Final = 1
"""Kind of model."""

GROUP_SIZE: Final = 128
"""Values that share a scale in Q8_0; written for f32 too, as lm.rs's own files have it."""


OF_A_LAYER: Final = (
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.down_proj",
    "mlp.up_proj",
)
"""Kinds of a layer's tensors in the file's order."""


class Block(NamedTuple):
    """One tensor of the file."""

    name: str
    """Its name in a Hugging Face checkpoint."""
    shape: tuple[int, ...]
    is_norm: bool
    """Norms stay f32 in a quantised file."""


def pack_header(shape: Architecture, value_type: int) -> bytes:
    """The first HEADER_BYTES of a file."""
    fields = FIELDS.pack(
        MAGIC,
        VERSION,
        shape.hidden_size,
        shape.intermediate_size,
        shape.layers,
        shape.heads,
        shape.head_dim,
        shape.kv_heads,
        shape.vocab_size,
        shape.context_length,
        shape.norm_epsilon,
        shape.rope_theta,
        value_type,
        LLAMA,
        GROUP_SIZE,
        0,
    )
    return fields.ljust(HEADER_BYTES, b"\0")


def blocks(shape: Architecture) -> Iterator[Block]:
    """Tensors in the file's order: the embedding, then one kind after the other for all layers, then the last norm.

    Rows of queries and keys stay in the Hugging Face order, which is the one that lm.rs rotates.
    """
    shapes = dict(llama_tensors(shape))
    names = [
        "model.embed_tokens",
        *(f"model.layers.{layer}.{name}" for name in OF_A_LAYER for layer in range(shape.layers)),
    ]
    for name in [*names, "model.norm"]:
        extents = shapes[f"{name}.weight"]
        yield Block(f"{name}.weight", extents, is_norm=len(extents) == 1)
