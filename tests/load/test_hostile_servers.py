"""Answers that keep no rules: each gets one status and words that say what is wrong; none is taken for a good one."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from benchmark_runner.load.chunks import Answer, answer_of
from benchmark_runner.load.connection import SO_TIMESTAMPING, STAMP, Exchange
from benchmark_runner.load.stages import Planned
from benchmark_runner.load.wire import Piece

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
END = b"\r\n"
MS = 1_000_000


def tokens(*ids: int | float, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """An event of tokens, whose keys beside its choice are more."""
    return {"choices": [{"index": 0, "text": "a", "token_ids": list(ids), "finish_reason": finish}], **more}


def said(text: str, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "text": text, "finish_reason": finish}]}


def usage(completion: Any = 3, **more: Any) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": completion, **more}}


def lines(*events: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % (e.encode() if isinstance(e, str) else json.dumps(e).encode()) for e in events)


WELL = [tokens(5), tokens(6), tokens(7, finish="length"), usage()]
BODY = lines(*WELL, "[DONE]")


def received(*parts: bytes, closed: bool = True) -> Answer:
    """What is said of three tokens that were asked for behind four, of which the server sent these parts."""
    pieces = [Piece(part, at * MS) for at, part in enumerate(parts)]
    return answer_of(pieces, max_tokens=3, closed=closed, prompt_tokens=4)


def streamed(*events: Any) -> Answer:
    return received(STREAM + END, *map(lines, events))


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


CHUNKED = STREAM + b"Transfer-Encoding: %b\r\n" + END
WELL_SENT: dict[str, Callable[[], Answer]] = {
    "lines that end by LF alone": lambda: received(STREAM.replace(b"\r", b""), b"\n", BODY),
    "extensions and trailers": lambda: received(
        CHUNKED % b"chunked", chunk(BODY, b';name="a;b"'), b"0\r\nX-Sum: 1\r\n\r\n", closed=False
    ),
    "Chunked": lambda: received(CHUNKED % b"Chunked", chunk(BODY), b"0\r\n\r\n", closed=False),
    "identity": lambda: received(CHUNKED % b"identity", BODY),
    "HTTP/1.0 without a length": lambda: received(STREAM.replace(b"1.1", b"1.0") + END, BODY),
    "one length told twice": lambda: received(
        STREAM + b"Content-Length: %d\r\n" % len(BODY) * 2 + END, BODY, closed=False
    ),
    "chunks beside a length": lambda: received(
        CHUNKED % b"chunked\r\nContent-Length: 5", chunk(BODY), b"0\r\n\r\n", closed=False
    ),
    "another answer behind it": lambda: received(
        STREAM + b"Content-Length: %d\r\n" % len(BODY) + END, BODY + b"HTTP/1.1 500 No\r\n\r\n", closed=False
    ),
    "usage twice": lambda: streamed(*WELL, usage()),
    "whole numbers as others write them": lambda: streamed(*WELL[:3], usage(3.0, prompt_tokens=4.0)),
    "names of each event": lambda: streamed(*({**event, "id": f"c-{n}"} for n, event in enumerate(WELL))),
    "no name but in the middle": lambda: streamed(
        *({**e, "id": i} for e, i in zip(WELL, ("", "a", "a", ""), strict=True))
    ),
    "an error that is none": lambda: streamed(*({**event, "error": None} for event in WELL)),
    "an index that is left out": lambda: streamed({"choices": [{"text": "a", "token_ids": [5]}]}, *WELL[1:]),
}


@pytest.mark.parametrize("how", WELL_SENT)
def test_what_is_only_unusual_is_a_good_answer(how: str) -> None:
    answer = WELL_SENT[how]()
    assert (answer.status, answer.error, answer.finish, answer.token_ids) == ("ok", None, "length", [5, 6, 7])
    assert (answer.prompt_tokens, answer.completion_tokens, answer.chunk_tokens) == (4, 3, [1, 1, 1])


TWO_ANSWERS = "malformed: parts of two answers, "
BEHIND = "malformed: tokens came after the answer's end"
BROKEN: dict[str, tuple[Callable[[], Answer], str]] = {
    "compressed in chunks": (
        lambda: received(CHUNKED % b"gzip, chunked", chunk(gzip.compress(BODY)), b"0\r\n\r\n"),
        "malformed: the transfer coding gzip, chunked, which was not asked for",
    ),
    "compressed by its header": (
        lambda: received(STREAM + b"Content-Encoding: gzip\r\n" + END, gzip.compress(BODY)),
        "malformed: a body packed as gzip, which was not asked for",
    ),
    "compressed in silence": (lambda: received(STREAM + END, gzip.compress(BODY)), "malformed: no JSON object: "),
    "lengths that differ": (
        lambda: received(STREAM + b"Content-Length: 5\r\nContent-Length: 6\r\n" + END, BODY),
        "malformed: two Content-Lengths that differ",
    ),
    "a length below the body's": (
        lambda: received(STREAM + b"Content-Length: %d\r\n" % (len(BODY) - 150) + END, BODY, closed=False),
        "cut: the answer ended without a finish_reason",
    ),
    "closed behind usage": (
        lambda: received(CHUNKED % b"chunked", chunk(BODY)),
        "cut: the connection ended within the",
    ),
    "a size below nothing": (lambda: received(CHUNKED % b"chunked", b"-5\r\n" + BODY), "malformed: a chunk without"),
    "a head that breaks off": (
        lambda: received(STREAM, b"Content-Le"),
        "cut: the connection ended within the head of the answer",
    ),
    "nothing": (received, "cut: the connection ended before an answer"),
    "no body": (lambda: received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "cut: an answer without a word"),
    "comments alone": (lambda: received(STREAM + END, b": ping\n\n" * 3), "cut: an answer without a word"),
    "a page of HTML": (lambda: received(STREAM + END, b"<html>log in</html>"), "malformed: no JSON object: <html>log"),
    "an error in 200": (
        lambda: received(b"HTTP/1.1 200 OK\r\n\r\n", b'{"error": {"message": "no such model"}}'),
        "error: no such model",
    ),
    "an error as a stream": (
        lambda: received(STREAM.replace(b"200", b"500") + END, lines({"error": {"message": "out of memory"}})),
        "error: HTTP 500: out of memory",
    ),
    "a redirect": (
        lambda: received(b"HTTP/1.1 307 T\r\nLocation: /v2\r\nContent-Length: 0\r\n\r\n", closed=False),
        "error: HTTP 307, which leads to /v2",
    ),
    "no content": (lambda: received(b"HTTP/1.1 204 No\r\n\r\n", closed=False), "error: HTTP 204"),
    "an error behind its end": (lambda: streamed(*WELL, {"error": {"message": "late"}}), "error: late"),
    "tokens behind the finish": (lambda: streamed(tokens(5), tokens(6, finish="length"), tokens(7), usage()), BEHIND),
    "tokens behind [DONE]": (lambda: streamed(*WELL[:2], "[DONE]", *WELL[2:]), BEHIND),
    "two answers in turn": (
        lambda: streamed(*({**event, "id": name} for event, name in zip(WELL, "abab", strict=True))),
        f"{TWO_ANSWERS}b and a",
    ),
    "two choices": (
        lambda: streamed({"choices": [*said("a")["choices"], *said("b", index=1)["choices"]]}, *WELL[1:]),
        "malformed: a choice with the index 1, where one choice was asked for",
    ),
    "choices in turn": (
        lambda: streamed(said("a"), said("b", index=1), said("c", "length"), usage()),
        "malformed: a choice",
    ),
    "more cached than sent": (
        lambda: streamed(*WELL[:3], usage(prompt_tokens_details={"cached_tokens": 99})),
        "malformed: usage says 99 cached tokens of a prompt of 4",
    ),
    "fewer in usage": (lambda: streamed(*WELL[:3], usage(1)), "malformed: usage says 1 tokens, but 3 ids came"),
    "usage that goes down": (lambda: streamed(*WELL, usage(1)), "malformed: usage says 1 tokens, but 3 ids came"),
    "ids with a point": (lambda: streamed(tokens(5), tokens(6.0), *WELL[2:]), "malformed: ids of tokens that are none"),
    "ids below nothing": (lambda: streamed(tokens(-5), *WELL[1:]), "malformed: ids of tokens that are none"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_breaks_a_rule_is_told_in_words(how: str) -> None:
    make, words = BROKEN[how]
    answer = make()
    assert f"{answer.status}: {answer.error}".startswith(words)
    assert not words.startswith(("error: HTTP 204", "error: HTTP 307")) or answer.error == words.partition(": ")[2]
    assert len(answer.chunk_ns) == len(answer.chunk_tokens)


def test_a_call_of_a_tool_of_megabytes_is_one_chunk() -> None:
    call = {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": "x" * (1 << 22)}}]}}]}
    answer = streamed(call, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, usage())
    assert (answer.status, answer.finish, answer.chunk_tokens, answer.text) == ("ok", "stop", [3], "")


def test_a_clock_that_is_set_back_a_little_while_an_answer_comes_takes_no_time_back() -> None:
    exchange = Exchange(Planned(0, "measured", 1_000, None, 0), 1_000)
    exchange.written_ns, exchange.end_ns, exchange.outcome = 1_010, 1_300, "ended"
    for stamp_ns in (990, 1_100, 1_080, 1_200):
        exchange.reads.append((b"x", [(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMP.pack(7, stamp_ns))], 1_250))
    exchange.settle(7 * 10**9)
    assert [piece.stamp_ns for piece in exchange.pieces] == [1_000, 1_100, 1_100, 1_200]
    assert (exchange.stamp, exchange.written_ns, exchange.end_ns) == ("kernel", 1_000, 1_200)
