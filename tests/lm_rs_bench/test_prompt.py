"""From a case's ids to a line, where that is exact, and to the ids that lm.rs makes of it."""

from __future__ import annotations

import pytest

from bench_protocol import UnsupportedError
from lm_rs_bench.prompt import (
    ASSISTANT,
    BEGIN,
    KNOWLEDGE,
    SYSTEM,
    TURN_END,
    TWO_LINES,
    USER,
    WHITE_SPACE,
    Speller,
    line_of,
    turn_ids,
)
from lm_rs_bench.vocabulary import parse_vocabulary
from lmrs_case import VOCABULARY, bytes_as_letters, make_tokenizer

SYSTEM_PART = [*SYSTEM, *KNOWLEDGE, 50, 54, TWO_LINES, TURN_END]


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(make_tokenizer())


def ids_of(text: str) -> list[int]:
    """Each byte as an id: the first 256 ids of the test's tokenizer."""
    return list(text.encode())


def test_a_plain_text_is_spelled_with_and_without_its_first_id(speller):
    for ids in (ids_of("héllo you"), [BEGIN, *ids_of("héllo you")]):
        assert line_of(speller, ids) == "héllo you"


def test_of_a_chat_prompt_the_user_s_message_is_spelled(speller):
    message = [*USER, *ids_of("how?"), *ASSISTANT]
    assert line_of(speller, [*SYSTEM_PART, *message]) == "how?"
    assert line_of(speller, [BEGIN, *message]) == "how?"


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([*ids_of("a"), TURN_END], f"holds id {TURN_END}, which is no text"),
        ([VOCABULARY - 1], "which is no text"),
        ([BEGIN, *USER, *ids_of("a"), *ASSISTANT, *USER, *ids_of("b"), *ASSISTANT], "which is no text"),
        ([*SYSTEM, *ids_of("Be kind."), TURN_END, *USER, *ids_of("a"), *ASSISTANT], "a system message of its own"),
        (ids_of("a\nb"), "more than one line"),
        ([*ids_of("a"), TWO_LINES], "more than one line"),
        (ids_of(" \t\u00a0"), "blank"),
        ([*ids_of("a"), 0xC3], "ends within a character"),
    ],
)
def test_a_prompt_that_is_no_line_of_text_is_refused(speller, ids, words):
    with pytest.raises(UnsupportedError, match=words):
        line_of(speller, ids)


def test_what_is_trimmed_is_what_rust_trims():
    assert "\u0085\u00a0 \u3000x\u2028".strip(WHITE_SPACE) == "x"
    for kept in ("\x1c", "\ufeff", "\u200b"):
        assert f"{kept}x{kept}".strip(WHITE_SPACE) == f"{kept}x{kept}"


def test_the_turn_s_ids_are_the_template_the_date_and_the_trimmed_line(circle_model):
    vocabulary = parse_vocabulary((circle_model / "tokenizer.bin").read_bytes())
    date, line = vocabulary.encode("25 Nov 2026"), vocabulary.encode("hello you")
    assert len(line) == 2 and len(date) == 7  # `hello`, ` you`; `2`, `5`, ` Nov`, ` `, `20`, `2`, `6`
    found = turn_ids(vocabulary, " hello you\t", "25 Nov 2026")
    assert found == [*SYSTEM, *KNOWLEDGE, *date, TWO_LINES, TURN_END, *USER, *line, *ASSISTANT]
    assert len(found) == 30 + len(date) + len(line)


def test_bytes_stand_for_letters_as_the_tokenizers_library_has_it(speller):
    letters = bytes_as_letters()
    assert speller._bytes == {letter: byte for byte, letter in letters.items()}
