"""What a program writes, write by write, each with the kernel's time: a socket of packets in place of stdout.

A pipe merges writes that nobody has read yet, so tokens could be miscounted and late ones would bear the reader's time.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Final, NamedTuple

from bench_protocol import EngineError

SO_TIMESTAMPNS: Final = 35
"""From linux's asm-generic/socket.h: the kernel adds the time of arrival to each packet, CLOCK_REALTIME."""

TIMESPEC: Final = struct.Struct("@qq")

QUEUE_BYTES: Final = 4 << 20
"""Room for some ten thousand records, so that a reader that comes late never stops the writer (chosen)."""

RECORD_BYTES: Final = 64 << 10
"""Longest record that is read whole (chosen); a token is a few bytes."""

NS_PER_S: Final = 1_000_000_000

LARGEST_STEP_NS: Final = 1_000_000
"""By which the clocks may move apart during an answer (chosen): 30 times the most that was seen, 32 us."""

OFFSET_READINGS: Final = 5
"""Of which the fastest is taken (chosen)."""


class Record(NamedTuple):
    """One write."""

    data: bytes
    time_ns: int
    """CLOCK_REALTIME, by the kernel."""


def monotonic_offset_ns() -> int:
    """CLOCK_MONOTONIC minus CLOCK_REALTIME now, from the reading during which the least time passed."""
    readings = []
    for _ in range(OFFSET_READINGS):
        before_ns = time.monotonic_ns()
        real_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        readings.append((after_ns - before_ns, (before_ns + after_ns) // 2 - real_ns))
    return min(readings)[1]


def require_steady(before_ns: int, after_ns: int) -> None:
    """Raise EngineError where the offset between the clocks moved too far for the kernel's times to be used."""
    moved_ns = abs(after_ns - before_ns)
    if moved_ns > LARGEST_STEP_NS:
        raise EngineError(
            f"this machine's clock was set by {moved_ns / 1e6:.1f} ms during an answer, so its tokens have no times; "
            "run again once the clock is in step"
        )


class RecordReader:
    """The reading end; `writing_end` is handed to the program as its stdout and then closed here."""

    def __init__(self) -> None:
        self._socket, self.writing_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        # The kernel may grant less; a full queue would only make the program wait for this reader.
        self.writing_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)

    def read(self) -> Record | None:
        """The next write, waited for; None once the program has closed its stdout.

        Raises EngineError for a write that is too long to be read whole, or that has no time.
        """
        data, ancillary, flags, _ = self._socket.recvmsg(RECORD_BYTES, socket.CMSG_SPACE(TIMESPEC.size))
        if not data:
            return None
        if flags & socket.MSG_TRUNC:
            raise EngineError(f"the engine wrote more than {RECORD_BYTES} bytes at once, which no token is")
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = TIMESPEC.unpack(value)
                return Record(data, seconds * NS_PER_S + nanoseconds)
        raise EngineError(
            "this kernel gives no times of writes to a socket (SO_TIMESTAMPNS); Linux 2.6.22 or newer does"
        )

    def close(self) -> None:
        """Close both ends."""
        with contextlib.suppress(OSError):
            self.writing_end.close()
        self._socket.close()
