"""The stub is what a client's error is measured against: its delays, its queue and its ids must be known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.answers import answer_ids, modes_of
from benchmark_runner.load.chunks import answer_of
from benchmark_runner.load.wire import read_response
from benchmark_runner.processes.procfs import read_process
from stub_server import PROMPT, SCRIPTS, ask, receive, send, stub

MS = 1_000_000


def got(port: int, path: str) -> str:
    with send(port, path) as connection:
        pieces, closed = receive(connection)
    return read_response(pieces, closed=closed).body.decode()


def test_tokens_leave_on_an_absolute_schedule_and_say_when():
    with stub("--ttft-ms", "20", "--gap-ms", "2", "--stamps") as port:
        before_ns = time.monotonic_ns()
        pieces, closed = ask(port, max_tokens=20)
        after_ns = time.monotonic_ns()
    events = [json.loads(event.payload) for event in read_response(pieces, closed=closed).events[:20]]
    for number, event in enumerate(events):
        assert before_ns + (20 + 2 * number) * MS <= event["sent_ns"] <= after_ns
        assert event["choices"][0]["token_ids"] == answer_ids(PROMPT, 20)[number : number + 1]


def test_an_answer_is_a_function_of_the_prompt_that_goes_on_where_it_ended():
    ids = answer_ids([4, 2], 30)
    assert answer_ids([4, 2, *ids[:10]], 20) == ids[10:]
    assert answer_ids([4, 3], 30) != ids
    assert all(3 <= token < 256 for token in ids)


def test_requests_wait_in_line_while_as_many_are_served_as_there_are_servers():
    with stub("--ttft-ms", "30", "--gap-ms", "0", "--servers", "1") as port:
        start_ns = time.monotonic_ns()
        connections = [send(port, "/v1/completions", {"prompt": [n], "max_tokens": 1}) for n in range(1, 5)]
        given_up = connections.pop(1)
        given_up.close()
        for place, connection in enumerate(connections, start=1):
            pieces, _ = receive(connection)
            connection.close()
            assert pieces[-1].stamp_ns - start_ns >= place * 30 * MS
        assert "stub:generation_tokens_total 3\n" in got(port, "/metrics")


def test_a_client_that_leaves_frees_its_server():
    with stub("--ttft-ms", "3600000", "--servers", "1") as port:
        for _ in range(3):
            send(port, "/v1/completions", {"prompt": [1], "max_tokens": 1}).close()
        pieces, closed = ask(port, stub_mode="status=503")
        assert answer_of(pieces, max_tokens=8, closed=closed).status == "refused"


def test_health_is_told_before_the_model_is_loaded_and_requests_wait_for_it():
    start_ns = time.monotonic_ns()
    with stub("--ttft-ms", "0", "--gap-ms", "0", "--load-ms", "1000") as port:
        assert json.loads(got(port, "/health")) == {"status": "ok"}
        pieces, _ = ask(port, max_tokens=1)
        assert pieces[-1].stamp_ns >= start_ns + 1000 * MS


def test_every_nth_request_has_the_fault_of_all():
    with stub("--ttft-ms", "0", "--gap-ms", "0", "--mode", "status=503", "--every", "3") as port:
        asked = [answer_of(ask(port)[0], max_tokens=8, closed=False).status for _ in range(6)]
    assert asked == ["ok", "ok", "refused", "ok", "ok", "refused"]


def test_several_requests_go_over_one_connection():
    with stub("--ttft-ms", "0", "--gap-ms", "0") as port, send(port, "/health") as connection:
        receive(connection)
        connection.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        pieces, closed = receive(connection)
        assert "stub" in read_response(pieces, closed=closed).body.decode()


@pytest.mark.parametrize("body", [{"prompt": []}, {"prompt": [-1]}, {"max_tokens": 0}, {"stub_mode": "boredom"}])
def test_a_request_that_is_none_is_refused(body):
    with stub() as port:
        assert answer_of(ask(port, **body)[0], max_tokens=8, closed=False).error.startswith("HTTP 400: ")


@pytest.mark.parametrize("mode", ["cut=3", "cached", "cached=many", "boredom"])
def test_a_mode_that_is_none_is_refused_by_name(mode):
    with pytest.raises(BenchmarkError, match=f"mode {mode} of the stub is none"):
        modes_of(mode)


def test_it_ends_with_its_parent():
    program = """
import subprocess, sys
process = subprocess.Popen([sys.executable, "-m", "benchmark_runner.load.stub"], stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid)
"""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    said = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, check=True)
    deadline = time.monotonic() + 20
    while (process := read_process(int(said.stdout))) and process.state != "Z":  # nobody may reap it
        assert time.monotonic() < deadline
        time.sleep(0.1)
