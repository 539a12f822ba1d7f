from __future__ import annotations

import os

import pytest

from benchmark_runner.processes.words import KEPT_BYTES, Words


@pytest.fixture
def words():
    return Words()


def say(words: Words, content: bytes) -> bytes:
    first = b""
    for start in range(0, len(content), 4096):
        os.write(words.writer, content[start : start + 4096])
        first += words.take()
    return first


def end(words: Words) -> bytes:
    os.close(words.writer)
    return words.finish()


def test_few_words_are_kept_as_they_came(words):
    first = say(words, b"loading\nready\n")
    os.write(words.writer, b"late")
    first += end(words)
    assert first == words.text == b"loading\nready\nlate"
    assert (words.total_bytes, words.ending, words.is_open) == (18, b"", False)


@pytest.mark.parametrize("more", [0, 1, KEPT_BYTES, KEPT_BYTES + 1, 3 * KEPT_BYTES + 7])
def test_of_many_words_both_ends_are_kept_and_what_is_left_out_is_counted(words, more):
    content = b"".join(b"%07d\n" % number for number in range((KEPT_BYTES + more) // 8))
    first = say(words, content) + end(words)
    assert first == content[:KEPT_BYTES]
    left_out = max(0, len(content) - 2 * KEPT_BYTES)
    note = b"\n--- %d bytes are left out here; %d of each end are kept ---\n" % (left_out, KEPT_BYTES)
    rest = content[KEPT_BYTES:]
    assert words.ending == (note + rest[-KEPT_BYTES:] if left_out else rest)
    assert words.total_bytes == len(content)


def test_a_stream_that_somebody_keeps_open_is_not_waited_for(words):
    os.write(words.writer, b"x")
    assert words.finish() == b"x"
    assert words.is_open
    os.close(words.writer)


def test_the_last_words_are_the_last_line_that_says_something(words):
    say(words, b"x" * 20_000 + b"\nthread 'main' panicked: no\nnote: run with `RUST_BACKTRACE=1`\n\n")
    assert words.last == "thread 'main' panicked: no"
    end(words)


def test_who_said_nothing_has_no_last_words(words):
    end(words)
    assert words.last == ""
