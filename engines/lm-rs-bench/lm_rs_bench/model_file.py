"""The head of a .lmrs file, checked as lm.rs does not: a wrong byte there crashes it or makes it compute nonsense."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from bench_protocol import BadSpecError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"lmrs"
VERSION: Final = 4
HEADER_BYTES: Final = 256
FIELDS: Final = struct.Struct("<4s9I2f2BIB")

LONGEST_CONTEXT: Final = 8192
"""To which lm.rs cuts the number of positions; unit: tokens."""

FLOAT_BYTES: Final = 4
LLAMA: Final = 1


class ValueType(NamedTuple):
    """How the products' weights are held."""

    name: str
    value_bits: int
    is_grouped: bool
    """Whether a 32-bit scale follows for each group of values."""


VALUE_TYPES: Final = {0: ValueType("f32", 32, is_grouped=False), 1: ValueType("q8_0", 8, is_grouped=True)}


class Sizes(NamedTuple):
    """The head's numbers, in its order."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    head_dim: int
    kv_heads: int
    vocab_size: int
    positions: int


class ModelFile(NamedTuple):
    """What the head says."""

    sizes: Sizes
    value_type: ValueType
    group_size: int

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together that lm.rs has room for."""
        return min(self.sizes.positions, LONGEST_CONTEXT)

    @property
    def file_bytes(self) -> int:
        """Size that a file with this head has."""
        sizes = self.sizes
        queries, keys = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
        layer = sizes.hidden_size * (2 * queries + 2 * keys + 3 * sizes.intermediate_size)
        products = sizes.vocab_size * sizes.hidden_size + sizes.layers * layer
        norms = (2 * sizes.layers + 1) * sizes.hidden_size
        scales = products // self.group_size if self.value_type.is_grouped else 0
        return HEADER_BYTES + products * self.value_type.value_bits // 8 + FLOAT_BYTES * (norms + scales)


def parse_head(head: bytes) -> ModelFile:
    """Head of a file; raises UnsupportedError for anything but a Llama in f32 or Q8_0 in version 4."""
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        raise UnsupportedError("it is no .lmrs file")
    _, version, *numbers, _, _, value_type, kind, group_size, images = FIELDS.unpack_from(head)
    if version != VERSION:
        raise UnsupportedError(f"it is a .lmrs file of version {version}; lm.rs reads version {VERSION} alone")
    if value_type not in VALUE_TYPES or kind != LLAMA or images or not group_size:
        raise UnsupportedError(
            f"its head has value type {value_type}, kind {kind}, group size {group_size}, images {images}: "
            "only a Llama in f32 or Q8_0 is served"
        )
    return ModelFile(Sizes(*numbers), VALUE_TYPES[value_type], group_size)


def read_model_file(path: Path) -> ModelFile:
    """Head of the file at path, whose size must be what the head promises; lm.rs accepts trailing bytes in silence."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError as error:
        raise BadSpecError(f"{path} cannot be read: {error.strerror}") from error
    try:
        model = parse_head(head)
    except UnsupportedError as error:
        raise UnsupportedError(f"{path}: {error}; delete its folder and run again, which makes it anew") from error
    size = path.stat().st_size
    if size != model.file_bytes:
        raise UnsupportedError(
            f"{path} has {size} bytes where its head promises {model.file_bytes}; "
            "delete its folder and run again, which makes it anew"
        )
    return model
