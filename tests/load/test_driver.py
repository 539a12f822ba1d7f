"""The driver as a launch starts it, before the stub: its events are held against the protocol by their own reader."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark_runner.load.answers import answer_ids
from benchmark_runner.load.schedule import with_arrivals
from benchmark_runner.protocol.events import EventReport, Window, read_events
from benchmark_runner.protocol.spec import make_spec, under_load
from stub_server import SCRIPTS, stub

TOKENS = 4
PROMPT = [7, 8, 9]
CASE = {
    "prompt_ids": PROMPT,
    "max_new_tokens": TOKENS,
    "ignore_eos": True,
    "eos_ids": [2],
    "sampling": {"temperature": 0, "top_p": 1, "seed": 3},
}
CLOSED = {
    "mode": "closed",
    "concurrency": 2,
    "requests": 4,
    "duration_seconds": None,
    "warmup_requests": 2,
    "timeout_seconds": 20,
}
OPEN = {
    "mode": "open",
    "requests_per_second": 50,
    "arrivals": "gamma",
    "burstiness": 0.5,
    "seed": 0,
    "requests": None,
    "duration_seconds": 0.2,
    "warmup_requests": 1,
    "timeout_seconds": 20,
}
SERVER: dict[str, Any] = {
    "path": "/v1/completions",
    "model": "stub",
    "body": {"return_token_ids": True},
    "ids": {"in": True, "stream": "token_ids", "whole": None},
    "ready_timeout_seconds": 20,
    "engine": "stub",
    "version": "1",
    "build": {},
    "capabilities": {
        "devices": ["cpu"],
        "dtypes": ["f32"],
        "sampling": ["greedy"],
        "seed": True,
        "load_modes": ["closed", "open"],
        "max_concurrency": 1000,
        "ignore_eos": True,
    },
    "load": {
        "weights_dtype": "f32",
        "compute_dtype": "f32",
        "kv_cache_dtype": "f32",
        "device": "cpu",
        "threads": 1,
    },
    "api_key_env": None,
}


class Driven(NamedTuple):
    status: int
    report: EventReport
    text: str
    stderr: str


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with stub("--ttft-ms", "5", "--gap-ms", "1") as port:
        yield port


def _spec(**changed: Any) -> dict[str, Any]:
    fields = {"model_dir": Path("/nowhere"), "weights": "none", "dtype": "f32", "device": "cpu", "threads": 1}
    cases = changed.pop("cases", [CASE])
    return make_spec(cases, max_seq_len=32, options={}, **fields, warmup_iterations=1, iterations=2) | changed


def _under_load(*loads: dict[str, Any]) -> dict[str, Any]:
    cases = [
        {**CASE, "load": with_arrivals(load, 100), "prompts": [[7, 100 * place + number, 9] for number in range(100)]}
        for place, load in enumerate(loads)
    ]
    return under_load(_spec(cases=cases), list(range(len(loads)))[::-1])


def _drive(port: int, folder: Path, spec: Any, environment: dict[str, str] | None = None, **server: Any) -> Driven:
    start_ns = time.monotonic_ns()
    told = {**SERVER, "base_url": f"http://127.0.0.1:{port}", "started_ns": start_ns, **server}
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "server.json").write_text(json.dumps(told))
    names = ("spec.json", "events.jsonl", "server.json")
    options = [f"--{name.partition('.')[0]}={folder / name}" for name in names]
    command = [sys.executable, "-m", "benchmark_runner.load.driver", *options]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == ""
    report = read_events(folder / "events.jsonl", spec, Window(start_ns, time.monotonic_ns()))
    return Driven(done.returncode, report, (folder / "events.jsonl").read_text(), done.stderr)


def test_a_spec_of_single_requests_is_answered_with_iterations(port, tmp_path):
    driven = _drive(port, tmp_path, _spec())
    assert (driven.status, driven.report.problem, driven.report.done) == (0, None, True)
    rounds = [(event["warmup"], event["index"]) for event in driven.report.iterations]
    assert rounds == [(True, 0), (False, 0), (False, 1)]
    assert {tuple(event["token_ids"]) for event in driven.report.iterations} == {tuple(answer_ids(PROMPT, TOKENS))}
    for event in driven.report.iterations:
        assert event["token_ns"][0] - event["start_ns"] >= 5_000_000


def test_a_spec_of_levels_is_answered_with_their_requests_and_stages(port, tmp_path):
    spec = _under_load(CLOSED, OPEN)
    driven = _drive(port, tmp_path, spec)
    assert (driven.status, driven.report.problem, driven.report.done) == (0, None, True)
    assert [stage["case"] for stage in driven.report.stages] == [1, 0]
    for request in driven.report.requests:
        prompt = spec["cases"][request["case"]]["prompts"][request["number"]]
        if request["phase"] == "measured":
            assert request["status"] == "ok"
            assert request["token_ids"] == answer_ids(prompt, TOKENS)
            assert (request["prompt_tokens"], request["cached_tokens"]) == (3, 0)


def test_after_each_level_the_server_is_asked_alone_so_that_nothing_of_it_is_left_for_the_next(tmp_path):
    with stub("--ttft-ms", "1", "--gap-ms", "1") as port:
        driven = _drive(port, tmp_path, _under_load(CLOSED, CLOSED))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            told = dict(line.split() for line in answer.read().decode().splitlines())
    ready = 1
    assert int(told["stub:requests_total"]) == ready + len(driven.report.requests) + len(driven.report.stages)


def test_each_request_asks_for_the_tokens_that_are_its_own(port, tmp_path):
    spec = _under_load(CLOSED)
    spec["cases"][0]["max_new_tokens_each"] = [1 + number % TOKENS for number in range(100)]
    driven = _drive(port, tmp_path, spec)
    assert (driven.status, driven.report.problem) == (0, None)
    for request in driven.report.requests:
        if request["status"] == "ok":
            assert len(request["token_ids"]) == 1 + request["number"] % TOKENS


def test_turns_of_a_conversation_follow_each_other_and_find_what_came_before_in_a_cache(tmp_path):
    talk = {**CLOSED, "turns": 3, "think_seconds": 0.01, "requests": 6, "warmup_requests": 6}
    spec = _under_load(talk)
    (case,) = spec["cases"]
    case["prompts"] = [[7, place // 3, *range(10 * (place % 3) + 1)] for place in range(60)]
    with stub("--ttft-ms", "5", "--gap-ms", "1", "--mode", "cache") as port:
        driven = _drive(port, tmp_path, spec)
    assert (driven.status, driven.report.problem, driven.report.done) == (0, None, True)
    by_prompt = {request["prompt"]: request for request in driven.report.requests}
    measured = [request for request in driven.report.requests if request["phase"] == "measured"]
    assert {request["prompt"] % 3 for request in measured} == {0, 1, 2}
    for request in measured:
        place = request["prompt"]
        assert request["prompt_tokens"] == len(case["prompts"][place])
        if before := by_prompt.get(place - 1) if place % 3 else None:
            assert request["scheduled_ns"] >= before["end_ns"] + 10_000_000
            assert request["cached_tokens"] == len(case["prompts"][place - 1])
        else:
            assert request["cached_tokens"] == 0
    assert 0 <= driven.report.stages[0]["send_lag_p50_ns"] < 10_000_000  # without the pauses


def test_requests_that_fail_under_load_fail_no_launch(tmp_path):
    with stub("--mode", "error", "--every", "2") as port:
        driven = _drive(port, tmp_path, _under_load(CLOSED))
    assert (driven.status, driven.report.problem, driven.report.done) == (0, None, True)
    measured = [request for request in driven.report.requests if request["phase"] == "measured"]
    said = {("ok", None, TOKENS), ("error", "the stub fails here", TOKENS // 2)}
    assert {(request["status"], request["error"], len(request["chunk_ns"])) for request in measured} == said


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("cache", {"status": "ok", "cached_tokens": 0}),  # no prompt comes twice
        ("cached=2", {"status": "ok", "cached_tokens": 2}),
        ("empty", {"status": "ok", "chunk_tokens": [1, 1, 1, 1]}),
        ("withheld", {"status": "ok", "chunk_tokens": [1, 3]}),
        ("fewer", {"status": "malformed", "error": "usage says 4 tokens, but 2 ids came"}),
        ("usage=1", {"status": "ok", "completion_tokens": 4}),
        ("usage=1,no_ids", {"status": "ok", "completion_tokens": 4, "token_ids": None}),
        ("held", {"status": "malformed"}),
        ("eos", {"status": "malformed", "error": "it ended (eos) after 2 of 4 tokens, and was to ignore the end"}),
    ],
)
def test_what_a_server_does_to_look_better_stands_in_each_request(mode, told, port, tmp_path):
    driven = _drive(port, tmp_path, _under_load(CLOSED), body={"stub_mode": mode})
    assert (driven.report.problem, driven.report.done) == (None, True)
    for request in driven.report.requests:
        if request["phase"] == "measured":
            assert {name: request[name] for name in told} == told
            assert all(at - request["start_ns"] >= 5_000_000 for at in request["chunk_ns"])


@pytest.mark.parametrize("spec", [_spec(), _under_load(CLOSED)])
def test_answers_of_another_model_than_was_asked_name_it(spec, port, tmp_path):
    asked = {"stub": "made/Another-1B", "/models/another-1b/": None, "Another-1B@main": None}
    for name, told in asked.items():
        (tmp_path / "events.jsonl").unlink(missing_ok=True)
        driven = _drive(port, tmp_path, spec, body=SERVER["body"] | {"stub_mode": "model"}, model=name)
        assert (driven.report.problem, driven.report.done) == (None, True)
        answers = [
            one for one in (*driven.report.iterations, *driven.report.requests) if one.get("status") != "cancelled"
        ]
        assert {one.get("model") for one in answers} == {told}


def test_the_servers_own_clock_stands_beside_the_clients_in_each_stage(tmp_path):
    seconds = {"ttft_ms": "stub:first_token_seconds", "queue_ms": "stub:queue_seconds"}
    counts = {"output_tokens": "stub:generation_tokens_total", "cached_tokens": "stub:prefix_cache_hits_total"}
    own = {"path": "/metrics", "answer": {"ttft_ms": "prompt_ms"}, "seconds": seconds, "counts": counts}
    with stub("--ttft-ms", "20", "--gap-ms", "1", "--servers", "1", "--mode", "timings") as port:
        driven = _drive(port, tmp_path, _under_load({**CLOSED, "concurrency": 1}, CLOSED), clocks=own)
    assert (driven.report.problem, driven.report.done) == (None, True)
    two, one = ({row["name"]: row for row in stage["own_clock"][1:]} for stage in driven.report.stages)
    # The stub's answers tell of the prompt alone, its page of the wait in line before it too.
    assert [stage["own_clock"][0]["theirs"] for stage in driven.report.stages] == [20.0, 20.0]
    assert one["queue_ms"]["theirs"] < two["queue_ms"]["theirs"]
    assert one["ttft_ms"]["ours"] >= one["ttft_ms"]["theirs"] >= 20.0
    assert (one["ttft_ms"]["ours_count"], one["output_tokens"]["ours"]) == (6, 24)
    assert (one["cached_tokens"]["ours"], one["cached_tokens"]["theirs"]) == (None, 0)
    assert one["ttft_ms"]["theirs_count"] == sum(request["case"] == 0 for request in driven.report.requests)


@pytest.mark.parametrize(("mode", "ids"), [("eos", True), ("eos,no_ids", False)])
def test_the_step_that_ends_a_sequence_counts_as_in_an_engine_of_ours(mode, ids, port, tmp_path):
    spec = _under_load(CLOSED)
    spec["cases"][0] |= {"ignore_eos": False}
    driven = _drive(port, tmp_path, spec, body={"stub_mode": mode})
    assert (driven.report.problem, driven.report.done) == (None, True)
    for request in driven.report.requests:
        if request["phase"] == "measured":
            assert (request["status"], request["finish"], request["chunk_tokens"]) == ("ok", "eos", [1, 1, 1])
            assert request["completion_tokens"] == 3
            assert request["chunk_ns"][2] == request["end_ns"]
            assert request["token_ids"] == ([*answer_ids(prompt_of(spec, request), 2), 2] if ids else None)


def prompt_of(spec: dict[str, Any], request: Any) -> list[int]:
    found: list[int] = spec["cases"][request["case"]]["prompts"][request["number"]]
    return found


def test_a_single_request_that_fails_fails_the_launch(tmp_path):
    with stub("--mode", "cut", "--every", "2") as port:
        driven = _drive(port, tmp_path, _spec())
    assert (driven.status, driven.report.done) == (1, False)
    assert "iteration 0 of case 0: the server's answer: cut" in driven.report.error["message"]


def test_ids_that_no_answer_tells_are_missed_by_name(port, tmp_path):
    driven = _drive(port, tmp_path, _spec(), body={"stub_mode": "no_ids"})
    assert driven.status == 1
    assert "ids.whole" in driven.report.error["message"]


def test_a_server_that_loads_is_waited_for(tmp_path):
    load_ms, before_ns = 1500, time.monotonic_ns()  # longer than the client takes to start
    with stub(f"--load-ms={load_ms}", "--ttft-ms", "5") as port:
        driven = _drive(port, tmp_path, _spec())
    assert driven.status == 0
    assert driven.report.load["end_ns"] - before_ns >= load_ms * 1_000_000


@pytest.mark.parametrize("mode", ["status=503", None])
def test_a_server_that_is_never_ready_is_told_with_what_it_said_last(mode, tmp_path):
    if mode is None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        driven = _drive(port, tmp_path, _spec(), ready_timeout_seconds=0.3)
    else:
        with stub("--mode", mode) as port:
            driven = _drive(port, tmp_path, _spec(), ready_timeout_seconds=0.3)
    said = "refused, Connection refused" if mode is None else "refused, HTTP 503: the stub was told to refuse"
    assert driven.status == 1
    assert driven.report.error["message"] == f"no token within 0.3 s; the server's last answer: {said}"


def test_a_server_that_will_never_answer_is_not_waited_for(port, tmp_path):
    driven = _drive(port, tmp_path, _spec(), path="/nowhere")
    assert driven.status == 1
    assert "HTTP 404" in driven.report.error["message"]


@pytest.mark.parametrize(
    ("changed", "server", "said"),
    [
        ({"dtype": "f16"}, {}, "dtype f16"),
        ({"device": "cuda:0"}, {}, "device cuda:0"),
        ({"options": {"turbo": 1}}, {}, "options turbo"),
        ({"options": {"prefix_cache": True}}, {}, "options prefix_cache"),
        ({"options": {"prefix_cache": "yes"}}, {"options": ["prefix_cache"]}, "prefix_cache 'yes'"),
        ({"load": {"mode": "closed", "concurrency": 1001}}, {}, "load.concurrency 1001"),
        ({"load": {"mode": "bursts", "concurrency": 1}}, {}, "load.mode bursts"),
        ({"logits_path": "/tmp/logits"}, {}, "logits_path"),
        ({"cases": [{**CASE, "forced_ids": [1] * TOKENS}]}, {}, "forced_ids"),
        ({"cases": [{**CASE, "sampling": {"temperature": 1, "top_p": 1, "seed": 0}}]}, {}, "sampling temperature"),
    ],
)
def test_what_a_server_cannot_do_is_refused_before_it_is_asked(changed, server, said, port, tmp_path):
    driven = _drive(port, tmp_path, _spec(**changed), **server)
    assert (driven.status, driven.report.error["kind"]) == (3, "unsupported")
    assert said in driven.report.error["message"]
    assert driven.report.load is None


@pytest.mark.parametrize(
    ("can", "said"),
    [({"load_modes": ["closed"]}, "load.mode open"), ({"max_concurrency": 1}, "load.concurrency ")],
)
def test_a_level_that_a_server_cannot_serve_is_refused_by_name(can, said, port, tmp_path):
    spec, able = _under_load(CLOSED, OPEN), {**SERVER["capabilities"], **can}
    driven = _drive(port, tmp_path, spec, capabilities=able)
    assert (driven.status, driven.report.error["kind"]) == (3, "unsupported")
    assert said in driven.report.error["message"]
    assert driven.report.requests == []


@pytest.mark.parametrize("changed", [{"protocol": 3}, {"unknown": 1}, {"cases": []}])
def test_a_spec_that_is_none_is_refused(changed, port, tmp_path):
    driven = _drive(port, tmp_path, _spec() | changed)
    assert driven.status == 2
    assert '"kind":"bad_spec"' in driven.text


def test_a_key_is_sent_and_told_to_nobody(tmp_path):
    """A server that answers with what it was sent, as some do in their errors."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen([sys.executable, "-c", ECHO], stdin=listener.fileno(), stdout=subprocess.PIPE) as echo,
    ):
        port = listener.getsockname()[1]
        secret = {"STUB_KEY": "sk-very-secret"}
        driven = _drive(port, tmp_path, _spec(), environment=secret, api_key_env="STUB_KEY")
        echo.kill()
    assert "Bearer ***" in driven.report.error["message"]
    assert "sk-very-secret" not in driven.text + driven.stderr


ECHO = """
import socket
listener = socket.socket(fileno=0)
while True:
    client, _ = listener.accept()
    sent = client.recv(65536)
    said = next(line for line in sent.split(b"\\r\\n") if line.startswith(b"Authorization"))
    client.sendall(b"HTTP/1.1 401 No\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(said) + said)
    client.close()
"""


def test_a_key_that_is_not_set_is_asked_for(port, tmp_path):
    driven = _drive(port, tmp_path, _spec(), api_key_env="STUB_KEY_OF_NOBODY")
    assert driven.status == 3
    assert "STUB_KEY_OF_NOBODY" in driven.report.error["message"]
