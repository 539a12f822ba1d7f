"""A launch of a server: who ends whom, what its record says, and that nothing is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmark_runner.schemas import require_valid
from launch_case import WAIT_SECONDS, killed_at_last, process_named, processes_of, wait_for
from served_case import ServedCase

STAYS = 'echo "heard $*"; exec sleep 600'
CLIENT = "scripted_client --spec"


def test_a_server_whose_client_is_done_is_ended_and_the_launch_is_ok_without_a_warning(tmp_path):
    case = ServedCase(tmp_path, STAYS)
    assert case.run().returncode == 0
    record = case.record()
    require_valid("record", record, "record.json")
    assert (record["status"], record["reason"]) == ("ok", None)
    assert {entry["kind"] for entry in record["warnings"]} <= {"busy_process", "foreign_load", "high_load", "cores"}
    assert record["engine_exit"] == {"code": None, "signal": signal.SIGTERM}
    assert record["client"]["exit"] == {"code": 0, "signal": None}
    assert len(record["iterations"]) == 6
    assert processes_of(tmp_path) == {}


def test_a_server_is_told_its_port_and_slots_and_logs_on_both_streams(tmp_path):
    case = ServedCase(tmp_path, f"{STAYS} 1>&2")
    case.run()
    told = case.record()["server"]
    port = told["base_url"].rpartition(":")[2]
    assert told["arguments"] == ["--port", port, "--slots", "1", "--length", "7"]
    assert told["base_url"].startswith("http://127.0.0.1:")
    assert told["model"] == str(tmp_path / "model")
    assert f"heard --port {port}" in (case.out_dir / "engine.log").read_text()


def test_the_client_is_no_part_of_the_engine_s_process_tree(tmp_path):
    case = ServedCase(tmp_path, STAYS, options={"allocate_bytes": 300_000_000})
    case.run()
    record = case.record()
    assert record["status"] == "ok"
    assert record["client"]["usage"]["peak_rss_bytes"] > 300e6
    assert record["monitor"]["engine_peak_rss_bytes"] < 100e6


def test_a_server_that_ends_first_is_a_failure_with_its_last_words(tmp_path):
    case = ServedCase(tmp_path, "sleep 1; echo out of slots >&2; exit 3", options={"hang_at": {"stage": "load"}})
    case.run()
    record = case.record()
    assert record["status"] == "failed"
    assert record["reason"] == "the engine exited with status 3 before done; its last words: out of slots"
    assert record["client"]["exit"]["signal"] == signal.SIGKILL
    assert processes_of(tmp_path) == {}


def test_a_client_that_dies_fails_the_launch_by_its_own_words(tmp_path):
    case = ServedCase(tmp_path, STAYS, options={"hang_at": {"stage": "generate", "iteration": 1}})
    with killed_at_last(case.start()) as launch:
        os.kill(wait_for(lambda: process_named(tmp_path, CLIENT), "the client"), signal.SIGTERM)
        assert launch.wait(WAIT_SECONDS) == 0
    record = case.record()
    assert record["status"] == "failed"
    assert record["reason"].startswith("the load client died before done (ended by SIGTERM")
    assert processes_of(tmp_path) == {}


def test_a_client_that_asks_once_more_between_iterations_is_not_doubted(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTED_PAUSE_MS", "80")
    case = ServedCase(tmp_path, STAYS, iterations=4)
    case.run()
    assert (case.record()["status"], case.record()["reason"]) == ("ok", None)


def test_what_the_client_refuses_makes_the_launch_unavailable(tmp_path):
    refusal = {"stage": "start", "kind": "unsupported", "message": "this server takes no ids"}
    case = ServedCase(tmp_path, STAYS, options={"error_at": refusal})
    case.run()
    record = case.record()
    assert (record["status"], record["reason"]) == ("unavailable", "this server takes no ids")


def test_a_server_that_is_never_ready_is_a_timeout_with_its_last_words(tmp_path):
    system = {"load_timeout_seconds": 2}
    case = ServedCase(
        tmp_path, f"echo waiting for weights; {STAYS}", options={"hang_at": {"stage": "load"}}, system=system
    )
    case.run()
    record = case.record()
    assert record["status"] == "timeout"
    assert "had not loaded after 2 s (system.load_timeout_seconds)" in record["reason"]
    assert "its last words: heard --port" in record["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_launch_that_is_stopped_leaves_neither_server_nor_client(tmp_path: Path, number):
    case = ServedCase(tmp_path, STAYS, options={"hang_at": {"stage": "generate", "iteration": 1}})
    with killed_at_last(case.start()) as launch:
        wait_for(lambda: process_named(tmp_path, CLIENT), "the client")
        launch.send_signal(number)
        launch.wait(WAIT_SECONDS)
        wait_for(lambda: not processes_of(tmp_path), "the end of all that it started")
    assert not (case.out_dir / "record.json").exists()
