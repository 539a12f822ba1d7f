"""The head of a .lmrs file: what lm.rs would take without a word is refused."""

from __future__ import annotations

import shutil

import pytest

from bench_protocol import BadSpecError, UnsupportedError
from lm_rs_bench.model_file import parse_head, read_model_file
from lmrs_case import VOCABULARY


def test_the_head_of_a_written_file_is_read_back(random_model, circle_model):
    model = read_model_file(random_model / "model.lmrs")
    assert model.sizes == (16, 24, 2, 2, 8, 1, VOCABULARY, 512)
    assert (model.value_type.name, model.context) == ("f32", 512)
    assert read_model_file(circle_model / "model.lmrs").file_bytes == 4_098_528  # as lm.rs itself takes it


def test_positions_beyond_lm_rs_s_own_limit_are_not_promised(circle_model):
    head = bytearray((circle_model / "model.lmrs").read_bytes()[:256])
    head[36:40] = (131_072).to_bytes(4, "little")
    assert parse_head(bytes(head)).context == 8192


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (0, 0, "no .lmrs file"),
        (4, 3, "version 3"),
        (48, 2, "value type 2"),
        (48, 9, "value type 9"),
        (49, 0, "kind 0"),
        (50, 0, "group size 0"),
        (54, 1, "images 1"),
        (8, 16, "where its head promises"),
    ],
)
def test_a_byte_that_lm_rs_would_stumble_over_is_refused(circle_model, tmp_path, offset, value, words):
    path = tmp_path / "model.lmrs"
    shutil.copyfile(circle_model / "model.lmrs", path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes([value]))
    with pytest.raises(UnsupportedError, match=words):
        read_model_file(path)


def test_trailing_bytes_are_refused(circle_model, tmp_path):
    path = tmp_path / "model.lmrs"
    path.write_bytes((circle_model / "model.lmrs").read_bytes() + b"\0")
    with pytest.raises(UnsupportedError, match="4098529 bytes where its head promises 4098528; delete"):
        read_model_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadSpecError, match="cannot be read"):
        read_model_file(tmp_path / "model.lmrs")
