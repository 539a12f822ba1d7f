"""tokenizer.bin: each id has a text of its own that one write prints, and joins as the model's own tokenizer does."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer

from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.lmrs.tokenizer_bin import (
    NEVER_JOINED,
    byte_alphabet,
    entries,
    is_printed_whole,
    pack_tokenizer,
    placeholder,
)
from lm_rs_bench.vocabulary import parse_vocabulary
from lmrs_case import EOS, TWO_LINES, VOCABULARY, bytes_as_letters, make_tokenizer


@pytest.fixture(scope="module")
def listed() -> list[tuple[float, str]]:
    return entries(make_tokenizer(), VOCABULARY)


def test_all_texts_differ_and_are_printed_whole(listed):
    texts = [text for _, text in listed]
    assert len(texts) == len(set(texts)) == VOCABULARY + 1
    assert all(is_printed_whole(text) for text in texts)


def test_texts_are_the_tokenizer_s_where_one_write_prints_them(listed):
    assert listed[ord("h")][1] == "h"
    assert listed[EOS] == (NEVER_JOINED, f"<|special {EOS}|>")
    assert listed[0xC3] == (NEVER_JOINED, placeholder(0xC3))  # a part of a character
    assert listed[TWO_LINES] == (NEVER_JOINED, placeholder(TWO_LINES))
    assert listed[VOCABULARY - 1] == (NEVER_JOINED, placeholder(VOCABULARY - 1))  # no token has this id


def test_the_end_of_a_sequence_is_an_entry_that_the_model_cannot_give(listed):
    vocabulary = parse_vocabulary(pack_tokenizer(listed, 128_000))
    assert vocabulary.eos_id == VOCABULARY
    assert vocabulary.texts == [text.encode() for _, text in listed]


@pytest.mark.parametrize("text", ["hello you", "how are the hello you", "the user", "you", " Nov", "2020"])
def test_lm_rs_s_joining_gives_the_ids_of_the_model_s_own_tokenizer(listed, text):
    content = make_tokenizer()
    vocabulary = parse_vocabulary(pack_tokenizer(listed, 128_000))
    own = Tokenizer.from_str(json.dumps(content)).encode(text).ids
    assert vocabulary.encode(text) == own
    assert len(own) < len(text)


@pytest.mark.parametrize("text", ["", "a\nb", "\n", "You: ", "<0x0A>"])
def test_what_lm_rs_would_print_otherwise_is_no_text_of_an_id(text):
    assert not is_printed_whole(text)


def test_two_ids_of_one_text_do_not_share_it():
    content = make_tokenizer()
    content["added_tokens"][5]["content"] = "h"
    listed = entries(content, VOCABULARY)
    assert listed[ord("h")][1] == "h"
    assert listed[128_005][1] == placeholder(128_005)


def test_the_alphabet_is_that_of_the_tokenizers_library():
    assert byte_alphabet() == {letter: byte for byte, letter in bytes_as_letters().items()}


def test_merges_are_read_in_both_spellings():
    content = make_tokenizer()
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    assert entries(content, VOCABULARY) == entries(make_tokenizer(), VOCABULARY)


def test_a_tokenizer_of_another_kind_is_refused():
    with pytest.raises(CannotConvertError, match="holds a WordPiece model"):
        entries(make_tokenizer() | {"model": {"type": "WordPiece", "vocab": {}}}, VOCABULARY)
    with pytest.raises(CannotConvertError, match="has decoder None"):
        entries(make_tokenizer() | {"decoder": None}, VOCABULARY)


def test_ids_beyond_the_model_s_are_refused():
    with pytest.raises(CannotConvertError, match=r"has id 128010, while config\.json has a vocab_size of 128000"):
        entries(make_tokenizer(), 128_000)
