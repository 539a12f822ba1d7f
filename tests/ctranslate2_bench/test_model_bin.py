"""The types of a model.bin's variables are read from the file, before the engine would convert them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from bench_protocol import BadSpecError
from benchmark_runner.model import ctranslate2_writer
from model_bin import EMBEDDING, Variable, read_variables, require_dtype
from tiny_model import make_tiny_llama


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    ctranslate2_writer.convert(make_tiny_llama(tmp_path / "m"), out, "f32")
    return out / "model.bin"


def one_variable(path: Path, name: str, values: np.ndarray) -> Path:
    """A file with this variable alone."""

    def text(words: str) -> bytes:
        return struct.pack("<H", len(words) + 1) + words.encode() + b"\0"

    type_id = {"int8": 1, "float16": 4}[values.dtype.name]
    start = struct.pack("<I", 6) + text("TransformerDecoderSpec") + struct.pack("<II", 8, 1)
    shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    header = text(name) + shape + struct.pack("<BI", type_id, values.nbytes)
    path.write_bytes(start + header + values.tobytes() + struct.pack("<I", 0))
    return path


def test_types_and_shapes_are_told(whole):
    variables = read_variables(whole)
    assert variables[EMBEDDING] == Variable("f32", (300, 8))
    assert variables["decoder/num_heads"] == Variable("int16", ())
    require_dtype(variables, "f32", whole)


@pytest.mark.parametrize(("kind", "told"), [(np.int8, "int8"), (np.float16, "f16")])
def test_other_weights_under_the_name_f32_are_refused(tmp_path, kind, told):
    path = one_variable(tmp_path / "model.bin", EMBEDDING, np.ones((3, 2), dtype=kind))
    with pytest.raises(BadSpecError, match=f"dtype f32 is asked for; .* holds {told}"):
        require_dtype(read_variables(path), "f32", path)


def test_a_file_without_an_embedding_is_refused(tmp_path):
    path = one_variable(tmp_path / "model.bin", "decoder/other", np.ones((3, 2), dtype=np.float16))
    with pytest.raises(BadSpecError, match="holds no embedding"):
        require_dtype(read_variables(path), "f16", path)


@pytest.mark.parametrize("content", [b"", b"\x06\0\0\0", b"GGUF and what else there is", b"\x05\0\0\0\x02\0a\0"])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(BadSpecError, match="is no CTranslate2 model"):
        read_variables(path)


def test_a_file_that_ends_inside_a_header_is_refused(whole):
    whole.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(BadSpecError, match="is no CTranslate2 model"):
        read_variables(whole)
