"""The types of a GGUF file's tensors are counted, whatever its metadata say."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from bench_protocol import BadSpecError
from gguf_header import require_dtype, tensor_types

Q8_0 = gguf.GGMLQuantizationType.Q8_0
MATRIX = np.arange(64, dtype=np.float32).reshape(2, 32)
NORM = np.ones(32, dtype=np.float32)


def write_gguf(path: Path, matrix: np.ndarray, kind: gguf.GGMLQuantizationType | None = None) -> Path:
    """A file with one matrix and one norm, metadata of each sort, and the claim that all is f32."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_name("tiny")
    writer.add_token_list(["a", "bc", "日本"])
    writer.add_token_types([1, 1, 3])
    writer.add_bool("some.flag", True)
    writer.add_float64("some.number", 0.5)
    writer.add_tensor("output_norm.weight", NORM)
    writer.add_tensor("token_embd.weight", matrix, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_tensors_are_counted_by_type_and_rank(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", MATRIX.astype(np.float16))
    assert tensor_types(path) == {(False, "f32"): 1, (True, "f16"): 1}


def test_norms_may_stay_in_f32(tmp_path):
    require_dtype(write_gguf(tmp_path / "f32.gguf", MATRIX), "f32")
    require_dtype(write_gguf(tmp_path / "f16.gguf", MATRIX.astype(np.float16)), "f16")


def test_quantised_weights_under_the_name_f32_are_refused(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", gguf.quants.quantize(MATRIX, Q8_0), Q8_0)
    with pytest.raises(BadSpecError, match=r"dtype f32 is asked for; .* holds other tensors: 1 of ggml type 8"):
        require_dtype(path, "f32")


def test_wider_matrices_than_asked_for_are_refused(tmp_path):
    with pytest.raises(BadSpecError, match="1 of f32"):
        require_dtype(write_gguf(tmp_path / "model.gguf", MATRIX), "f16")


@pytest.mark.parametrize("content", [b"", b"GGUF\x03\x00", b"safetensors or anything else of some length"])
def test_what_is_no_gguf_is_refused(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(BadSpecError, match="is no GGUF file"):
        require_dtype(path, "f32")


def test_a_file_that_ends_inside_its_header_is_refused(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", MATRIX)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadSpecError, match="is no GGUF file"):
        require_dtype(path, "f32")
