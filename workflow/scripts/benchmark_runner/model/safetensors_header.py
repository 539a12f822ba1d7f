"""The header of a safetensors file: names, types, shapes and offsets of its tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.protocol.lines import each_key_once

HEADER_LENGTH_BYTES: Final = 8
LARGEST_HEADER_BYTES: Final = 100_000_000
"""What the format's own library takes."""

LARGEST_SIZE: Final = (1 << 63) - 1
MOST_DIMENSIONS: Final = 8

LFS_POINTER_START: Final = b"version https://git-lfs"

TYPE_BYTES: Final = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes a value of each served type."""

REMEDY: Final = "get an unaltered copy"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a file, not read yet."""

    name: str
    dtype: str
    """Name of the type in the header."""
    shape: tuple[int, ...]
    path: Path
    offset: int
    """Of its first byte in the file."""

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Of a served type."""
        return self.elements * TYPE_BYTES[self.dtype]


def refuse_pointer(path: Path) -> None:
    """Raise BenchmarkError where a file is what git leaves in place of a large one."""
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER_START)) == LFS_POINTER_START:
            raise BenchmarkError(f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder")


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


def _span(name: str, entry: Any) -> tuple[int, int]:
    """First byte of a tensor's data and the one behind its last; raises ValueError where its entry cannot be true."""
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    sound = isinstance(shape, list) and len(shape) <= MOST_DIMENSIONS and all(map(_is_size, shape))
    if not isinstance(dtype, str) or not sound:
        raise ValueError(f"the tensor {shown(name)} has type {shown(dtype)} and shape {shown(shape)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)):
        raise ValueError(f"the tensor {shown(name)} has data_offsets {shown(offsets)}")
    begin, end = offsets
    wanted = math.prod(shape) * TYPE_BYTES[dtype] if dtype in TYPE_BYTES else end - begin
    if end < begin or end - begin != wanted:
        raise ValueError(
            f"the tensor {shown(name)} of shape {shown(shape)} has {end - begin} bytes where its type and shape take "
            f"{shown(wanted)}"
        )
    return begin, end


def _require_gapless(spans: Mapping[str, tuple[int, int]], data_bytes: int) -> None:
    """Raise ValueError unless the tensors fill the data one behind the other."""
    reached = 0
    for name, (begin, end) in sorted(spans.items(), key=lambda item: item[1]):
        if begin != reached:
            what = "shares bytes with another" if begin < reached else "has a gap before it"
            raise ValueError(f"the tensor {shown(name)} {what}")
        reached = end
    if reached != data_bytes:
        raise ValueError(f"it holds {data_bytes} bytes of data where its header promises {reached}")


def _entries(path: Path) -> tuple[dict[str, Any], int]:
    """The header's entries and the place of the data; raises ValueError where the file is something else."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(HEADER_LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        if len(start) < HEADER_LENGTH_BYTES or HEADER_LENGTH_BYTES + length > size:
            raise BenchmarkError(f"{path} ({size} bytes) ends inside its header; {REMEDY}")
        if length > LARGEST_HEADER_BYTES:
            raise ValueError(f"its header would have {length} bytes")
        content = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=each_key_once)
    if not isinstance(content, dict):
        raise TypeError("its header is no object")
    texts = content.pop("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(f"its __metadata__ is {shown(texts)}")
    if not content or not all(isinstance(entry, dict) for entry in content.values()):
        raise ValueError("its header lists no tensors")
    return content, HEADER_LENGTH_BYTES + length


def read_header(path: Path) -> list[StoredTensor]:
    """Tensors of a file in its own order; raises BenchmarkError where the file is cut short or something else."""
    refuse_pointer(path)
    try:
        entries, data_start = _entries(path)
        spans = {name: _span(name, entry) for name, entry in entries.items()}
        _require_gapless(spans, path.stat().st_size - data_start)
    except RecursionError as error:
        raise BenchmarkError(f"{path} is no safetensors file (its header is nested too deeply); {REMEDY}") from error
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"{path} is no sound safetensors file ({error}); {REMEDY}") from error
    return [
        StoredTensor(name, entry["dtype"], tuple(entry["shape"]), path, data_start + spans[name][0])
        for name, entry in entries.items()
    ]
