"""A pass over a server that already runs: what its record holds, how trouble is told, and that no key is written."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from benchmark_runner.campaign.engines import campaign_engines
from benchmark_runner.launch.answering import says, unreachable
from benchmark_runner.launch.running import HELD_BEFORE, of_pass, own_process
from benchmark_runner.load.connection import without_key
from benchmark_runner.schemas import require_valid
from launch_case import LaunchCase
from stub_server import stub
from tiny_model import make_tiny_model

KEY = 'sk-"quoted"-3f9a'
VARIABLE = "TEST_SERVER_KEY"
LOAD = {
    "mode": "closed",
    "concurrency": 2,
    "requests": 4,
    "duration_seconds": None,
    "warmup_requests": 2,
    "timeout_seconds": 20,
}


def running(base_url: str, **asked: Any) -> dict[str, Any]:
    """The plan's entry of a server that runs at a base URL."""
    given = {
        "path": "/v1/completions",
        "body": {},
        "past_eos": "goes_on",
        "api_key_env": None,
        "model": "stub",
        **asked,
    }
    entry = {"name": "fake", "dtype": "f32", "options": {}, "openai_server": {"base_url": base_url, **given}}
    (engine,) = campaign_engines({"engines": [entry], "system": {"device": "cpu"}}, Path("/nowhere"))
    return engine.describe()


class PassCase(LaunchCase):
    """A LaunchCase whose engine already runs, under load."""

    def __init__(self, folder: Path, base_url: str, **asked: Any) -> None:
        super().__init__(folder)
        make_tiny_model(folder / "tiny")
        (folder / "tiny" / "tokenizer.json").rename(folder / "model" / "tokenizer.json")
        self.plan |= {"engines": [running(base_url, **asked)], "campaign": {"seed": 3}}
        for case in self.plan["workloads"][0]["cases"]:
            case["load"] = LOAD
        cases = [{"case": case, "prompt_ids": list(range(5, 25))} for case in ("case_1", "case_2")]
        for name, content in (("plan", self.plan), ("prompts", {"eos_ids": [2], "workloads": {"quick": cases}})):
            (folder / f"{name}.json").write_text(json.dumps(content))


class Guarded(BaseHTTPRequestHandler):
    """Answers who has the key with one token, and repeats the key to others and in each error."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        given = self.headers.get("Authorization", "")
        if given != f"Bearer {KEY}":
            self._send(401, {"error": {"message": f"not {given} but {KEY}"}})
        elif self.path.startswith("/gone"):
            self._send(404, {"error": {"message": f"no such model for {KEY}"}})
        else:
            tired = self.server.tired  # type: ignore[attr-defined]
            self._send(500 if tired else 200, {"error": {"message": f"{KEY} is tired"}} if tired else whole())

    def do_GET(self) -> None:
        listed = [{"id": KEY, "owned_by": "me"}, *self.server.listed]  # type: ignore[attr-defined]
        self._send(200, {"data": listed, "version": self.server.version})  # type: ignore[attr-defined]

    def _send(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """The header Server."""
        return f"opens for {KEY}"

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


def whole() -> dict[str, Any]:
    return {"choices": [{"text": " yes", "finish_reason": "length"}], "usage": {"completion_tokens": 4}}


@contextmanager
def guarded() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    server.tired, server.version, server.listed = False, "1", []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_a_pass_over_a_server_of_text_is_recorded_without_a_start(tmp_path):
    with stub("--ttft-ms", "10", "--gap-ms", "2", "--mode", "no_ids") as port:
        case = PassCase(tmp_path, f"http://127.0.0.1:{port}/v1")
        assert case.run().returncode == 0
    record = case.record()
    require_valid("record", record, "record.json")
    assert (record["status"], record["reason"]) == ("ok", None)
    assert {one["status"] for one in record["requests"] if one["phase"] == "measured"} == {"ok"}
    assert {one["token_ids"] for one in record["requests"]} == {None}
    assert {one["completion_tokens"] for one in record["requests"] if one["phase"] == "measured"} == {4}
    assert record["server"]["restarted"] is False
    assert record["server"]["says"]["models"] == ["stub"]
    assert f"port {port}" in record["server"]["process"]
    monitor = record["monitor"]
    assert monitor["engine_peak_rss_bytes"] > 1_000_000
    assert "load_ms" in monitor["absent"]
    assert record["engine_usage"] is None
    assert record["client"]["exit"] == {"code": 0, "signal": None}
    assert "stdout_not_empty" not in {one["kind"] for one in record["warnings"]}


def test_gpu_memory_that_a_server_held_before_the_pass_is_not_told_as_none():
    summary = {
        "absent": {},
        "duration_ms": 1000.0,
        "measured": {"gpu_energy_joules": 250.0},
        "gpu": {"memory_peak_bytes": 0, "energy_joules": 280.0},
    }
    told = of_pass(summary, (0.5, 1_000_000))
    assert told["gpu"] == {"memory_peak_bytes": None, "energy_joules": 280.0}
    assert told["absent"]["gpu.memory_peak_bytes"] == HELD_BEFORE
    assert told["measured"] == {"gpu_energy_joules": 250.0}
    assert summary["gpu"]["memory_peak_bytes"] == 0
    assert of_pass(summary, None)["gpu"] is None


@pytest.mark.parametrize(("options", "is_told"), [({}, True), ({"prefix_cache": True}, False)])
def test_a_cache_that_is_meant_to_be_on_is_no_warning(tmp_path, options, is_told):
    with stub("--ttft-ms", "5", "--gap-ms", "1", "--mode", "cached=3") as port:
        case = PassCase(tmp_path, f"http://127.0.0.1:{port}", ids={"in": True, "stream": "token_ids"})
        case.plan["engines"][0]["options"] = options
        (tmp_path / "plan.json").write_text(json.dumps(case.plan))
        assert case.run().returncode == 0
    record = case.record()
    assert {one["cached_tokens"] for one in record["requests"] if one["phase"] == "measured"} == {3}
    assert ("prefix_cached" in {one["kind"] for one in record["warnings"]}) is is_told


def test_a_server_that_answers_as_another_model_than_was_asked_is_told(tmp_path):
    with stub("--ttft-ms", "5", "--gap-ms", "1", "--mode", "model") as port:
        case = PassCase(tmp_path, f"http://127.0.0.1:{port}", ids={"in": True, "stream": "token_ids"})
        assert case.run().returncode == 0
    record = case.record()
    require_valid("record", record, "record.json")
    (told,) = (one["message"] for one in record["warnings"] if one["kind"] == "other_model")
    assert "another model than was asked for (stub): made/Another-1B (" in told


def test_ids_go_in_and_come_out_where_the_configuration_says_so(tmp_path):
    with stub("--ttft-ms", "5", "--gap-ms", "1") as port:
        case = PassCase(tmp_path, f"http://127.0.0.1:{port}", ids={"in": True, "stream": "token_ids"})
        assert case.run().returncode == 0
    measured = [one for one in case.record()["requests"] if one["phase"] == "measured"]
    assert {(one["prompt_tokens"], len(one["token_ids"])) for one in measured} == {(20, 4)}


def test_the_key_is_in_nothing_that_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    with guarded() as server:
        case = PassCase(tmp_path, url_of(server), api_key_env=VARIABLE)
        assert case.run(1).returncode == 0
        assert case.record(1)["status"] == "ok"
        server.version = "2"  # type: ignore[attr-defined]
        said = [case.run(2)]
        assert "server_changed" in {one["kind"] for one in case.record(2)["warnings"]}
        server.tired = True  # type: ignore[attr-defined]
        (case.out_dir / "record.json").unlink()
        said.append(case.run(1))
        assert "is tired" in case.record(1)["reason"]
    kept = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    for written in (kept, *(words for one in said for words in (one.stdout, one.stderr))):
        assert KEY not in written
        assert json.dumps(KEY)[1:-1] not in written


@pytest.mark.parametrize(
    "write",
    [
        str,
        str.upper,
        json.dumps,
        lambda key: json.dumps(json.dumps(key)),
        lambda key: json.dumps(key).replace("/", "\\/"),
        quote,
        quote_plus,
        lambda key: quote(quote(key, safe="")).lower(),
        html.escape,
        lambda key: "".join(f"&#x{ord(sign):X};" for sign in key),
        lambda key: "".join(f"\\u{ord(sign):04X}" for sign in key),
    ],
)
def test_a_key_is_known_in_each_way_to_write_it(write):
    key = 'sk-"Quoted"/+\\&=~3f'
    told = without_key(f"no such key: {write(key)} (401)", key)
    assert told.replace('"', "").replace("\\", "") == "no such key: *** (401)"
    assert without_key("sk-other", key) == "sk-other"


@pytest.mark.parametrize(
    "encode",
    [
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda text: json.dumps(base64.b64encode(text).decode()).replace("/", "\\/").encode(),
        lambda text: quote(base64.b64encode(text), safe="").encode(),
        lambda text: text.hex().encode(),
        lambda text: text.hex(":").upper().encode(),
        lambda text: " ".join(map(hex, text)).encode(),
        lambda text: "".join(f"\\x{sign:02x}" for sign in text).encode(),
    ],
)
def test_a_key_within_a_text_in_base64_or_hexadecimal_is_known(encode):
    key = "sk-live~~~???>>>0123456789"
    for before, after in product(("", "Bearer ", "u:", "user:"), ("", "\n", ":pass", "\r\nAccept: */*")):
        told = without_key(f"bad header {encode(f'{before}{key}{after}'.encode()).decode()} (401)", key)
        assert "***" in told
        around = len(encode(before.encode())) + len(encode(after.encode()))
        assert len(told) <= len("bad header *** (401)") + around + 4


def test_a_key_is_sought_in_backslashes_without_end():
    told = "\\" * 50_000
    assert without_key(told, "sk-0123456789") == told


def test_what_a_short_key_would_be_in_hexadecimal_stands_in_any_text():
    assert without_key("6b6579 a2V5 key", "key") == "6b6579 a2V5 ***"


@pytest.mark.parametrize(
    ("key", "path", "told"),
    [
        (None, "/v1/completions", "holds no key; export it"),
        ("two words", "/v1/completions", "holds what no key is"),
        ("wrong", "/v1/completions", "HTTP 401: not Bearer"),
        (KEY, "/gone", "HTTP 404: no such model"),
    ],
)
def test_each_way_to_be_refused_is_one_line_with_a_remedy(key, path, told, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    if key is not None:
        monkeypatch.setenv(VARIABLE, key)
    with guarded() as server:
        reason, remedy = unreachable(running(url_of(server), api_key_env=VARIABLE, path=path)) or ("", "")
    assert told in reason
    assert "\n" not in reason + remedy
    assert key is None or key not in reason
    assert remedy


def test_a_server_that_is_not_there_is_told_before_anything_starts(tmp_path):
    with stub() as port:
        pass
    case = PassCase(tmp_path, f"http://127.0.0.1:{port}")
    assert case.run().returncode == 0
    record = case.record()
    assert (record["status"], record["engine_window"]) == ("unavailable", None)
    assert f"127.0.0.1:{port}/v1/completions does not answer: Connection refused" in record["reason"]


def test_who_sends_no_key_is_told_that_one_is_asked_for():
    with guarded() as server:
        reason, _ = unreachable(running(url_of(server))) or ("", "")
    assert "no key was sent" in reason


def test_a_server_s_process_is_found_by_its_port_on_this_host_alone():
    with stub() as port:
        found = own_process(running(f"http://127.0.0.1:{port}"))
        assert found is not None
        seconds, peak_bytes = found.usage() or (-1.0, 0)
        assert seconds >= 0
        assert peak_bytes > 1_000_000
        assert says(running(f"http://localhost:{port}"))["models"] == ["stub"]
    assert found.usage() is None
    assert own_process(running(f"http://127.0.0.1:{port}")) is None
    assert own_process(running(f"http://192.0.2.7:{port}")) is None


@pytest.mark.parametrize("told", [float("nan"), 10**30, ["a"] * 3, {"deep": [[[]]]}, True])
def test_what_a_server_says_of_itself_that_no_record_can_hold_is_left_out(tmp_path, monkeypatch, told):
    monkeypatch.setenv(VARIABLE, KEY)
    with guarded() as server:
        server.listed = [{"id": "odd", "max_model_len": told, "root": "r" * 1000}]  # type: ignore[attr-defined]
        server.version = told  # type: ignore[attr-defined]
        case = PassCase(tmp_path, url_of(server), api_key_env=VARIABLE, model="odd")
        assert case.run().returncode == 0
    record = case.record()
    require_valid("record", record, "record.json")
    assert record["status"] == "ok"
    found = record["server"]["says"]
    assert (found["model"], found["version"]) == ({"root": "r" * 200, "max_model_len": None}, None)


@pytest.mark.parametrize("key", ["data", "id", "odd", "e"])
def test_a_key_that_is_a_word_of_what_a_server_says_spoils_nothing_of_it(monkeypatch, key):
    monkeypatch.setenv(VARIABLE, key)
    with guarded() as server:
        server.listed = [{"id": "odd", "max_model_len": 7}]  # type: ignore[attr-defined]
        assert says(running(url_of(server), api_key_env=VARIABLE, model="odd"))["model"] == {"max_model_len": 7}
