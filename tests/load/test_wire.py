"""What comes out of a response must not depend on how its bytes were cut into pieces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate

import pytest

from benchmark_runner.load import wire
from benchmark_runner.load.wire import EventStream, Piece, Response, read_response

SSE = "Content-Type: text/event-stream\r\n"
BODY = (
    ": hello\n\n"
    'data: {"a": 1}\n\n'
    'data:{"b": 2}\r\n\r\n'
    'event: error\rdata: {"c": 3}\r\r'
    "id: 7\nretry: 10\n\n"
    'data: {"d":\ndata: 4}\n\n'
    'data: {"e": 5}\ndata: {"f": 6}\n: ping\ndata: [DONE]\n\n'
)
SAID = [
    ("", b'{"a": 1}'),
    ("", b'{"b": 2}'),
    ("error", b'{"c": 3}'),
    ("", b'{"d":\n4}'),
    ("", b'{"e": 5}'),
    ("", b'{"f": 6}'),
    ("", b"[DONE]"),
]


def chunked(body: str, seed: int = 0) -> bytes:
    """A response whose chunks end anywhere."""
    draw, rest, chunks = random.Random(seed), body.encode(), b""
    while rest:
        size = draw.randrange(1, 40)
        part, rest = rest[:size], rest[size:]
        chunks += b"%X;note=1\r\n%b\r\n" % (len(part), part)
    return f"HTTP/1.1 200 OK\r\n{SSE}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\nTrailer: x\r\n\r\n"


def counted(body: str) -> bytes:
    return f"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{SSE}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def until_close(body: str) -> bytes:
    return f"HTTP/1.0 200 OK\r\n{SSE}\r\n{body}".encode()


def cuts(data: bytes, draw: random.Random) -> Iterator[Piece]:
    """Pieces at random, stamped with how many bytes have come."""
    at = 0
    while at < len(data):
        end = min(len(data), at + draw.choice([1, 2, 3, 7, 50, 1000]))
        yield Piece(data[at:end], end)
        at = end


@pytest.mark.parametrize(
    "response", [chunked(BODY), counted(BODY), until_close(BODY)], ids=["chunks", "length", "close"]
)
def test_events_are_the_same_however_the_bytes_were_cut(response):
    whole = read_response([Piece(response, 1)], closed=True)
    assert [(event.name, event.payload) for event in whole.events] == SAID
    assert whole.ended
    by_byte = read_response([Piece(response[i : i + 1], i + 1) for i in range(len(response))], closed=True)
    assert [event[:2] for event in by_byte.events] == SAID
    draw = random.Random(11)
    for _ in range(200):
        parts = list(cuts(response, draw))
        read = read_response(parts, closed=True)
        assert [event[:2] for event in read.events] == SAID
        assert (read.ended, read.flaw) == (True, None)
        for event, exact in zip(read.events, by_byte.events, strict=True):
            # the stamp is that of the piece that held the byte which completed the event
            assert event.stamp_ns == next(piece.stamp_ns for piece in parts if piece.stamp_ns >= exact.stamp_ns)


FRAGMENTS = [
    *[b'data: {"a": 1}\n\n'] * 4,
    b"data: x\n",
    b"data: x\n\ndata: y\n\n",
    b"data: [DONE]\n\n",
    b"data: y\r",
    b"data: \r\n\r\n",
    b"data: \n\n",
    b"data:",
    b" q\n\n",
    b"\n",
    b"\n\n",
    b"event: note\n",
    b": nothing\n\n",
    b"\xef\xbb\xbfdata: z\n\n",
]
FRAMES = [*[b"%x\r\n%b\r\n"] * 6, b"%X ;note=1\r\n%b\r\n", b"0%x\r\n%b\r\n"]
LAST = [b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"1\r\nab\r\n", b"-1\r\n\r\n", b"\r\n\r\n", b"4\r\nab\r\n"]


@pytest.mark.parametrize("seed", range(300))
def test_a_chunk_that_comes_whole_says_what_it_says_byte_by_byte(seed):
    draw = random.Random(seed)
    head = f"HTTP/1.1 200 OK\r\n{SSE}Transfer-Encoding: chunked\r\n\r\n".encode()
    said = [draw.choice(FRAGMENTS) for _ in range(8)]
    parts = [head, *(draw.choice(FRAMES) % (len(text), text) for text in said), draw.choice(LAST)]
    ends = list(accumulate(map(len, parts)))
    whole = read_response(map(Piece, parts, ends), closed=True)
    joined = b"".join(parts)
    by_byte = read_response([Piece(joined[at : at + 1], at + 1) for at in range(len(joined))], closed=True)
    assert [event[:2] for event in whole.events] == [event[:2] for event in by_byte.events]
    assert (whole.ended, whole.flaw, whole.status) == (by_byte.ended, by_byte.flaw, by_byte.status)
    for event, exact in zip(whole.events, by_byte.events, strict=True):
        assert event.stamp_ns == next(end for end in ends if end >= exact.stamp_ns)


@pytest.mark.parametrize("piece_bytes", [512, 1 << 20])
def test_a_line_of_megabytes_is_one_event_however_it_comes(piece_bytes):
    payload = b"x" * 2_000_000
    response = f"HTTP/1.1 200 OK\r\n{SSE}\r\n".encode() + b"data: " + payload + b"\r\n\r\ndata: [DONE]\n\n"
    pieces = [Piece(response[at : at + piece_bytes], at) for at in range(0, len(response), piece_bytes)]
    assert [event.payload for event in read_response(pieces, closed=True).events] == [payload, b"[DONE]"]


@pytest.mark.parametrize("response", [chunked(BODY * 9), counted(BODY * 9), until_close(BODY * 9)])
def test_an_answer_without_end_has_a_flaw(monkeypatch, response):
    monkeypatch.setattr(wire, "MOST_BYTES", len(response))
    assert read_response([Piece(response, 1)], closed=True).flaw is None
    monkeypatch.setattr(wire, "MOST_BYTES", len(response) - 1)
    assert "an answer of more than" in (read_response([Piece(response, 1)], closed=True).flaw or "")


def test_announcements_without_end_are_a_flaw():
    announced = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    few, many = (read_response([Piece(announced, 1)] * count, closed=False) for count in (9, 9999))
    assert (few.flaw, few.status) == (None, None)
    assert "of announcements before its head" in (many.flaw or "")


@pytest.mark.parametrize("header", ["Content-Encoding", "Transfer-Encoding"])
def test_a_coding_is_told_whole_since_half_a_key_would_be_known_for_none(header):
    response = f"HTTP/1.1 200 OK\r\n{header}: {'x' * 30}{'sk-key' * 5}\r\n\r\n".encode()
    assert "sk-key" * 5 in (read_response([Piece(response, 1)], closed=True).flaw or "")


def test_the_end_is_seen_with_its_last_byte_and_not_before():
    for response in (chunked(BODY, 3), counted(BODY)):
        reader = Response()
        for byte in response[:-1]:
            reader.feed(bytes([byte]))
            assert not reader.ended
        reader.feed(response[-1:])
        assert reader.ended


def test_a_body_without_length_ends_with_the_connection_and_one_with_a_length_is_cut_by_it():
    assert read_response([Piece(until_close(BODY), 1)], closed=True).ended
    assert not read_response([Piece(until_close(BODY), 1)], closed=False).ended
    assert not read_response([Piece(counted(BODY)[:-1], 1)], closed=True).ended
    assert not read_response([Piece(chunked(BODY)[:-1], 1)], closed=True).ended


def test_what_follows_the_end_is_no_part_of_it():
    read = read_response([Piece(chunked(BODY) + b"HTTP/1.1 500 X\r\n", 1), Piece(b"more", 2)], closed=True)
    assert (read.status, len(read.events), read.last_ns) == (200, len(SAID), 1)


def test_an_empty_body_ends_with_its_head():
    for head in (b"HTTP/1.1 204 None\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        assert read_response([Piece(head, 1)], closed=False).ended


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 okay\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnine\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_response_is_said_however_it_was_cut(response):
    whole = read_response([Piece(response, 1)], closed=True)
    parts = read_response([Piece(response[i : i + 997], i) for i in range(0, len(response), 997)], closed=True)
    assert whole.flaw is not None
    assert whole.flaw == parts.flaw


@pytest.mark.parametrize(
    ("head", "events", "flaw"),
    [
        (b"HTTP/1.1 200 OK\nContent-Type: text/event-stream\nContent-Length: 11\n\n", 1, None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\nContent-Length: 11\r\n\n", 1, None),
        (b"HTTP/1.1 200\r\ncontent-TYPE:text/event-stream\r\nCONTENT-length : 11\r\n\r\n", 1, None),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type:\r\n  text/event-stream\r\n\t; charset=x\r\nContent-Length: 11\r\n\r\n",
            1,
            None,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            0,
            "the transfer coding chunked, chunked, ",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0, "the transfer coding gzip, "),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n", 0, "a body packed as br, "),
    ],
)
def test_a_head_is_taken_as_it_may_be_written_and_what_was_not_asked_for_is_named(head, events, flaw):
    response = head + b"data: {}\n\n\n"
    for size in (1, 3, len(response)):
        read = read_response([Piece(response[i : i + size], i) for i in range(0, len(response), size)], closed=False)
        assert len(read.events) == events
        assert read.ended == (flaw is None)
        assert (read.flaw or "").startswith(flaw or "") and (read.flaw is None) == (flaw is None)


def test_lines_behind_the_last_chunk_do_not_go_on_for_ever():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    few, many = (read_response([Piece(head + b"X: y\r\n" * count + b"\r\n", 1)], closed=False) for count in (9, 20000))
    assert (few.ended, few.flaw) == (True, None)
    assert many.flaw is not None and "behind the last chunk" in many.flaw


def test_a_last_event_that_lacks_its_empty_line_counts_and_half_an_object_does_not():
    stream = EventStream()
    assert stream.feed(b'data: {"a": 1}\n', 5) == []
    assert [event.payload for event in stream.close(9)] == [b'{"a": 1}']
    stream = EventStream()
    stream.feed(b'data: {"a": 1}\ndata: {"b', 5)
    assert [(event.payload, event.stamp_ns) for event in stream.close(9)] == [(b'{"a": 1}', 5)]
    stream = EventStream()
    stream.feed(b"data: [DONE]", 5)
    assert [event.payload for event in stream.close(9)] == [b"[DONE]"]


def test_events_that_no_empty_line_parts_keep_the_stamps_of_their_own_lines():
    stream = EventStream()
    for stamp in (10, 20, 30):
        assert stream.feed(b'data: {"n": %d}\n' % stamp, stamp) == []
    assert [event.stamp_ns for event in stream.close(99)] == [10, 20, 30]


def test_an_event_is_complete_with_its_empty_line_and_lines_of_one_are_joined():
    stream = EventStream()
    assert stream.feed(b'data: {"n": 1}\n', 10) == []
    assert stream.feed(b"\n", 20) == [("", b'{"n": 1}', 20, False)]
    assert [event.payload for event in stream.feed(b'data: {"n": 1}\ndata: words\n\n', 30)] == [b'{"n": 1}\nwords']


def test_an_error_as_a_field_of_its_own_is_an_event_of_that_name():
    assert EventStream().feed(b'error: {"code": 500}\n\n', 1) == [("error", b'{"code": 500}', 1, False)]


def test_a_mark_of_byte_order_and_a_shared_stamp_are_taken_as_such():
    events = EventStream().feed(b"\xef\xbb\xbfdata: {}\n\n", 1, True)
    assert events == [("", b"{}", 1, True)]
