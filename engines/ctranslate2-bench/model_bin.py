"""Which types and sizes the variables of a model.bin have: what the file says, before the engine opens it.

CTranslate2 converts weights of any type to the one that it computes in, without a word.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from bench_protocol import BadSpecError

BINARY_VERSION: Final = 6
TYPE_NAMES: Final = ("f32", "int8", "int16", "int32", "f16", "bf16")
"""enum DataType in the engine's types.h."""

EMBEDDING: Final = "decoder/embeddings/weight"


class Variable(NamedTuple):
    """Of a model.bin, without its values."""

    type_name: str
    shape: tuple[int, ...]


def _read(file: BinaryIO, letters: str) -> tuple[int, ...]:
    return struct.unpack(f"<{letters}", file.read(struct.calcsize(f"<{letters}")))


def _read_text(file: BinaryIO) -> str:
    return file.read(_read(file, "H")[0]).rstrip(b"\0").decode()


def _read_variable(file: BinaryIO) -> tuple[str, Variable]:
    name = _read_text(file)
    shape = _read(file, f"{_read(file, 'B')[0]}I")
    type_id, size_bytes = _read(file, "BI")
    file.seek(size_bytes, 1)
    return name, Variable(TYPE_NAMES[type_id], shape)


def read_variables(path: Path) -> dict[str, Variable]:
    """Variables by name; raises BadSpecError where the file is no model.bin."""
    try:
        with path.open("rb") as file:
            (version,) = _read(file, "I")
            if version != BINARY_VERSION:
                raise ValueError(f"binary version {version}, not {BINARY_VERSION}")
            _read_text(file)
            _, count = _read(file, "II")
            return dict(_read_variable(file) for _ in range(count))
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise BadSpecError(f"{path} is no CTranslate2 model ({error}); make it again") from error


def require_dtype(variables: dict[str, Variable], dtype: str, path: Path) -> None:
    """Raise BadSpecError unless all variables that are no single number have the type dtype."""
    wrong = sorted({variable.type_name for variable in variables.values() if variable.shape} - {dtype})
    if wrong or EMBEDDING not in variables:
        raise BadSpecError(f"dtype {dtype} is asked for; {path} holds {', '.join(wrong) or 'no embedding'}")
