"""The shipped stub as a process, and a blocking client that does nothing but keep what it reads."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark_runner.load.wire import Piece, Response

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
PROMPT = [1, 5, 9, 13]


@contextmanager
def stub(*arguments: str) -> Iterator[int]:
    """Port of a stub that runs until the block ends."""
    command = [sys.executable, "-m", "benchmark_runner.load.stub", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(20) == 0


def send(port: int, path: str, body: dict[str, Any] | None = None) -> socket.socket:
    """A connection over which a request has been sent: a POST of this body, else a GET."""
    text = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"{method} {path} HTTP/1.1\r\nHost: stub\r\nContent-Length: {len(text)}\r\n\r\n"
    connection.sendall(head.encode() + text)
    return connection


def receive(connection: socket.socket) -> tuple[list[Piece], bool]:
    """All pieces of the response, and whether the server closed the connection."""
    response, pieces = Response(), []
    while not response.ended:
        data = connection.recv(65536)
        if not data:
            return pieces, True
        response.feed(data)
        pieces.append(Piece(data, time.monotonic_ns()))
    return pieces, False


def ask(port: int, path: str = "/v1/completions", **body: Any) -> tuple[list[Piece], bool]:
    """What came of one request of eight tokens, unless the body says otherwise."""
    with send(port, path, {"prompt": PROMPT, "max_tokens": 8, "stream": True, **body}) as connection:
        return receive(connection)
