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


class ModelFile(NamedTuple):
    """What the head says."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    head_dim: int
    kv_heads: int
    vocab_size: int
    positions: int
    value_type: ValueType
    group_size: int

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together that lm.rs has room for."""
        return min(self.positions, LONGEST_CONTEXT)

    @property
    def file_bytes(self) -> int:
        """Size that a file with this head has."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = self.hidden_size * (2 * queries + 2 * keys + 3 * self.intermediate_size)
        products = self.vocab_size * self.hidden_size + self.layers * layer
        norms = (2 * self.layers + 1) * self.hidden_size
        scales = products // self.group_size if self.value_type.is_grouped else 0
        return HEADER_BYTES + products * self.value_type.value_bits // 8 + FLOAT_BYTES * (norms + scales)


def parse_head(head: bytes) -> ModelFile:
    """Head of a file; raises UnsupportedError for anything but a Llama in f32 or Q8_0 in version 4."""
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        raise UnsupportedError("it is no .lmrs file")
    fields = FIELDS.unpack_from(head)
    version, value_type, kind, images = fields[1], fields[12], fields[13], fields[15]
    if version != VERSION:
        raise UnsupportedError(f"it is a .lmrs file of version {version}; lm.rs reads version {VERSION} alone")
    if value_type not in VALUE_TYPES or kind != LLAMA or images:
        raise UnsupportedError(
            f"value type {value_type}, kind {kind}, images {images} in its head: only a Llama in f32 or Q8_0 is served"
        )
    return ModelFile(*fields[2:10], value_type=VALUE_TYPES[value_type], group_size=fields[14] or 1)


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
