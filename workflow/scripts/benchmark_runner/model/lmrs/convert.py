"""The derived formats `lmrs` and `lmrs-q8_0`: convert(source, out, dtype) writes model.lmrs and tokenizer.bin."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.llama_config import Architecture, json_object
from benchmark_runner.model.lmrs.limits import REMEDY, require_computable
from benchmark_runner.model.lmrs.tokenizer_bin import entries, pack_tokenizer
from benchmark_runner.model.safetensors_data import as_float32
from benchmark_runner.model.safetensors_header import StoredTensor
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


def blocks(shape: Architecture) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Hugging Face name and shape of each tensor in the file's order.

    The embedding comes first, then one kind after the other for all layers, then the last norm. Rows of queries and
    keys stay in the Hugging Face order, which is the one that lm.rs rotates.
    """
    shapes = dict(llama_tensors(shape))
    names = [
        "model.embed_tokens",
        *(f"model.layers.{layer}.{name}" for name in OF_A_LAYER for layer in range(shape.layers)),
    ]
    for name in [*names, "model.norm"]:
        yield f"{name}.weight", shapes[f"{name}.weight"]


Q8_LARGEST: Final = 127


def quantise_q8(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Values as int8, and a scale for each GROUP_SIZE of them in row-major order.

    scale = largest |value| / 127, value = round(value / scale) with halves to even, as torch rounds, with which lm.rs's
    own exporter does it; a group of zeros has scale 0 and values 0.
    """
    groups = values.reshape(-1, GROUP_SIZE)
    scales = np.abs(groups).max(axis=1) / np.float32(Q8_LARGEST)
    divisors = np.where(scales == 0, np.float32(1), scales)
    return np.rint(groups / divisors[:, None]).astype(np.int8), scales


def require_groups(shape: Architecture) -> None:
    """Raise CannotConvertError where a width is no multiple of GROUP_SIZE, so that a scale would span two rows."""
    for width in (shape.hidden_size, shape.intermediate_size, shape.query_width):
        if width % GROUP_SIZE:
            raise CannotConvertError(f"a width of {width} is no multiple of the {GROUP_SIZE} values of a scale", REMEDY)


def write_model(path: Path, shape: Architecture, tensors: Mapping[str, StoredTensor], value_type: int) -> None:
    """Write the model file, one tensor in memory at a time; raises as require_groups does."""
    if value_type == Q8_0:
        require_groups(shape)
    with path.open("wb") as file:
        file.write(pack_header(shape, value_type))
        for name, extents in blocks(shape):
            values = as_float32(tensors[name])
            # Norms stay f32 in a quantised file.
            for part in quantise_q8(values) if value_type == Q8_0 and len(extents) > 1 else (values,):
                file.write(np.ascontiguousarray(part).data.cast("B"))


MODEL: Final = "model.lmrs"
TOKENIZER: Final = "tokenizer.bin"

BOS_ID: Final = 128_000
"""Of Llama 3; lm.rs's prompt for Llamas holds it in any case and does not read this field."""


def convert(source: Path, out: Path, dtype: str, value_type: int = FLOAT32) -> None:
    """Write both files into out; raises CannotConvertError for a model that lm.rs would compute wrongly."""
    if dtype != "f32":
        raise CannotConvertError(
            f"lm.rs computes in f32, and {dtype} was asked for", "set the engine's dtype to f32, or leave it out"
        )
    checkpoint = read_checkpoint(source)
    shape = checkpoint.architecture
    require_computable(json_object(source / "config.json"), shape)
    listed = entries(json_object(source / "tokenizer.json"), shape.vocab_size)
    write_model(out / MODEL, shape, {tensor.name: tensor for tensor in checkpoint.tensors}, value_type)
    (out / TOKENIZER).write_bytes(pack_tokenizer(listed, BOS_ID))
