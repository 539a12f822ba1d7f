"""The header of a safetensors file: names, types, shapes and offsets of its tensors."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError

HEADER_LENGTH_BYTES: Final = 8
LFS_POINTER_START: Final = b"version https://git-lfs"


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


def read_header(path: Path) -> list[StoredTensor]:
    """Tensors of a file in its own order; raises BenchmarkError where the file is cut short or something else."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(HEADER_LENGTH_BYTES)
        if (start + file.read(len(LFS_POINTER_START))).startswith(LFS_POINTER_START):
            raise BenchmarkError(f"{path} is a Git LFS pointer, not weights; run `git lfs pull` in its folder")
        length = int.from_bytes(start, "little")
        if len(start) < HEADER_LENGTH_BYTES or HEADER_LENGTH_BYTES + length > size:
            raise BenchmarkError(f"{path} ({size} bytes) ends inside its header; download it again")
        file.seek(HEADER_LENGTH_BYTES)
        raw = file.read(length)
    data_start = HEADER_LENGTH_BYTES + length
    try:
        entries = {name: entry for name, entry in json.loads(raw).items() if name != "__metadata__"}
        tensors = [
            StoredTensor(
                name=name,
                dtype=str(entry["dtype"]),
                shape=tuple(int(extent) for extent in entry["shape"]),
                path=path,
                offset=data_start + int(entry["data_offsets"][0]),
            )
            for name, entry in entries.items()
        ]
        wanted = data_start + max(int(entry["data_offsets"][1]) for entry in entries.values())
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise BenchmarkError(f"{path} is no safetensors file ({error!r}); download it again") from error
    if size != wanted:
        raise BenchmarkError(f"{path} has {size} bytes where its header promises {wanted}; download it again")
    return tensors
