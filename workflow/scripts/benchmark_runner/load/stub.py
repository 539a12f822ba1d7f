"""A server of known delays, to measure what a client adds to them: `python -m benchmark_runner.load.stub --port 0`.

One thread and no engine. It speaks /v1/completions and /v1/chat/completions as vLLM does, whole and as a stream; token
k of an answer leaves at its start + TTFT + k gaps, on an absolute schedule. With --servers K it serves K requests at
once and the others wait in line, so that one server and requests at random make the M/D/1 queue of the textbook. A
request may ask for a fault by the key stub_mode of its body; --mode names one for all, or for every Nth (--every).
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic_ns
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.load import answers
from benchmark_runner.load.client import raise_descriptors, take_real_time
from benchmark_runner.units import NS_PER_S

HOST: Final = "127.0.0.1"
READ_BYTES: Final = 65536
REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Most bytes of a request (chosen)."""
HEAD_END: Final = b"\r\n\r\n"
WAKE_SECONDS: Final = 0.5
"""How often it looks whether its parent still lives (chosen)."""


class Connection:
    """A client: what it sent and has not been answered, and the answer on its way."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.unsent = b""
        self.sends: Iterator[answers.Send] | None = None
        self.next_send: answers.Send | None = None
        self.start_ns = 0
        self.serves = False
        """Whether it takes one of the servers."""
        self.due_ns = 0
        """When its next send is due, or its last one was."""
        self.closes = False
        self.blocked = False
        """Whether it reads too slowly to take what is unsent."""


class Stub:
    """The server; counters are those of GET /metrics."""

    def __init__(self, listener: socket.socket, options: argparse.Namespace) -> None:
        self.delays = answers.Delays(round(options.ttft_ms * answers.MS), round(options.gap_ms * answers.MS))
        self.options = options
        self.modes = answers.modes_of(options.mode)
        self.ready_ns = monotonic_ns() + round(options.load_ms * answers.MS)
        self.counters = dict.fromkeys(("requests", "prompt_tokens", "generation_tokens", "prefix_cache_hits"), 0)
        self.seconds: dict[str, list[float]] = {"queue": [], "first_token": []}
        """Of each request: its wait in line, and from its coming to its first token."""
        self._listener = listener
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._clients: dict[int, Connection] = {}
        self._due: list[tuple[int, int, Connection]] = []
        self._line: deque[tuple[int, Connection, answers.Request]] = deque()
        self._serving = 0
        self._turn = 0
        self._seen: set[tuple[int, ...]] = set()
        self._last: tuple[int, ...] = ()

    def serve(self) -> None:
        """Answers until its parent ends."""
        parent = os.getppid()
        while os.getppid() == parent:
            wait_ns = self._due[0][0] - monotonic_ns() if self._due else WAKE_SECONDS * 1e9
            if wait_ns > 0:  # select() waits in microseconds where epoll rounds up to milliseconds
                select.select([self._epoll.fileno()], [], [], min(wait_ns / 1e9, WAKE_SECONDS))
            for descriptor, event in self._epoll.poll(0):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif client := self._clients.get(descriptor):
                    self._attend(client, event)
            self._send_due()

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):  # a client that left before it was let in
            sock, _ = self._listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients[sock.fileno()] = Connection(sock)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _attend(self, client: Connection, event: int) -> None:
        if event & select.EPOLLOUT:
            self._flush(client)
        if client.sock.fileno() >= 0 and event & ~select.EPOLLOUT:
            try:
                data = client.sock.recv(READ_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self._drop(client)
                return
            client.received += data
            if client.sends is None:
                self._read(client, monotonic_ns())

    def _read(self, client: Connection, now_ns: int) -> None:
        """Take the next request of a connection if it is whole."""
        end = client.received.find(HEAD_END)
        if end < 0:
            return
        first, *lines = client.received[:end].decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = fields.get("content-length", "0")
        size = int(length) if length.isdecimal() and len(length) < 9 else REQUEST_BYTES + 1
        if size > REQUEST_BYTES or "transfer-encoding" in fields:
            client.received = b""
            refusal = answers.failure(411, f"Content-Length of at most {REQUEST_BYTES} is asked for")
            self._begin(client, now_ns, iter([answers.Send(0, refusal, close=True)]))
        elif len(client.received) >= (whole := end + len(HEAD_END) + size):
            body, client.received = client.received[end + len(HEAD_END) : whole], client.received[whole:]
            self._answer(client, now_ns, first, body)

    def _answer(self, client: Connection, now_ns: int, first: str, body: bytes) -> None:
        method, path, *_ = [*first.split(" "), "", ""]
        if method == "POST" and path in {"/v1/completions", "/v1/chat/completions"}:
            try:
                request = self._request(json.loads(body), chat="chat" in path)
            except (BenchmarkError, ValueError, RecursionError) as error:
                self._begin(client, now_ns, iter([answers.Send(0, answers.failure(400, str(error)))]))
                return
            self._line.append((max(now_ns, self.ready_ns), client, request))
            client.sends = iter(())  # no further request is read before this one is answered
            self._advance_line()
            return
        content = {
            "/health": {"status": "ok"},
            "/metrics": "".join(f"stub:{name} {value}\n" for name, value in self._metrics()),
            "/v1/models": {"object": "list", "data": [{"id": "stub", "object": "model"}]},
        }.get(path)
        answer = answers.failure(404, "no such path") if content is None else answers.whole(200, content)
        self._begin(client, now_ns, iter([answers.Send(0, answer)]))

    def _metrics(self) -> Iterator[tuple[str, float]]:
        yield from ((f"{name}_total", value) for name, value in self.counters.items())
        for name, seconds in self.seconds.items():
            yield f"{name}_seconds_sum", sum(seconds)
            yield f"{name}_seconds_count", len(seconds)

    def _request(self, body: Any, *, chat: bool) -> answers.Request:
        modes: Mapping[str, int] = {} if (self.counters["requests"] + 1) % self.options.every else self.modes
        request = answers.request_of(body, chat=chat, default=modes)
        self.counters["requests"] += 1
        return request

    def _known(self, prompt: tuple[int, ...]) -> int:
        """Tokens of the longest prompt before it that this one begins with, where that is more than its first token."""
        return max((end for end in range(2, len(prompt) + 1) if prompt[:end] in self._seen), default=0)

    def _advance_line(self, free_ns: int = 0) -> None:
        """Start those in line for whom a server is free; one that became free at free_ns serves from then on."""
        while self._line and not (self.options.servers and self._serving >= self.options.servers):
            arrived_ns, client, request = self._line.popleft()
            cached = 0
            delays = self.delays._replace(ttft_ns=self.delays.ttft_ns + request.modes.get("slow", 0) * answers.MS)
            if "cache" in request.modes and (known := self._known(request.prompt)):
                cached = min(known, len(request.prompt) - 1)  # the last one is computed
                delays = delays._replace(ttft_ns=delays.ttft_ns // 10)
            if "cache" in request.modes:
                self._seen.add(request.prompt)
            if "mixed" in request.modes and self._serving:
                request = request._replace(answered=self._last)
            self._last = request.prompt
            self.counters["prefix_cache_hits"] += cached
            self.counters["prompt_tokens"] += len(request.prompt)
            start_ns = max(arrived_ns, free_ns)
            self.seconds["queue"].append((start_ns - arrived_ns) / NS_PER_S)
            self.seconds["first_token"].append((start_ns - arrived_ns + delays.ttft_ns) / NS_PER_S)
            self._serving += 1
            client.serves = True
            self._begin(client, start_ns, answers.answer(request, delays, cached, stamps=self.options.stamps))

    def _begin(self, client: Connection, start_ns: int, sends: Iterator[answers.Send]) -> None:
        client.start_ns, client.sends = start_ns, sends
        self._plan_next(client)

    def _plan_next(self, client: Connection) -> None:
        client.next_send = next(client.sends, None) if client.sends is not None else None
        if client.next_send is not None:
            self._turn += 1
            client.due_ns = client.start_ns + client.next_send.after_ns
            heapq.heappush(self._due, (client.due_ns, self._turn, client))
            return
        client.sends = None
        self._free(client, client.due_ns)
        if client.received:
            self._read(client, monotonic_ns())

    def _free(self, client: Connection, free_ns: int) -> None:
        if client.serves:
            client.serves = False
            self._serving -= 1
            self._advance_line(free_ns)

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= monotonic_ns():
            _, _, client = heapq.heappop(self._due)
            send = client.next_send
            if send is None or client.sock.fileno() < 0:
                continue
            self.counters["generation_tokens"] += send.tokens
            client.closes = send.close
            client.unsent += send.data.replace(answers.SENT_NS, b"%20d" % monotonic_ns())
            self._flush(client)
            if client.sock.fileno() >= 0:
                self._plan_next(client)

    def _flush(self, client: Connection) -> None:
        """Send what can be sent at once; the rest when the client reads."""
        try:
            sent = client.sock.send(client.unsent) if client.unsent else 0
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            self._drop(client)
            return
        client.unsent = client.unsent[sent:]
        if client.closes and not client.unsent:
            self._drop(client)
        elif bool(client.unsent) != client.blocked:
            client.blocked = bool(client.unsent)
            wanted = select.EPOLLIN | (select.EPOLLOUT if client.blocked else 0)
            self._epoll.modify(client.sock.fileno(), wanted)

    def _drop(self, client: Connection) -> None:
        """Forget a client; what it waited for is not served."""
        del self._clients[client.sock.fileno()]
        client.sock.close()  # which takes it out of the epoll
        client.next_send = client.sends = None
        self._line = deque(waiting for waiting in self._line if waiting[1] is not client)
        self._free(client, monotonic_ns())


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or the parent's end; the port is printed as a line of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument("--ttft-ms", type=float, default=50.0)
    parser.add_argument("--gap-ms", type=float, default=5.0)
    parser.add_argument("--servers", type=int, default=0, help="requests served at once, others wait; 0: all")
    parser.add_argument("--load-ms", type=float, default=0.0, help="time after the start before it answers requests")
    faults = "; ".join(f"{name} {what}" for name, what in answers.MODES.items())
    parser.add_argument("--mode", default="", help=f"faults, by commas: {faults}")
    parser.add_argument("--every", type=int, default=1, help="--mode is for every Nth request")
    parser.add_argument("--stamps", action="store_true", help="events of tokens say when they left: sent_ns, monotonic")
    parser.add_argument(
        "--priority", action="store_true", help="take as much as is allowed: less late on a busy machine"
    )
    options = parser.parse_args(argv)
    if options.priority:
        take_real_time()
    raise_descriptors()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.create_server((HOST, options.port), backlog=1024) as listener:
        listener.setblocking(False)
        stub = Stub(listener, options)
        print(listener.getsockname()[1], flush=True)
        stub.serve()
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
