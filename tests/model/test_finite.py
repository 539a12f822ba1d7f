"""A weight that is no number, or an infinite one, is found before anything is computed with it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import finite
from benchmark_runner.model.manifest import build_manifest
from benchmark_runner.model.safetensors_header import StoredTensor
from tiny_model import llama_tensors, make_tiny_llama

UP = "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_tensor_with_what_is_no_number_is_named(tmp_path: Path, value: float, dtype: type) -> None:
    tensors = {name: values.astype(dtype) for name, values in llama_tensors().items()}
    tensors[UP][3, 5] = value
    folder = make_tiny_llama(tmp_path / "m", tensors)
    with pytest.raises(BenchmarkError, match=rf"'{UP}' in .*model.safetensors holds NaN or infinity \(element 29\)"):
        build_manifest(folder, "m", "0123456789ab")


@pytest.mark.parametrize(("bits", "is_sound"), [(0x7F7F, True), (0xFF7F, True), (0x7F80, False), (0xFFC1, False)])
def test_the_largest_numbers_are_sound_also_of_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, is_sound: bool
) -> None:
    monkeypatch.setattr(finite, "READ_ELEMENTS", 3)
    (tmp_path / "weights").write_bytes(b"head" + struct.pack("<8H", 1, 0, 0, 0, 0, 0, 0, bits))
    tensor = StoredTensor("last", "BF16", (2, 4), tmp_path / "weights", 4)
    if is_sound:
        finite.require_finite([tensor])
    else:
        with pytest.raises(BenchmarkError, match=r"'last' in .* \(element 7\)"):
            finite.require_finite([tensor])


def test_a_file_that_is_cut_meanwhile_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(10))
    with pytest.raises(BenchmarkError, match="weights became shorter while it was read"):
        finite.require_finite([StoredTensor("x", "F32", (4,), tmp_path / "weights", 0)])
