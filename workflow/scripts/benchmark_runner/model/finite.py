"""Are all weights numbers? One that is not spreads through every layer, and engines then differ in what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.model.safetensors_header import REMEDY, StoredTensor

EXPONENTS: Final[Mapping[str, tuple[np.dtype[Any], int]]] = {
    "F32": (np.dtype("<u4"), 0x7F80_0000),
    "F16": (np.dtype("<u2"), 0x7C00),
    "BF16": (np.dtype("<u2"), 0x7F80),
}
"""How a number's bits are read, and those of its exponent, all set in an infinite one and in what is none."""

READ_ELEMENTS: Final = 1 << 20
"""Looked at together (chosen): they stay within a processor's cache."""


def require_finite(tensors: Iterable[StoredTensor]) -> None:
    """Raise BenchmarkError that names the first tensor with a value that is no number, or an infinite one."""
    for tensor in tensors:
        kind, exponent = EXPONENTS[tensor.dtype]
        for start in range(0, tensor.elements, READ_ELEMENTS):
            count = min(READ_ELEMENTS, tensor.elements - start)
            bits = np.fromfile(tensor.path, kind, count, offset=tensor.offset + start * kind.itemsize)
            if bits.size != count:
                raise BenchmarkError(f"{tensor.path} became shorter while it was read; {REMEDY}")
            if (wrong := bits & exponent == exponent).any():
                first = int(wrong.argmax())
                raise BenchmarkError(
                    f"{shown(tensor.name)} in {tensor.path} holds NaN or infinity (element {start + first}), so that "
                    "every answer is made up; take an unaltered copy, or save the model anew from sound weights"
                )
