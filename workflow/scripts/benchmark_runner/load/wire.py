"""What an HTTP/1.1 server sent, byte by byte: where a response ends, and the server-sent events in its body."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

LINE_END: Final = re.compile(rb"\r\n|\r|\n")
CHUNK_SIZE: Final = re.compile(rb"\s*([0-9a-fA-F]{1,15})\s*(?:;.*)?", re.DOTALL)
HEAD_END: Final = re.compile(rb"\n\r?\n")
"""Of lines that end by CRLF, or by LF alone, as RFC 9112 (section 2.2) lets who reads them take them."""
FOLD: Final = re.compile(rb"\r?\n[ \t]+")
"""What parts a header's value that goes on on the next line (RFC 9112, section 5.2)."""
HEAD_BYTES: Final = 65536
"""Most bytes of a head, of the line before a chunk, or of what follows the last chunk (chosen)."""

CHUNK_LINE_BYTES: Final = 64
"""More than the line before a chunk usually has (chosen)."""

MOST_BYTES: Final = 1 << 27
"""Most bytes of an answer, several times what a hundred thousand tokens take; servers that never end would fill the
memory (chosen)."""

DONE: Final = b"[DONE]"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Piece(NamedTuple):
    """What one read of a socket gave."""

    data: bytes
    stamp_ns: int
    """When it came, CLOCK_MONOTONIC nanoseconds."""
    shared: bool = False
    """Whether the stamp is known to be that of the last of several segments."""


class ServerEvent(NamedTuple):
    """One server-sent event that carries data."""

    name: str
    payload: bytes
    stamp_ns: int
    """Stamp of the piece that completed it."""
    shared: bool


class Response:
    """One response, fed with bytes as they come: status, headers, and whether it has ended.

    `ended` says that all of it is there; `flaw` says in words what no HTTP/1.1 response may hold. What follows its end
    is left aside. feed() takes a few microseconds, so that it can run while a stage is measured.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.ended = False
        self.flaw: str | None = None
        self._unread = b""
        self._fed = 0
        self._left = 0
        self._between = False
        """Whether the next byte is the first of a chunk's size."""
        self._size_lines: dict[int, bytes] = {}
        """The line before a chunk that came whole and alone, by the length of both."""
        self._step: Callable[[bytes, int, list[bytes]], int] = self._head

    def skims(self, data: bytes) -> bool:
        """Whether these bytes are a whole chunk that holds something, as servers send each event: then they are taken,
        and the response goes on. Else they are for feed()."""
        if not self._between or self._fed > MOST_BYTES:
            return False
        line = self._size_lines.get(len(data))
        if line is None or not (data.startswith(line) and data.endswith(b"\r\n")):
            if (end := _end_of_size(data)) is None:
                return False
            self._size_lines[len(data)] = data[:end]
        self._fed += len(data)
        return True

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body among these."""
        if self.skims(data):
            return data[len(self._size_lines[len(data)]) : -2]
        self._fed += len(data)
        if self._fed > MOST_BYTES:
            self.flaw = self.flaw or f"an answer of more than {MOST_BYTES} bytes"
        if self._unread:
            data, self._unread = self._unread + data, b""
        body: list[bytes] = []
        at = 0
        while at < len(data) and not self.ended and self.flaw is None:
            at = self._step(data, at, body)
        return b"".join(body)

    def close(self) -> bool:
        """The server closed the connection: whether the response is whole."""
        if self._step == self._until_close:
            self.ended = True
        return self.ended

    def _line(self, data: bytes, at: int) -> int:
        """Where the bytes that end a line stand; -1 where they have not come, and what is there is kept."""
        return self._bounded(data, at, data.find(b"\r\n", at))

    def _bounded(self, data: bytes, at: int, found: int) -> int:
        if (len(data) if found < 0 else found) - at > HEAD_BYTES:
            self.flaw = f"a head or line of more than {HEAD_BYTES} bytes"
            return -1
        if found < 0:
            self._unread = data[at:]
        return found

    def _head(self, data: bytes, at: int, _body: list[bytes]) -> int:
        if not b"HTTP/1.".startswith(data[at : at + 7]):
            self.flaw = "no answer in HTTP/1.1"
            return len(data)
        ended = HEAD_END.search(data, at)
        end = self._bounded(data, at, ended.start() if ended else -1)
        if ended is None or end < 0:
            return len(data)
        first, *lines = re.split("\r?\n", FOLD.sub(b" ", data[at:end]).decode("latin-1"))
        words = first.split(" ", 2)
        if len(words) < 2 or not re.fullmatch("[1-9][0-9]{2}", words[1]):
            self.flaw = "a status line without a status"
            return len(data)
        status = int(words[1])
        if status == 101 or status >= 200:  # others announce the response that follows
            self.status = status
            for line in lines:
                name, _, value = line.partition(":")
                key, value = name.strip().lower(), value.strip()
                self.headers[key] = f"{self.headers[key]}, {value}" if key in self.headers else value
            self._choose_framing()
        elif self._fed > HEAD_BYTES:
            self.flaw = f"more than {HEAD_BYTES} bytes of announcements before its head"
        return ended.end()

    def _choose_framing(self) -> None:
        lengths = {value.strip() for value in self.headers.get("content-length", "").split(",")} - {""}
        coding = self.headers.get("transfer-encoding", "identity").lower()
        length = next(iter(lengths), None)
        if (packed := self.headers.get("content-encoding", "identity").lower()) != "identity":
            self.flaw = f"a body packed as {packed}, which was not asked for"
        elif coding not in {"identity", "chunked"}:
            self.flaw = f"the transfer coding {coding}, which was not asked for"
        elif self.status in {101, 204, 304}:
            self.ended = True
        elif coding == "chunked":
            self._step, self._between = self._size, True
        elif len(lengths) > 1:
            self.flaw = "two Content-Lengths that differ"
        elif length is None:
            self._step = self._until_close
        elif not re.fullmatch("[0-9]{1,15}", length):
            self.flaw = "a Content-Length that is no number"
        else:
            self._left, self._step = int(length), self._counted
            self.ended = self._left == 0

    def _until_close(self, data: bytes, at: int, body: list[bytes]) -> int:
        body.append(data[at:])
        return len(data)

    def _counted(self, data: bytes, at: int, body: list[bytes]) -> int:
        end = at + self._left
        taken = data[at:end]
        body.append(taken)
        self._left -= len(taken)
        self.ended = self._left == 0
        return end

    def _size(self, data: bytes, at: int, _body: list[bytes]) -> int:
        self._between = False
        end = self._line(data, at)
        if end < 0:
            return len(data)
        if (size := CHUNK_SIZE.fullmatch(data, at, end)) is None:
            self.flaw = "a chunk without its size"
            return len(data)
        chunk_bytes = int(size[1], 16)
        self._left, self._step = (chunk_bytes, self._chunk) if chunk_bytes else (HEAD_BYTES, self._trailer)
        return end + 2

    def _chunk(self, data: bytes, at: int, body: list[bytes]) -> int:
        end = at + self._left
        taken = data[at:end]
        body.append(taken)
        self._left -= len(taken)
        if not self._left:
            self._step = self._after_chunk
        return end

    def _after_chunk(self, data: bytes, at: int, _body: list[bytes]) -> int:
        if len(data) - at < 2:
            self._unread = data[at:]
            return len(data)
        if data[at : at + 2] != b"\r\n":
            self.flaw = "a chunk of another size than it says"
        self._step, self._between = self._size, True
        return at + 2

    def _trailer(self, data: bytes, at: int, _body: list[bytes]) -> int:
        end = self._line(data, at)
        if end < 0:
            return len(data)
        self.ended = end == at
        self._left -= end - at
        if self._left < 0:
            self.flaw = f"more than {HEAD_BYTES} bytes behind the last chunk"
        return end + 2


def _end_of_size(data: bytes) -> int | None:
    """Where the line before a chunk ends, if a chunk that holds something is whole and alone in these bytes."""
    end = data.find(b"\r\n", 0, CHUNK_LINE_BYTES)
    size = CHUNK_SIZE.fullmatch(data, 0, end) if end > 0 else None
    holds = len(data) - end - 4
    return end + 2 if size is not None and 0 < holds == int(size[1], 16) and data.endswith(b"\r\n") else None


class EventStream:
    """Server-sent events, fed with the bytes of a body as they come.

    Lines end by CR, LF or CRLF; comments are skipped. An event ends with its empty line. Lines of data that follow each
    other without one are events of their own where each is a JSON object, else one event of several lines.
    """

    def __init__(self) -> None:
        self._unread: list[bytes] = []
        """Parts of a line whose end has not come, which may be many and long."""
        self._after_cr = False
        self._at_start = True
        self._is_between = True
        """Whether the next byte is the first of an event."""
        self._name = ""
        self._data: list[tuple[bytes, int, bool]] = []

    def feed(self, data: bytes, stamp_ns: int, shared: bool = False) -> list[ServerEvent]:
        """Events that these bytes complete."""
        if not data:
            return []
        if self._is_between and data.startswith(b"data: ") and _is_one_event(data):
            self._at_start = False
            return [ServerEvent("", data[6:-2], stamp_ns, shared)]
        begins_with_lf, self._after_cr = self._after_cr and data.startswith(b"\n"), data.endswith(b"\r")
        text = data[begins_with_lf:]
        *lines, rest = LINE_END.split(text) if b"\r" in text else text.split(b"\n")
        if lines:
            lines[0], self._unread = b"".join((*self._unread, lines[0])), []
        self._unread.append(rest)
        events: list[ServerEvent] = []
        for line in lines:
            if line:
                self._field(line, stamp_ns, shared)
            else:
                events += self._dispatch(stamp_ns, shared)
        self._is_between = not (rest or self._after_cr or self._data or self._name)
        return events

    def close(self, stamp_ns: int, shared: bool = False) -> list[ServerEvent]:
        """Events at the end of the body that lack their empty line; half an object is none."""
        last, self._unread = b"".join(self._unread), []
        if last and _stands_alone(last.partition(b":")[2].strip()):
            self._field(last, stamp_ns, shared)
        return self._dispatch(None, shared)

    def _field(self, line: bytes, stamp_ns: int, shared: bool) -> None:
        if self._at_start:
            line, self._at_start = line.removeprefix(BYTE_ORDER_MARK), False
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name in {b"data", b"error"}:  # llama.cpp's server wrote its errors as a field of that name
            self._name = "error" if name == b"error" else self._name
            self._data.append((value, stamp_ns, shared))

    def _dispatch(self, stamp_ns: int | None, shared: bool) -> list[ServerEvent]:
        """The event or events of the lines so far; those of an event that no empty line ended keep their own stamps."""
        name, lines = self._name, self._data
        self._name, self._data, self._at_start = "", [], False
        if len(lines) > 1 and not all(_stands_alone(value) for value, _, _ in lines):
            lines = [(b"\n".join(value for value, _, _ in lines), *lines[-1][1:])]
        if len(lines) == 1 and stamp_ns is not None:
            return [ServerEvent(name, lines[0][0], stamp_ns, shared)]
        return [ServerEvent(name, value, stamp, joined) for value, stamp, joined in lines]


def _is_one_event(data: bytes) -> bool:
    """Whether one line and the empty one that ends an event are all of it, as servers send each."""
    return data.endswith(b"\n\n") and data.find(b"\n") == len(data) - 2 and b"\r" not in data


def _stands_alone(value: bytes) -> bool:
    """Whether a line of data is an event by itself."""
    if value == DONE:
        return True
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


class Received(NamedTuple):
    """A response that was read whole or as far as it came."""

    status: int | None
    """None where no head came."""
    events: list[ServerEvent]
    """Events of a stream; empty for any other body."""
    body: bytes
    """The body of an answer that is no stream, or says so and holds no event."""
    ended: bool
    flaw: str | None
    last_ns: int | None
    """Stamp of the piece that ended it, or of the last one that came."""
    shared: bool
    """Whether that stamp is shared."""
    headers: Mapping[str, str] = {}
    """By their name in small letters."""


def read_response(pieces: Iterable[Piece], *, closed: bool) -> Received:
    """What the pieces of one response say; closed: the server closed the connection after them."""
    response, last = Response(), None
    parts: list[tuple[bytes, int, bool]] = []
    for piece in pieces:
        if response.ended:
            break
        last = piece
        if body := response.feed(piece.data):
            parts.append((body, piece.stamp_ns, piece.shared))
    if closed:
        response.close()
    body = b"".join([part for part, _, _ in parts])
    streams = _is_stream(response.headers.get("content-type", ""), body)
    events = _events(parts) if streams else []
    is_none = not events and not body.lstrip().startswith(b":")  # what has neither an event nor a comment
    return Received(
        response.status,
        events,
        b"" if streams and not is_none else body,
        response.ended,
        response.flaw,
        last.stamp_ns if last else None,
        last.shared if last else False,
        response.headers,
    )


def _is_stream(content_type: str, body: bytes) -> bool:
    return "event-stream" in content_type.lower() or body.startswith((b"data:", b"event:", b":"))


def _events(parts: Sequence[tuple[bytes, int, bool]]) -> list[ServerEvent]:
    stream = EventStream()
    events = [event for part in parts for event in stream.feed(*part)]
    return [*events, *stream.close(*parts[-1][1:])] if parts else events
