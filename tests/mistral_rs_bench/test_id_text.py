"""Ids survive the way through text, in both directions and at the end of a sequence."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer

from bench_protocol import EngineError
from id_text import CHAT_TEMPLATE, end_text, id_of, lay_out, text_of, tokenizer

VOCABULARY = 300


@pytest.fixture(scope="module")
def read() -> Tokenizer:
    return Tokenizer.from_str(tokenizer(VOCABULARY))


@pytest.mark.parametrize("ids", [[0], [1, 2, 2, 1], [29, 9, 299, 0, 12, 1], list(range(VOCABULARY))])
def test_every_sequence_of_ids_has_a_text_that_is_read_back_as_these_ids(read, ids):
    assert read.encode(text_of(ids), add_special_tokens=True).ids == ids


def test_a_piece_of_the_stream_tells_its_id(read):
    for token_id in range(VOCABULARY):
        assert id_of(read.decode([token_id], skip_special_tokens=True)) == token_id


def test_a_piece_cut_off_at_the_end_of_its_sequence_tells_its_id():
    for token_id in (2, 22, 299):
        piece = text_of([token_id])
        assert piece.endswith(end_text(token_id))
        assert id_of(piece.removesuffix(end_text(token_id))) == token_id


def test_an_end_is_found_in_no_other_token():
    assert [n for n in range(VOCABULARY) if end_text(2) in text_of([n])] == [2]


def test_mistral_rs_looks_for_an_end_as_text_because_it_is_no_single_token(read):
    assert len(read.encode(end_text(2)).ids) > 1


@pytest.mark.parametrize("piece", [None, "", "2<3>", "2<2>3<3>", "<2>", "two"])
def test_other_pieces_are_no_ids(piece):
    with pytest.raises(EngineError, match="not the text of one token"):
        id_of(piece)


def test_the_model_is_laid_out_without_settings_that_the_spec_does_not_name(tmp_path):
    model, folder = tmp_path / "model", tmp_path / "seen"
    model.mkdir()
    folder.mkdir()
    for name in ("config.json", "generation_config.json", "tokenizer_config.json", "model.safetensors"):
        (model / name).write_text(json.dumps({"file": name, "chat_template": "hello"}))
    template = lay_out(folder, model, ["model.safetensors"], VOCABULARY)
    assert sorted(path.name for path in folder.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert template.read_text() == CHAT_TEMPLATE
    assert json.loads((folder / "tokenizer_config.json").read_text()) == {}
    assert (folder / "model.safetensors").resolve() == model / "model.safetensors"
