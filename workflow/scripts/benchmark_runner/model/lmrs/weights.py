"""Writes a .lmrs file, a part of a tensor at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.llama_config import Architecture
from benchmark_runner.model.lmrs.header import GROUP_SIZE, Q8_0, Block, blocks, pack_header
from benchmark_runner.model.lmrs.limits import REMEDY
from benchmark_runner.model.safetensors_data import as_float32
from benchmark_runner.model.safetensors_header import StoredTensor

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


def _encoded(tensors: Mapping[str, StoredTensor], block: Block, value_type: int) -> Iterator[NDArray[Any]]:
    values = as_float32(tensors[block.name])
    if value_type == Q8_0 and not block.is_norm:
        yield from quantise_q8(values)
    else:
        yield values


def write_model(path: Path, shape: Architecture, tensors: Mapping[str, StoredTensor], value_type: int) -> None:
    """Write the model file, one tensor in memory at a time; raises as require_groups does."""
    if value_type == Q8_0:
        require_groups(shape)
    with path.open("wb") as file:
        file.write(pack_header(shape, value_type))
        for block in blocks(shape):
            for part in _encoded(tensors, block, value_type):
                file.write(np.ascontiguousarray(part).data.cast("B"))
