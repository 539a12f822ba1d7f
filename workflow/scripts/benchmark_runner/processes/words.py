"""What an engine prints: read as it comes, so that its log is of bounded size and fills no disk."""

from __future__ import annotations

import os
from collections import deque
from typing import Final

KEPT_BYTES: Final = 256 * 1024
"""Of each stream's beginning and of its end (chosen): a panic with its backtrace fits many times."""
CHUNK_BYTES: Final = 1 << 16
DRAINED_BYTES: Final = 1 << 24
"""Most that is read after an engine's end: its pipe holds 64 kB unless somebody still writes into it (chosen)."""
LAST_WORDS_BYTES: Final = 8192
LAST_WORDS_CHARACTERS: Final = 400


class Words:
    """One stream of an engine, through a pipe: its beginning and its end are kept."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.name = f"pipe:[{os.fstat(self.writer).st_ino}]"
        self.total_bytes = 0
        self.is_open = True
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    def take(self) -> bytes:
        """Read what is there, and give back the part of it that belongs to the kept beginning."""
        try:
            chunk = os.read(self.reader, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        self.is_open = bool(chunk)
        self.total_bytes += len(chunk)
        first = chunk[: KEPT_BYTES - len(self._head)]
        self._head += first
        if rest := chunk[len(first) :]:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
            while self._tail_bytes - len(self._tail[0]) >= KEPT_BYTES:
                self._tail_bytes -= len(self._tail.popleft())
        return first

    def finish(self) -> bytes:
        """Read what is left, whoever still holds the stream, and close it; gives back what take would have given."""
        end, before, first = self.total_bytes + DRAINED_BYTES, -1, b""
        while before < self.total_bytes < end:
            before = self.total_bytes
            first += self.take()
        os.close(self.reader)
        return first

    @property
    def ending(self) -> bytes:
        """What follows the kept beginning: a line that says how much was left out, and the kept end."""
        tail = b"".join(self._tail)[-KEPT_BYTES:]
        left_out = self.total_bytes - len(self._head) - len(tail)
        note = b"\n--- %d bytes are left out here; %d of each end are kept ---\n" % (left_out, KEPT_BYTES)
        return (note if left_out else b"") + tail

    @property
    def text(self) -> bytes:
        """All that is kept."""
        return bytes(self._head) + self.ending

    @property
    def last(self) -> str:
        """The last line that says something, a panic's note on backtraces aside; empty where there is none."""
        lines = self.text[-LAST_WORDS_BYTES:].decode("utf-8", "replace").split("\n")
        told = [line.strip() for line in lines if line.strip() and not line.startswith("note: ")]
        return told[-1][-LAST_WORDS_CHARACTERS:] if told else ""
