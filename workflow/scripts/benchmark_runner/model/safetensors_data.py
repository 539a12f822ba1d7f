"""Tensors of safetensors files read one at a time, and such files written without holding their content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.safetensors_header import HEADER_LENGTH_BYTES, REMEDY, StoredTensor

ALIGNMENT_BYTES: Final = 8
"""The format pads its header with spaces to this."""

NUMPY_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
"""How numpy holds the bytes of each served type; it has no bf16, which is the upper half of an f32."""


def as_float32(tensor: StoredTensor) -> NDArray[np.float32]:
    """The tensor's values, exact: each served type is a part of f32. Raises BenchmarkError where the file was cut."""
    values = np.fromfile(tensor.path, NUMPY_TYPES[tensor.dtype], tensor.elements, offset=tensor.offset)
    if values.size != tensor.elements:  # mapped, it would end this process without a word
        raise BenchmarkError(f"{tensor.path} became shorter while it was read; {REMEDY}")
    values = values.reshape(tensor.shape)
    if tensor.dtype == "BF16":
        bits = values.astype(np.uint32)
        bits <<= np.uint32(16)  # in place: the largest tensor decides how much memory a conversion takes
        return bits.view(np.float32)
    return np.asarray(values, dtype=np.float32)


def write_file(path: Path, tensors: Sequence[tuple[str, str, Sequence[int]]], data: Iterable[NDArray[Any]]) -> str:
    """Write tensors, given as (name, type, shape), whose bytes data yields in the same order; returns the SHA-256.

    One tensor is in memory at a time, and the bytes do not depend on the version of a library. Raises ValueError
    where data yields other sizes or another number of tensors than tensors promises.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    sizes = []
    for name, dtype, shape in tensors:
        sizes.append(math.prod(shape) * NUMPY_TYPES[dtype].itemsize)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + sizes[-1]]}
        offset += sizes[-1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in (len(text).to_bytes(HEADER_LENGTH_BYTES, "little"), text):
            digest.update(part)
            file.write(part)
        for size, values in zip(sizes, data, strict=True):
            view = np.ascontiguousarray(values).data.cast("B")
            if len(view) != size:
                raise ValueError(f"{path}: a tensor has {len(view)} bytes where its type and shape promise {size}")
            digest.update(view)
            file.write(view)
    return digest.hexdigest()
