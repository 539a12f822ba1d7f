"""Bytes that a model's numbers take, by the names of number types that engines tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.model.checkpoint import DTYPE_NAMES
from benchmark_runner.model.safetensors_header import TYPE_BYTES

DTYPE_BYTES: Final = {name: TYPE_BYTES[stored] for stored, name in DTYPE_NAMES.items()}


def kv_values_per_token(architecture: Mapping[str, Any]) -> int:
    """Keys and values that a token of the context adds to the cache; architecture is that of the model's manifest."""
    return 2 * int(architecture["layers"] * architecture["kv_heads"] * architecture["head_dim"])
