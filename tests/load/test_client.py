"""The load client against the stub: what it sends and when, and what it says of what it was sent."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from benchmark_runner.load import client, wire
from benchmark_runner.load.asking import read
from benchmark_runner.load.client import GATHER_NS, MANY, Client, Ran
from benchmark_runner.load.connection import Exchange, request_bytes, target_of
from benchmark_runner.load.driver import send_lags_ns, stage_event
from benchmark_runner.load.schedule import arrivals_ns, with_arrivals
from benchmark_runner.load.stages import Stage, stage_of
from benchmark_runner.load.wire import read_response
from benchmark_runner.units import NS_PER_S
from stub_server import stub

MS = 1_000_000
TOKENS = 5
CASE = {"max_new_tokens": TOKENS}
CLOSED = {"mode": "closed", "concurrency": 3, "requests": 6, "duration_seconds": None, "warmup_requests": 3}
ONE = {**CLOSED, "concurrency": 1, "requests": 1, "warmup_requests": 0}
OPEN = {
    "mode": "open",
    "requests_per_second": 100,
    "arrivals": "poisson",
    "burstiness": 1.0,
    "seed": 5,
    "requests": 8,
    "duration_seconds": None,
    "warmup_requests": 2,
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with stub("--ttft-ms", "20", "--gap-ms", "3", "--stamps") as port:
        yield port


def _run(
    url: str, load: dict[str, Any], timeout_ms: int = 20_000, filler_tokens: int = TOKENS, **body: Any
) -> tuple[Stage, Ran]:
    """A stage of requests with these keys in their bodies."""
    target = target_of(url)
    requests = []
    for number in range(200):
        tokens = TOKENS if number < load["warmup_requests"] + load["requests"] else filler_tokens
        sent = {"prompt": [1, number], "max_tokens": tokens, "stream": True, **body}
        requests.append(request_bytes(target, "/v1/completions", json.dumps(sent).encode()))
    stage = stage_of(with_arrivals(load, len(requests)), len(requests))
    with closing(Client(target)) as client:
        return stage, client.run(stage, requests, timeout_ms * MS)


def _local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _measured(ran: Ran) -> list[Exchange]:
    return [exchange for exchange in ran.exchanges if exchange.planned.phase == "measured"]


def _statuses(ran: Ran) -> Counter[str]:
    return Counter(read(exchange, CASE).status for exchange in _measured(ran))


def _sent_ns(exchange: Exchange) -> list[int]:
    """When the stub sent each token."""
    events = read_response(exchange.pieces, closed=False).events
    return [json.loads(event.payload)["sent_ns"] for event in events if b"sent_ns" in event.payload]


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_tokens_are_stamped_by_the_kernel_after_the_server_sent_them(port, load):
    _, ran = _run(_local(port), load)
    assert _statuses(ran) == {"ok": load["requests"]}
    for exchange in _measured(ran):
        answer, sent = read(exchange, CASE), _sent_ns(exchange)
        assert exchange.stamp == "kernel"
        assert len(sent) == len(answer.chunk_ns) == TOKENS
        assert exchange.planned.scheduled_ns <= exchange.start_ns <= exchange.written_ns <= sent[0]
        # The stub reads its clock before it sends; the brackets between two clocks are some microseconds wide.
        assert all(at >= left - MS for at, left in zip(answer.chunk_ns, sent, strict=True))
        assert answer.chunk_ns[-1] <= exchange.end_ns <= ran.end_ns


def test_known_delays_come_out(port):
    """Not less than the stub waits; how much more is the machine's and no matter of a test."""
    _, ran = _run(_local(port), CLOSED)
    for exchange in _measured(ran):
        times = read(exchange, CASE).chunk_ns
        assert times[0] - exchange.start_ns >= 20 * MS
        assert times[-1] - exchange.start_ns >= (20 + 4 * 3) * MS


def test_requests_leave_by_an_absolute_schedule_whatever_was_sent_late(port):
    _, ran = _run(_local(port), OPEN)
    scheduled = [exchange.planned.scheduled_ns for exchange in ran.exchanges]
    drawn = list(islice(arrivals_ns(OPEN), len(scheduled)))
    assert [at - scheduled[0] for at in scheduled] == [offset - drawn[0] for offset in drawn]


def test_a_queue_in_the_server_is_seen_from_the_schedule():
    """One request at a time of at least 32 ms each, asked for every 10 ms: each waits for all before it."""
    with stub("--ttft-ms", "20", "--gap-ms", "3", "--servers", "1") as port:
        _, ran = _run(_local(port), {**OPEN, "arrivals": "constant", "warmup_requests": 0})
    first_ns = ran.exchanges[0].planned.scheduled_ns
    for place, exchange in enumerate(_measured(ran)):
        assert exchange.planned.scheduled_ns == first_ns + place * 10 * MS
        assert read(exchange, CASE).chunk_ns[-1] >= first_ns + (place + 1) * 32 * MS
    assert ran.sockets_max > 1


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_server_refuses_is_not_tried_again(status):
    with stub("--mode", f"status={status}") as port:
        _, ran = _run(_local(port), {**CLOSED, "concurrency": 1, "warmup_requests": 0})
        with urlopen(f"{_local(port)}/metrics") as answer:
            counted = answer.read().decode()
    assert _statuses(ran) == {"refused": 6}
    assert "stub:requests_total 6" in counted


def test_failures_stand_apart_and_keep_the_times_that_they_have(port):
    _, ran = _run(_local(port), CLOSED, stub_mode="cut")
    answers = [read(exchange, CASE) for exchange in _measured(ran)]
    assert {answer.status for answer in answers} == {"cut"}
    assert {len(answer.chunk_ns) for answer in answers} == {TOKENS // 2}


def test_fillers_are_cancelled_at_the_end_of_a_stage(port):
    _, ran = _run(_local(port), {**CLOSED, "requests": 4}, filler_tokens=1000)
    ends = Counter(exchange.outcome for exchange in ran.exchanges if exchange.planned.phase == "filler")
    assert ends.keys() == {"cancelled"}
    assert all(exchange.outcome == "ended" for exchange in ran.exchanges if exchange.planned.phase != "filler")


@contextmanager
def _pouring(head: bytes, secured: Callable[[socket.socket], socket.socket] = lambda line: line) -> Iterator[int]:
    """Port of a server whose one answer begins so and has no end for as long as it is read."""

    def pour() -> None:
        line, _ = server.accept()
        until = time.monotonic() + 5
        with suppress(OSError), secured(line) as answer:
            answer.recv(65536)
            answer.sendall(head)
            while time.monotonic() < until:
                answer.sendall(b"x" * 16384)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=pour)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_an_answer_that_grows_without_end_is_let_go_of(monkeypatch):
    """Its one chunk has no end, so nothing but its size tells."""
    monkeypatch.setattr(wire, "MOST_BYTES", 1 << 20)
    with _pouring(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (1 << 40)) as port:
        _, ran = _run(_local(port), ONE)
    (exchange,) = ran.exchanges
    assert exchange.outcome == "ended"
    answer = read(exchange, CASE)
    assert (answer.status, answer.error) == ("malformed", f"an answer of more than {1 << 20} bytes")


@pytest.fixture
def gathered(monkeypatch) -> list[bool]:
    """Whether the client waited to read together, an entry each time."""
    times: list[bool] = []
    slept = time.sleep

    def sleep(seconds: float) -> None:
        if seconds == GATHER_NS / NS_PER_S:
            times.append(True)
        slept(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    return times


@pytest.mark.parametrize(("concurrency", "is_gathered"), [(MANY - 1, False), (MANY + 8, True)])
def test_what_comes_close_together_is_read_together_where_much_comes(port, gathered, concurrency, is_gathered):
    load = {**CLOSED, "concurrency": concurrency, "requests": concurrency, "warmup_requests": 0}
    _, ran = _run(_local(port), load)
    assert _statuses(ran) == {"ok": concurrency}
    assert bool(gathered) == is_gathered


def test_a_request_that_has_not_left_yet_is_not_waited_with(gathered, monkeypatch):
    """The first answer comes while nobody reads the second request, which is too large for the system to take."""
    monkeypatch.setattr(client, "MANY", 1)
    before: list[int] = []

    def serve(server: socket.socket, size_bytes: int) -> None:
        (first, _), (second, _) = server.accept(), server.accept()
        with first, second:
            first.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(5):
                time.sleep(0.01)
                first.sendall(b"1\r\nx\r\n")
            before.append(len(gathered))
            while size_bytes:
                size_bytes -= len(second.recv(1 << 20))
            for line in (second, first):
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" if line is second else b"0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        target = target_of(_local(server.getsockname()[1]))
        requests = [request_bytes(target, "/", b"x" * size) for size in (1, 1 << 26)]
        thread = threading.Thread(target=serve, args=(server, len(requests[1])))
        thread.start()
        load = {**CLOSED, "concurrency": 2, "requests": 2, "warmup_requests": 0}
        with closing(Client(target)) as one:
            ran = one.run(stage_of(load, 2), requests)
        thread.join()
    assert [exchange.outcome for exchange in ran.exchanges] == ["ended", "ended"]
    assert before == [0]


def test_a_server_that_is_not_there_refuses():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    stage, ran = _run(_local(port), CLOSED)
    assert _statuses(ran) == {"refused": 6}
    assert {exchange.words for exchange in ran.exchanges} == {"Connection refused"}
    assert stage.ended_by == "requests"


def test_a_server_that_says_nothing_ends_the_stage():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        stage, ran = _run(_local(listener.getsockname()[1]), CLOSED, timeout_ms=50)
    assert (stage.ended_by, len(ran.exchanges)) == ("timeout", 3)


def test_a_request_that_takes_too_long_fails_alone(port):
    _, ran = _run(_local(port), {**CLOSED, "requests": 3}, timeout_ms=500, max_tokens=1000)
    assert _statuses(ran) == {"timeout": 3}
    assert all(read(exchange, CASE).chunk_ns for exchange in _measured(ran))


def test_the_machine_s_limit_on_connections_ends_the_stage(port):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    free = [number for number in range(soft) if number not in used]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[10], hard))
    try:
        stage, ran = _run(_local(port), {**CLOSED, "concurrency": 50, "warmup_requests": 0, "requests": 50})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert stage.ended_by == "limit"
    assert ran.exchanges[-1].words == "Too many open files"
    assert ran.sockets_max == len(ran.exchanges) - 1


def test_more_connections_are_open_than_any_pool_has(port):
    _, ran = _run(_local(port), {**CLOSED, "concurrency": 120, "warmup_requests": 0, "requests": 120})
    assert ran.sockets_max == 120
    assert _statuses(ran) == {"ok": 120}


def test_the_window_of_a_closed_loop_is_that_of_its_measured_requests(port):
    stage, ran = _run(_local(port), CLOSED)
    event, measured = stage_event(2, stage, ran), _measured(ran)
    assert event["window_start_ns"] == measured[0].start_ns
    assert event["window_end_ns"] == max(exchange.end_ns for exchange in measured)
    assert (event["case"], event["ended"]) == (2, "requests")
    assert 0 < event["client_cpu_seconds"] < (ran.end_ns - ran.start_ns) / 1e9


def test_the_window_of_an_open_loop_ends_a_mean_gap_after_its_last_arrival(port):
    stage, ran = _run(_local(port), OPEN)
    event, measured = stage_event(0, stage, ran), _measured(ran)
    assert event["window_start_ns"] == measured[0].planned.scheduled_ns
    assert event["window_end_ns"] == measured[-1].planned.scheduled_ns + 10 * MS <= event["end_ns"]


def test_lateness_is_told_in_both_loops(port):
    """Nothing is sent before its schedule, or before the request whose slot it takes has ended."""
    for load in (CLOSED, OPEN):
        _, ran = _run(_local(port), load)
        lags = send_lags_ns(ran)
        assert len(lags) == len(ran.exchanges)
        assert lags[0] >= 0
        assert lags[-1] > 0


@contextmanager
def _behind_tls(port: int, folder: Any) -> Iterator[int]:
    """A port at which whoever speaks TLS is led to the other port, a connection at a time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with (
                context.wrap_socket(plain, server_side=True) as client,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                client.sendall(b"")
                server.sendall(client.recv(65536))
                while content := server.recv(65536):
                    client.sendall(content)
                    if content.endswith(b"0\r\n\r\n"):
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


@pytest.fixture
def certificate(tmp_path, monkeypatch, lacking):
    """A folder with a certificate of 127.0.0.1 and its key, which this process trusts."""
    if shutil.which("openssl") is None:
        lacking("openssl is missing; install it from your distribution")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=stub -days 2"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    return tmp_path


def test_over_tls_the_text_is_stamped_when_it_has_been_read(port, certificate, gathered, monkeypatch):
    monkeypatch.setattr(client, "MANY", 1)
    with _behind_tls(port, certificate) as tls_port:
        load = {**CLOSED, "concurrency": 1, "warmup_requests": 0, "requests": 2}
        _, ran = _run(f"https://127.0.0.1:{tls_port}", load)
    assert _statuses(ran) == {"ok": 2}
    for exchange in _measured(ran):
        assert exchange.stamp == "user"
        assert all(at >= left for at, left in zip(read(exchange, CASE).chunk_ns, _sent_ns(exchange), strict=True))
    assert gathered == []


def test_an_answer_without_end_over_tls_takes_no_longer_than_a_request_may(certificate, monkeypatch):
    fed = wire.Response.feed
    # Slower than the server, so that there is always more to read.
    monkeypatch.setattr(wire.Response, "feed", lambda self, data: time.sleep(0.001) or fed(self, data))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with _pouring(b"HTTP/1.1 200 OK\r\n\r\n", lambda line: context.wrap_socket(line, server_side=True)) as port:
        _, ran = _run(f"https://127.0.0.1:{port}", ONE, timeout_ms=500)
    assert [exchange.outcome for exchange in ran.exchanges] == ["timeout"]


def test_a_certificate_that_is_not_trusted_fails_the_request(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

        def answer() -> None:
            plain, _ = listener.accept()
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(plain, server_side=True)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        _, ran = _run(f"https://127.0.0.1:{listener.getsockname()[1]}", ONE)
        thread.join(20)
    assert _statuses(ran) == {"refused": 1}
    assert "certificate" in (ran.exchanges[0].words or "").lower()
