"""Reads the file of logits that an adapter leaves where a spec's logits_path asks for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark_runner.errors import BenchmarkError

Logits = NDArray[np.float32]


class LogitsError(BenchmarkError):
    """The file does not hold what the protocol promises."""


def read_logits(path: Path, tokens: int) -> Logits:
    """Logits [tokens, vocabulary], all read; raises LogitsError where they are not one set a token."""
    if not path.is_file():
        raise LogitsError(f"{path} is missing; the adapter says that it gives logits")
    size = path.stat().st_size
    set_bytes = 4 * tokens
    if size == 0 or size % set_bytes:
        raise LogitsError(f"{path} has {size} bytes, which is no number of 32-bit logits for each of {tokens} tokens")
    values = np.fromfile(path, dtype="<f4")  # mapped, an adapter that cuts it meanwhile would end this process
    if 4 * values.size != size:
        raise LogitsError(f"{path} became shorter while it was read")
    return values.reshape(tokens, -1)
