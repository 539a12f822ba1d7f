"""What a whole launch records for each way in which an engine can end."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from benchmark_runner.schemas import require_valid
from launch_case import IDENTITY, SCRIPTS, WAIT_SECONDS, LaunchCase, processes_of

FILES = {"record.json", "spec.json", "events.jsonl", "metrics.jsonl", "engine.log"}


def recorded(case: LaunchCase) -> dict:
    """Record of a launch that ended by itself; valid, alone in its folder, nothing left running."""
    result = case.run()
    assert (result.returncode, result.stderr) == (0, "")
    record = case.record()
    require_valid("record", record, "record.json")
    assert result.stdout.count("\n") == 1
    assert f"fake · quick · block 1: {record['status']}" in result.stdout
    assert processes_of(case.folder) == {}
    assert {path.name for path in case.out_dir.iterdir()} <= FILES
    return record


def test_a_sound_launch_is_ok_and_holds_all_that_the_engine_said(tmp_path):
    record = recorded(LaunchCase(tmp_path, options={"prefill_ms": 5, "token_ms": 2}))
    assert (record["status"], record["reason"], record["engine_exit"]) == ("ok", None, {"code": 0, "signal": None})
    assert [(event["warmup"], event["index"], event["case"]) for event in record["iterations"]] == [
        (True, 0, 0),
        (True, 0, 1),
        (False, 0, 0),
        (False, 0, 1),
        (False, 1, 0),
        (False, 1, 1),
    ]
    assert all(event["token_ids"] == [101, 102, 103, 104] for event in record["iterations"])
    window = record["engine_window"]
    assert record["started_ns"] <= window["start_ns"] <= record["load"]["start_ns"]
    assert record["iterations"][-1]["end_ns"] <= window["end_ns"] <= record["ended_ns"]
    assert record["machine_before"]["memory_available_bytes"] > 0
    assert record["hello"]["engine"] == "fake"


def test_the_spec_is_valid_and_the_same_in_file_and_record(tmp_path):
    case = LaunchCase(tmp_path, system={"threads": 1})
    record = recorded(case)
    spec = json.loads((case.out_dir / "spec.json").read_text())
    require_valid("spec", spec, "spec.json")
    assert spec == record["spec"]
    assert spec["max_seq_len"] == 3 + 4
    assert (spec["device"], spec["threads"], spec["weights"]) == ("cpu", 1, "model.safetensors")
    assert spec["launch"] == {"workload": "quick", "block": 1}


def test_what_this_machine_lacks_is_null_with_its_reason(tmp_path):
    monitor = recorded(LaunchCase(tmp_path, options={"load_ms": 200}))["monitor"]
    for name, value in monitor.items():
        assert value is not None or monitor["absent"][name]
    for name, value in (monitor["gpu"] or {}).items():
        assert value is not None or monitor["absent"][f"gpu.{name}"]
    assert monitor["samples"] >= 1
    assert monitor["engine_peak_rss_bytes"] > 1_000_000


def test_parts_that_are_switched_off_say_so(tmp_path):
    off = {"gpu_metrics": False, "memory_tracking": False, "power_monitoring": False}
    monitor = recorded(LaunchCase(tmp_path, monitoring=off))["monitor"]
    assert monitor["engine_peak_rss_bytes"] is None
    assert monitor["absent"]["engine_peak_rss_bytes"] == "switched off by monitoring.memory_tracking"
    assert monitor["absent"]["memory_available_min_bytes"] == "switched off by monitoring.memory_tracking"
    assert monitor["absent"]["package_energy_joules"] == "switched off by monitoring.power_monitoring"
    assert monitor["absent"]["gpu"] == "switched off by monitoring.gpu_metrics"


def test_a_crash_by_signal_is_failed_in_words_and_keeps_what_was_sound(tmp_path):
    crash = {"stage": "generate", "iteration": 3, "token": 1, "signal": "SIGSEGV"}
    record = recorded(LaunchCase(tmp_path, options={"crash_at": crash, "partial_line": '{"event": "iter'}))
    assert record["status"] == "failed"
    assert "invalid memory access (SIGSEGV)" in record["reason"]
    assert record["engine_exit"] == {"code": None, "signal": 11}
    assert len(record["iterations"]) == 3


def test_sigkill_is_told_in_words(tmp_path):
    crash = {"stage": "generate", "signal": "SIGKILL"}
    record = recorded(LaunchCase(tmp_path, options={"crash_at": crash}))
    assert record["status"] == "failed"
    assert "SIGKILL" in record["reason"] and "out-of-memory killer" in record["reason"]


def test_an_exit_before_done_is_failed_with_the_last_words(tmp_path):
    record = recorded(LaunchCase(tmp_path, options={"raise_at": {"stage": "load"}}))
    assert record["status"] == "failed"
    assert "scripted exception" in record["reason"]


@pytest.mark.parametrize(
    ("kind", "status"), [("unsupported", "unavailable"), ("internal", "failed"), ("out_of_memory", "failed")]
)
def test_the_engines_own_error_is_the_reason(tmp_path, kind, status):
    error = {"stage": "start", "kind": kind, "message": "no such thing here"}
    record = recorded(LaunchCase(tmp_path, options={"error_at": error}))
    assert (record["status"], record["error"]["kind"]) == (status, kind)
    assert "no such thing here" in record["reason"]
    assert record["remedy"]


def test_an_engine_that_hangs_is_ended_at_the_deadline(tmp_path):
    case = LaunchCase(
        tmp_path,
        options={"hang_at": {"stage": "generate", "iteration": 1}},
        system={"launch_timeout_seconds": 2},
    )
    record = recorded(case)
    assert record["status"] == "timeout"
    assert "launch_timeout_seconds" in record["reason"]


def test_an_engine_that_ignores_sigterm_is_killed(tmp_path):
    options = {"hang_at": {"stage": "load"}, "ignore_sigterm": True}
    record = recorded(LaunchCase(tmp_path, options=options, system={"launch_timeout_seconds": 2}))
    assert (record["status"], record["engine_exit"]["signal"]) == ("timeout", 9)


def test_too_much_memory_ends_the_engine(tmp_path):
    options = {"allocate_bytes": 300_000_000, "load_ms": 30_000}
    record = recorded(LaunchCase(tmp_path, options=options, system={"max_memory_gb": 0.1}))
    assert record["status"] == "memory_limit"
    assert "0.1 GB of system.max_memory_gb" in record["reason"]


def test_the_memory_limit_holds_when_memory_is_not_recorded(tmp_path):
    case = LaunchCase(
        tmp_path,
        options={"allocate_bytes": 300_000_000, "load_ms": 30_000},
        system={"max_memory_gb": 0.1},
        monitoring={"memory_tracking": False},
    )
    assert recorded(case)["status"] == "memory_limit"


@pytest.mark.parametrize("new_session", [False, True])
def test_processes_that_the_engine_leaves_are_ended_and_named(tmp_path, new_session):
    record = recorded(LaunchCase(tmp_path, options={"linger": {"seconds": 600, "new_session": new_session}}))
    assert record["status"] == "ok"
    warnings = [entry for entry in record["warnings"] if entry["kind"] == "lingering_process"]
    assert len(warnings) == 1 and "sleep" in warnings[0]["message"]


def test_words_on_stdout_are_kept_and_warned_of(tmp_path):
    case = LaunchCase(tmp_path, options={"stdout": "hello there"})
    record = recorded(case)
    assert "stdout_not_empty" in [entry["kind"] for entry in record["warnings"]]
    assert "hello there" in (case.out_dir / "engine.log").read_text()


def test_an_engine_that_could_not_be_built_is_unavailable(tmp_path):
    build = {"status": "unavailable", "reason": "cargo is missing", "remedy": "Install Rust", "missing_tool": "cargo"}
    case = LaunchCase(tmp_path, build_record=build)
    record = recorded(case)
    assert (record["status"], record["reason"], record["remedy"]) == (
        "unavailable",
        "cargo is missing",
        "Install Rust",
    )
    assert build.items() <= record["build"].items()
    assert {path.name for path in case.out_dir.iterdir()} == FILES - {"spec.json"}
    assert all((case.out_dir / name).stat().st_size == 0 for name in ("events.jsonl", "metrics.jsonl", "engine.log"))


def test_a_binary_that_is_not_there_is_unavailable(tmp_path):
    record = recorded(LaunchCase(tmp_path, binary=tmp_path / "nothing"))
    assert record["status"] == "unavailable"
    assert "does not exist" in record["reason"]


def test_a_file_that_is_no_program_is_unavailable(tmp_path):
    binary = tmp_path / "program"
    binary.write_bytes(b"\x00\x01\x02")
    binary.chmod(0o755)
    record = recorded(LaunchCase(tmp_path, binary=binary))
    assert record["status"] == "unavailable"
    assert "cannot be executed" in record["reason"]


def test_a_missing_shared_library_is_unavailable_with_the_linkers_words(tmp_path):
    binary = tmp_path / "program"
    binary.write_text("#!/bin/sh\necho 'libcuda.so.1: cannot open shared object file' >&2\nexit 127\n")
    binary.chmod(0o755)
    record = recorded(LaunchCase(tmp_path, binary=binary))
    assert record["status"] == "unavailable"
    assert "libcuda.so.1" in record["reason"]


def test_a_launch_that_must_use_a_gpu_hidden_from_it_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,-1,6")
    case = LaunchCase(tmp_path, system={"device": "cuda", "gpu_device": 1})
    record = recorded(case)
    assert record["status"] == "unavailable"
    assert "CUDA_VISIBLE_DEVICES gives this process no GPU" in record["reason"]
    assert "system.gpu_device" in record["remedy"]
    assert {path.name for path in case.out_dir.iterdir()} == FILES - {"spec.json"}


def test_events_that_break_the_protocol_are_failed_with_the_place(tmp_path):
    binary = tmp_path / "program"
    binary.write_text('#!/bin/sh\necho \'{"event": "load_start", "time_ns": 1}\' > "$4"\n')
    binary.chmod(0o755)
    record = recorded(LaunchCase(tmp_path, binary=binary))
    assert record["status"] == "failed"
    assert record["reason"] == "events.jsonl breaks the protocol: load_start before hello"


def test_the_engine_sees_named_variables_and_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "1")
    binary = tmp_path / "program"
    binary.write_text("#!/bin/sh\nenv >&2\npwd >&2\ntouch rubbish\nexit 1\n")
    binary.chmod(0o755)
    case = LaunchCase(tmp_path, binary=binary, system={"threads": 1})
    record = recorded(case)
    log = (case.out_dir / "engine.log").read_text()
    assert "SECRET_OF_THE_SHELL" not in log and "PYTHONPATH" not in log
    assert "RAYON_NUM_THREADS=1" in log and "CUDA_VISIBLE_DEVICES=\n" in log
    assert f"{case.out_dir.parents[2]}/{record['drawn']['folder']}/scratch\n" in log
    assert record["engine_environment"]["RAYON_NUM_THREADS"] == "1"
    assert "PATH" not in record["engine_environment"]


def test_the_files_of_an_earlier_attempt_are_cleared(tmp_path):
    case = LaunchCase(tmp_path)
    first = recorded(case)
    (case.out_dir / "record.json").unlink()
    (case.out_dir / "interrupted.json").write_text("{}")
    assert recorded(case)["started_ns"] > first["started_ns"]


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", ">/dev/full", "| true; exit ${PIPESTATUS[0]}"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_record_is_kept_whoever_reads_the_line_about_it(tmp_path, redirection, encoding):
    case = LaunchCase(tmp_path)
    case.lock.parent.parent.mkdir()
    variables = {"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(tmp_path / "tmp"), "PYTHONIOENCODING": encoding}
    command = ["bash", "-c", f'"$@" {redirection}', "bash", *case.command()]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, timeout=WAIT_SECONDS, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert case.record()["status"] == "ok"


def test_an_engine_s_words_cannot_drive_a_terminal(tmp_path):
    case = LaunchCase(tmp_path, options={"error_at": {"stage": "load", "kind": "internal", "message": "\x1b[2J\agone"}})
    assert "internal: \\x1b[2J\\x07gone" in case.run().stdout


def test_a_launch_that_the_plan_does_not_know_is_refused(tmp_path):
    case = LaunchCase(tmp_path)
    case.plan["order"] = []
    (tmp_path / "plan.json").write_text(json.dumps(case.plan))
    result = case.run()
    assert result.returncode == 1
    assert IDENTITY in result.stderr and "Traceback" not in result.stderr
    assert IDENTITY in (tmp_path / "launch.log").read_text()


def test_the_second_launch_waits_for_the_cool_down_and_the_first_does_not(tmp_path):
    case = LaunchCase(tmp_path, system={"cool_down_seconds": 2})
    for block in (1, 2):
        assert case.run(block).returncode == 0
    assert case.record(1)["timing"]["cool_down_ms"] < case.record(2)["timing"]["cool_down_ms"]
    pause_ns = case.record(2)["engine_window"]["start_ns"] - case.record(1)["engine_window"]["end_ns"]
    assert pause_ns > 1.9e9
