"""One request over one connection: sent as bytes, and what came back with the times at which the kernel received it."""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import ssl
import struct
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from itertools import accumulate
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.stages import Planned
from benchmark_runner.load.wire import Piece, Response

SO_TIMESTAMPING: Final = 37
"""Number of the option and of its control data (Linux, asm-generic/socket.h); Python's socket module lacks the name."""
RX_SOFTWARE: Final = 1 << 3
SOFTWARE: Final = 1 << 4
STAMP: Final = struct.Struct("qq")
"""Seconds and nanoseconds of CLOCK_REALTIME, the first of three in the control data."""
STAMPED: Final = (socket.SOL_SOCKET, SO_TIMESTAMPING)
"""Level and kind of control data with a stamp."""
CONTROL_BYTES: Final = socket.CMSG_SPACE(3 * STAMP.size)
READ_BYTES: Final = 1 << 13
"""Most that one read takes (chosen): more than the events that come together, since each read sets so much aside."""

Control = list[tuple[int, int, bytes]]
"""Control data of a read: level, kind and content of each."""

SHORTEST_KEY: Final = 8
"""Shorter ones are words that stand in any text (chosen); unit: characters."""

clock: Final = time.monotonic_ns


class Target(NamedTuple):
    """Where requests go."""

    family: int
    address: tuple[Any, ...]
    host: str
    """As the header Host has it."""
    prefix: str
    """Path of the base URL."""
    tls: ssl.SSLContext | None
    name: str
    """Of the server, for TLS."""


def target_of(base_url: str) -> Target:
    """Target of a base URL, its name looked up once; raises BenchmarkError that names the URL."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        name = parts.hostname or ""
        # localhost may be ::1, where no server of ours listens.
        found = socket.getaddrinfo("127.0.0.1" if name == "localhost" else name, port, type=socket.SOCK_STREAM)
    except (KeyError, ValueError, OSError) as error:
        raise BenchmarkError(f"base_url {base_url} cannot be used ({error}); give http(s)://host:port") from error
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    return Target(family, address, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), tls, name)


def key_problem(name: str) -> str | None:
    """What is wrong with the key in an environment variable, without a word of it; None where nothing is."""
    key = os.environ.get(name, "")
    if not key:
        return f"the variable {name} (api_key_env) holds no key; export it and run again"
    if not (key.isascii() and key.isprintable() and " " not in key):
        return f"the variable {name} (api_key_env) holds what no key is: a space, a line end or a letter beyond ASCII"
    return None


def _signs(text: str, in_itself: str = "{}") -> str:
    """Pattern of a text, each sign of it as it is or as JSON, addresses and pages write it, within each other a few
    times: without a bound a search of backslashes alone would take the square of their number."""
    return "".join(
        rf"(?:\\{{0,15}}{in_itself.format(re.escape(sign))}|%(?:25){{0,7}}{ord(sign):02x}"
        rf"|\\{{1,15}}u{ord(sign):04x}|\\{{1,15}}x{ord(sign):02x}"
        rf"|&#(?:0{{0,7}}{ord(sign)}|x0{{0,7}}{ord(sign):x});|{re.escape(escape(sign))})"
        for sign in text
    )


def _encoded(key: str) -> Iterator[str]:
    """Patterns of a key that is part of a text in hexadecimal or base64, wherever in its groups of three it begins."""
    content = key.encode()
    yield r"[\s:,-]?(?:0x)?".join(f"{byte:02x}" for byte in content)
    for before in range(3):
        whole = b64encode(bytes(before) + content)
        of_key_alone = whole[(8 * before + 5) // 6 : 8 * (before + len(content)) // 6].decode()
        for text in {of_key_alone, of_key_alone.translate({ord("+"): "-", ord("/"): "_"})}:
            yield _signs(text, "(?-i:{})") + r"[\w+/=-]*"


@cache
def _forms_of(key: str) -> re.Pattern[str]:
    """The key in small or capital letters, and what is made of one that is no word in headers and dumps."""
    return re.compile("|".join([_signs(key), *(_encoded(key) if len(key) >= SHORTEST_KEY else ())]), re.IGNORECASE)


def without_key(text: str, key: str | None) -> str:
    """Text in which a server may have repeated the key that opens it, with stars in its place."""
    return _forms_of(key).sub("***", text) if key else text


def request_bytes(target: Target, path: str, body: bytes | None, key: str | None = None) -> bytes:
    """A request as it is sent, its connection for it alone: a POST of a body, a GET where there is none."""
    lines = [
        f"{'GET' if body is None else 'POST'} {target.prefix}{path} HTTP/1.1",
        f"Host: {target.host}",
        *(["Content-Type: application/json", f"Content-Length: {len(body)}"] if body is not None else []),
        "Accept: text/event-stream, application/json",
        "Connection: close",
        *([f"Authorization: Bearer {key}"] if key else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class Exchange:
    """One request and what came of it, as bytes."""

    __slots__ = ("end_ns", "outcome", "pieces", "planned", "reads", "stamp", "start_ns", "words", "written_ns")

    def __init__(self, planned: Planned, start_ns: int) -> None:
        self.planned = planned
        self.start_ns = start_ns
        self.written_ns: int | None = None
        self.end_ns = 0
        self.outcome = ""
        """ended (a whole response), closed (by the server), refused, timeout or cancelled (by the client)."""
        self.words: str | None = None
        """The system's, of an error."""
        self.stamp = "user"
        """kernel where all its pieces have the kernel's time, else user."""
        self.pieces: list[Piece] = []
        self.reads: list[tuple[bytes, Control, int]] = []
        """What each read gave, with control data, and when; settle() makes pieces of them."""

    def settle(self, realtime_ns: int | None) -> None:
        """Make pieces of the reads; realtime_ns takes CLOCK_REALTIME to CLOCK_MONOTONIC, None believes no stamp."""
        reads, self.reads = self.reads, []
        stamps = _stamps_ns(control for _, control, _ in reads)
        if realtime_ns is not None and len(stamps) == len(reads) and all(stamps):
            self.stamp = "kernel" if reads else "user"
            # A clock that is set back by less than would be disbelieved takes no stamp behind the one before it.
            told = [stamp_ns - realtime_ns for stamp_ns in stamps]
            times = list(accumulate(told, max, initial=self.start_ns))[1:]
        else:
            times = [now_ns for _, _, now_ns in reads]
        self.pieces = list(map(Piece, [content for content, _, _ in reads], times))
        if not times:
            return
        # A connection that failed or was given up ended when that was seen.
        self.end_ns = times[-1] if self.outcome == "ended" else max(self.end_ns, times[-1])
        if self.written_ns is not None:  # read after the call: what came first shows that it had been written
            self.written_ns = min(self.written_ns, times[0])


def _stamps_ns(controls: Iterable[Control]) -> list[int]:
    """The kernel's stamps in control data, of those that hold one."""
    told = [content for control in controls for level, kind, content in control if (level, kind) == STAMPED]
    return [seconds * 1_000_000_000 + nanoseconds for seconds, nanoseconds in map(STAMP.unpack_from, told)]


def stamped_socket(family: int) -> socket.socket:
    """A socket that waits for nothing and whose data the kernel stamps as it receives them."""
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_SOFTWARE | SOFTWARE)
    return opened


class Flight:
    """A request whose response has not ended, over a plain connection."""

    def __init__(self, exchange: Exchange, content: bytes, target: Target, deadline_ns: int) -> None:
        self.exchange = exchange
        self.deadline_ns = deadline_ns
        self._left = memoryview(content)
        self._response = Response()
        self.read_ns = 0
        """When something was read last."""
        self.stamped = False
        """Whether that came with the kernel's stamp."""
        self.socket = self._open(target)
        self.waits_for = 0

    def _open(self, target: Target) -> socket.socket:
        opened = stamped_socket(target.family)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def begin(self, target: Target) -> int:
        """Connect and send as far as that goes at once; gives what to wait for. Raises OSError."""
        if (status := self.socket.connect_ex(target.address)) not in (0, errno.EINPROGRESS):
            raise OSError(status, os.strerror(status))
        return self._write()

    def _write(self) -> int:
        try:
            while self._left:
                self._left = self._left[self.socket.send(self._left) :]
        except BlockingIOError:
            return select.EPOLLOUT | select.EPOLLIN
        self.exchange.written_ns = clock()
        return select.EPOLLIN

    def act(self, mask: int) -> int:
        """Go on after an event; gives what to wait for, 0 where the response has ended. Raises OSError."""
        if self._left and (wanted := self._write()) != select.EPOLLIN:
            return wanted
        return self._read() if mask & ~select.EPOLLOUT else select.EPOLLIN

    def _read(self) -> int:
        try:
            content, control, _, _ = self.socket.recvmsg(READ_BYTES, CONTROL_BYTES)
        except BlockingIOError:
            return select.EPOLLIN
        return self._take(content, control)

    def _take(self, content: bytes, control: Control) -> int:
        self.read_ns = clock()
        if not content:
            self.exchange.outcome = "closed"
            return 0
        self.exchange.reads.append((content, control, self.read_ns))
        self.stamped = bool(control)
        response = self._response
        if response.skims(content):
            return select.EPOLLIN
        response.feed(content)
        if response.ended or response.flaw is not None:  # what is wrong with it is told when it is read
            self.exchange.outcome = "ended"
            return 0
        return select.EPOLLIN


class TlsFlight(Flight):
    """The same over TLS, where the kernel's stamps tell nothing of the text: it is stamped when it has been read."""

    def _open(self, target: Target) -> socket.socket:
        assert target.tls is not None
        self._secure = False
        return target.tls.wrap_socket(super()._open(target), server_hostname=target.name, do_handshake_on_connect=False)

    def act(self, mask: int) -> int:
        """As over a plain connection, after the handshake."""
        try:
            if not self._secure:
                assert isinstance(self.socket, ssl.SSLSocket)
                self.socket.do_handshake()
                self._secure = True
            return super().act(mask)
        except ssl.SSLWantReadError:
            return select.EPOLLIN
        except ssl.SSLWantWriteError:
            return select.EPOLLOUT

    def _write(self) -> int:
        return super()._write() if self._secure else select.EPOLLOUT

    def _read(self) -> int:
        assert isinstance(self.socket, ssl.SSLSocket)
        # What is left in the library wakes nobody; what comes after it does, and may have no end.
        while (wanted := self._take(self.socket.recv(READ_BYTES), [])) == select.EPOLLIN and self.socket.pending():
            pass
        return wanted
