"""Which types the tensors of a GGUF file have: what the file says, not what its name or its metadata claim."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Final

from bench_protocol import BadSpecError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
"""With counts of 64 bits, little-endian."""

VALUE_FORMATS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""struct's letter of each scalar type of a metadata value."""

TEXT: Final = 8
ARRAY: Final = 9

TYPE_NAMES: Final = {0: "f32", 1: "f16", 30: "bf16"}
"""enum ggml_type by the protocol's names; all else is quantised."""


def _read(file: BinaryIO, letters: str) -> tuple[int, ...]:
    size_bytes = struct.calcsize(f"<{letters}")
    return struct.unpack(f"<{letters}", file.read(size_bytes))


def _skip_text(file: BinaryIO) -> None:
    file.seek(_read(file, "Q")[0], 1)


def _skip_value(file: BinaryIO, kind: int) -> None:
    if kind == TEXT:
        _skip_text(file)
    elif kind == ARRAY:
        item, count = _read(file, "IQ")
        if item in VALUE_FORMATS:
            file.seek(count * struct.calcsize(VALUE_FORMATS[item]), 1)
            return
        for _ in range(count):
            _skip_value(file, item)
    else:
        file.seek(struct.calcsize(VALUE_FORMATS[kind]), 1)


def _tensor_types(file: BinaryIO) -> Counter[tuple[bool, str]]:
    magic, version, tensors, entries = file.read(4), *_read(file, "IQQ")
    if magic != MAGIC or version not in VERSIONS:
        raise ValueError(f"begins with {magic!r}, version {version}")
    for _ in range(entries):
        _skip_text(file)
        _skip_value(file, _read(file, "I")[0])
    found: Counter[tuple[bool, str]] = Counter()
    for _ in range(tensors):
        _skip_text(file)
        dimensions = _read(file, "I")[0]
        *_, kind, _ = _read(file, f"{dimensions}QIQ")
        found[dimensions > 1, TYPE_NAMES.get(kind, f"ggml type {kind}")] += 1
    return found


def tensor_types(path: Path) -> Counter[tuple[bool, str]]:
    """Number of tensors by (is a matrix, type); raises BadSpecError where the file is no whole GGUF header."""
    try:
        with path.open("rb") as file:
            return _tensor_types(file)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise BadSpecError(f"{path} is no GGUF file ({error}); make it again") from error


def require_dtype(path: Path, dtype: str) -> None:
    """Raise BadSpecError unless all matrices have the type dtype, and all vectors that or f32.

    llama.cpp keeps norms in f32 whatever the matrices are.
    """
    types = tensor_types(path)
    wrong = {
        name: count for (is_matrix, name), count in types.items() if name != dtype and (is_matrix or name != "f32")
    }
    if wrong or not types:
        found = ", ".join(f"{count} of {name}" for name, count in wrong.items()) or "none at all"
        raise BadSpecError(f"dtype {dtype} is asked for; {path} holds other tensors: {found}")
