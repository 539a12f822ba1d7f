"""A server's own clocks: read from its answers and its page of counters, and set beside what the client measured."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark_runner.load.clocks import Clocks, samples_of

MS = 1_000_000
PAGE = """\
# HELP served_total Requests
# TYPE served_total counter
served_total{engine="0",model="a b {c}\u2028\x0b\x85 7"} 3\r
served_total{engine="1"} 4.0 1700000000000
wait_seconds_sum 1.5e-1
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_count\t2
broken one two
nothing NaN
endless +Inf
{no_name="x"} 1
"""


def clocks(url: str = "http://127.0.0.1:9", **section: Any) -> Clocks:
    return Clocks({"base_url": url, "clocks": section})


def asked(
    first_ms: int, last_ms: int, status: str = "ok", timings: dict[str, float] | None = None, tokens: int = 3
) -> Any:
    """A request that was in the kernel at 10 ms, of three tokens at most."""
    chunks = [first_ms * MS, last_ms * MS] if first_ms else []
    answer = {"chunk_ns": chunks, "chunk_tokens": [1, tokens - 1][: len(chunks)], "status": status, "timings": timings}
    return SimpleNamespace(exchange=SimpleNamespace(written_ns=10 * MS), answer=SimpleNamespace(**answer))


def test_samples_are_added_up_over_labels_and_what_is_no_finite_number_is_none() -> None:
    assert samples_of(PAGE) == {
        "served_total": 7.0,
        "wait_seconds_sum": 0.15,
        "wait_seconds_bucket": 2.0,
        "wait_seconds_count": 2.0,
    }
    assert samples_of("") == {}


def test_what_grew_on_the_page_is_the_stages_and_stands_beside_the_clients_mean() -> None:
    own = clocks(path="/metrics", seconds={"ttft_ms": "first", "queue_ms": "wait"}, counts={"output_tokens": "made"})
    before = {"first_sum": 5.0, "first_count": 10, "wait_sum": 1.0, "wait_count": 10, "made": 100}
    after = {"first_sum": 5.1, "first_count": 12, "wait_sum": 1.06, "wait_count": 12, "made": 106}
    first, wait, made = own.told(before, after, [asked(60, 90), asked(80, 95, "cancelled"), asked(0, 0, "cut")])
    assert (first["name"], first["ours"], first["ours_count"], first["theirs_count"]) == ("ttft_ms", 60.0, 2, 2)
    assert math.isclose(first["theirs"], 50.0)
    assert (wait["name"], wait["ours"], wait["ours_count"]) == ("queue_ms", None, 0)
    assert math.isclose(wait["theirs"], 30.0)
    assert made == {"name": "output_tokens", "ours": 6.0, "theirs": 6.0, "ours_count": None, "theirs_count": None}


def test_what_the_page_lacks_or_did_not_count_is_not_told() -> None:
    own = clocks(path="/metrics", seconds={"ttft_ms": "first"}, counts={"cached_tokens": "hits"})
    still = {"first_sum": 5.0, "first_count": 10}
    assert own.told(still, still, [asked(60, 90)]) == []
    assert own.told(None, still, [asked(60, 90)]) == []


def test_a_mean_of_which_the_page_lacks_the_sum_is_not_told() -> None:
    own = clocks(path="/metrics", seconds={"ttft_ms": "first"})
    assert own.told({"first_count": 1}, {"first_count": 4}, [asked(60, 90)]) == []


def test_a_clock_in_the_answers_is_held_against_the_same_requests() -> None:
    own = clocks(answer={"ttft_ms": "prompt", "decode_ms": "rest"})
    cancelled = asked(500, 600, "cancelled")
    found = own.told(
        None,
        None,
        [
            asked(60, 90, timings={"prompt": 48, "rest": 29.5}),
            asked(30, 40, timings={"prompt": 12, "rest": 9.5}),
            cancelled,
        ],
    )
    assert [(one["name"], one["ours"], one["theirs"], one["ours_count"]) for one in found] == [
        ("ttft_ms", 35.0, 30.0, 2),
        ("decode_ms", 20.0, 19.5, 2),
    ]
    assert own.counters() is None


def test_a_page_that_cannot_be_read_is_said_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert clocks(path="/metrics").counters() is None
    assert "counters cannot be read: Connection refused\n" in capsys.readouterr().err


@contextmanager
def page(head: bytes, drips: bool = False) -> Iterator[str]:
    """Address of a server that says this to whoever comes, and then a byte now and then."""
    done = threading.Event()

    def serve(server: socket.socket) -> None:
        line, _ = server.accept()
        with line:
            line.recv(65536)
            line.sendall(head)
            while drips and not done.wait(0.02):
                with suppress(ConnectionError):
                    line.sendall(b"#")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def test_a_page_is_read_to_its_end() -> None:
    with page(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmade 6\n") as url:
        assert clocks(url, path="/metrics").counters() == {"made": 6.0}


@pytest.mark.parametrize(
    ("head", "drips", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nmade 6\n", True, "it has not ended within 0.3 s"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 6\r\n\r\nmade 6",
            False,
            "HTTP 302, which leads to http://127.0.0.1:1/: made 6",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\nmade 6\n", False, "the connection ended within it"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\nmade 6", False, "HTTP 404: made 6"),
        (b"", False, "the connection ended within it"),
        (b"made 6\n", False, "no answer in HTTP/1.1"),
    ],
    ids=["never ends", "leads elsewhere", "is cut", "is not there", "says nothing", "is no HTTP"],
)
def test_what_was_measured_waits_for_no_page_that_is_none(
    head: bytes, drips: bool, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmark_runner.load.clocks.TIMEOUT_SECONDS", 0.3)
    with page(head, drips) as url:
        assert clocks(url, path="/metrics").counters() is None
    assert f"counters cannot be read: {why}\n" in capsys.readouterr().err
