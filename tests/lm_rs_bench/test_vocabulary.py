"""tokenizer.bin read back, and lm.rs's way of joining, by hand and against the stand-in's slow way."""

from __future__ import annotations

import random
import struct

import pytest

from bench_protocol import BadSpecError, UnsupportedError
from lm_rs_bench.vocabulary import BrokenFileError, parse_vocabulary, read_vocabulary

ENTRIES = [("a", -9e9), ("b", -9e9), ("ab", 1.0), ("abab", 0.5), ("ba", 2.0), ("é", -9e9), ("<end>", -3e10)]


def packed(entries=ENTRIES, eos=None) -> bytes:
    content = struct.pack("<4I", len(entries), 9, 0, len(entries) - 1 if eos is None else eos)
    for text, score in entries:
        raw = text if isinstance(text, bytes) else text.encode()
        content += struct.pack("<fI", score, len(raw)) + raw
    return content


def test_characters_are_joined_by_the_highest_score_first_and_the_leftmost_among_equals():
    vocabulary = parse_vocabulary(packed())
    assert vocabulary.encode("ab") == [2]
    assert vocabulary.encode("aba") == [0, 4]  # ba goes before ab
    assert vocabulary.encode("abb") == [2, 1]
    equal = parse_vocabulary(packed([("a", 0), ("aa", 1), ("<end>", 0)]))
    assert equal.encode("aaa") == [1, 0]


def test_a_character_without_an_entry_becomes_its_bytes_plus_three():
    assert parse_vocabulary(packed([("x" * size, 0) for size in range(1, 240)])).encode("é") == [0xC3 + 3, 0xA9 + 3]
    assert parse_vocabulary(packed()).encode("é") == [5]


def test_ids_before_a_text_take_part_in_the_joining():
    assert parse_vocabulary(packed()).encode("b", [5, 0]) == [5, 2]


def test_entries_of_too_low_a_score_are_never_joined_to():
    assert parse_vocabulary(packed([("a", 0), ("aa", -2e10), ("<end>", 0)])).encode("aa") == [0, 0]


def slow(vocabulary, text: str) -> list[int]:
    ids = [vocabulary.id_by_text[character.encode()] for character in text]
    while True:
        pairs = [
            (vocabulary.scores[joined], -at, joined)
            for at in range(len(ids) - 1)
            if (joined := vocabulary.id_by_text.get(vocabulary.texts[ids[at]] + vocabulary.texts[ids[at + 1]]))
        ]
        if not pairs:
            return ids
        _, at, joined = max(pairs)
        ids[-at : -at + 2] = [joined]


def test_the_quick_way_of_joining_gives_what_the_slow_way_gives():
    draw = random.Random(5)
    for _ in range(60):
        texts = {"".join(draw.choices("abc", k=draw.randint(2, 5))) for _ in range(25)}
        entries = [(letter, 0.0) for letter in "abc"] + [(text, float(draw.randint(1, 4))) for text in sorted(texts)]
        vocabulary = parse_vocabulary(packed([*entries, ("<end>", -3e10)]))
        text = "".join(draw.choices("abc", k=40))
        assert vocabulary.encode(text) == slow(vocabulary, text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed()[:-1], "bytes where"),
        (packed() + b"x", "bytes where"),
        (packed()[:30], "entry 1"),
        (packed([("a", 0), (b"\xff", 0), ("<end>", 0)]), "entry 1"),
        (packed([("a", 0), ("a", 0), ("<end>", 0)]), "ids 0 and 1 have one text"),
        (packed([("a\nb", 0), ("<end>", 0)]), "could not be told"),
        (packed([("You: ", 0), ("<end>", 0)]), "could not be told"),
        (packed([("", 0), ("<end>", 0)]), "could not be told"),
        (packed([("<0x41>", 0), ("<end>", 0)]), "prints another text"),
        (packed(eos=2), "the end of a sequence is id 2"),
    ],
)
def test_a_file_from_whose_output_no_ids_could_be_told_is_refused(content, words):
    with pytest.raises(BrokenFileError, match=words):
        parse_vocabulary(content)


def test_a_file_of_another_model_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "tokenizer.bin").write_bytes(packed())
    assert read_vocabulary(tmp_path / "tokenizer.bin", len(ENTRIES) - 1).eos_id == 6
    with pytest.raises(UnsupportedError, match="the model has 99; delete its folder"):
        read_vocabulary(tmp_path / "tokenizer.bin", 99)
    with pytest.raises(BadSpecError, match="cannot be read: No such file"):
        read_vocabulary(tmp_path / "nothing", 6)
