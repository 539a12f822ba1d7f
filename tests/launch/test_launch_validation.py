"""What a launch calls ok, the collector reads: whatever else an engine says is a failed launch with its place named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import simdjson

from benchmark_runner.launch.readable import make_readable
from benchmark_runner.records.raw_data import read_record
from launch_case import FAKE_ENGINE, REPOSITORY, LaunchCase
from records import ScriptedEngine, make_raw_data

PROGRAM = """#!/usr/bin/env python3
import json, os, sys, time
sys.path[:0] = [{fake!r}, {protocol!r}]
from bench_protocol import run
from bench_protocol.events import EventLog
from fake_core import FakeEngine
tell = EventLog._write
{change}
EventLog._write = changed
run(FakeEngine(), sys.argv[1:])
"""

STARTS_LATE = """
def changed(self, event, **content):
    if event == "iteration":
        content["start_ns"] = content["end_ns"]
        content["token_ns"] = [content["end_ns"]] * len(content["token_ns"])
    tell(self, event, **content)
"""
PADS = """
def changed(self, event, **content):
    if event == "load_start":
        self.size = os.fstat(self._file).st_size
        os.write(self._file, b" " * 4000)
        time.sleep(0.2)
        os.ftruncate(self._file, self.size)
    tell(self, event, **content)
"""
WRITES_WHAT_PYTHON_WOULD = """
def changed(self, event, **content):
    if event == "iteration" and not content["warmup"]:
        content["margins"] = [float("nan")] * len(content["token_ids"])
    os.write(self._file, (json.dumps({"event": event, **content}) + "\\n").encode())
"""
HALF_A_PAIR = """
def changed(self, event, **content):
    if event == "load_end":
        content["weights_dtype"] = chr(0xD800)
    tell(self, event, **content)
"""
LINE_SEPARATORS = """
def changed(self, event, **content):
    if event == "hello":
        content["build"] = {"words": "one\\u2028two\\u0085three"}
    os.write(self._file, (json.dumps({"event": event, **content}, ensure_ascii=False) + "\\n").encode())
"""


def program(folder: Path, change: str) -> Path:
    path = folder / "engine"
    places = {"fake": str(FAKE_ENGINE.parent), "protocol": str(REPOSITORY / "engines" / "bench-protocol-py")}
    path.write_text(PROGRAM.format(change=change, **places), encoding="utf-8")
    path.chmod(0o755)
    return path


def launched(case: LaunchCase) -> dict[str, Any]:
    """Record of a launch, which the collector reads."""
    result = case.run()
    assert (result.returncode, result.stderr) == (0, "")
    read_record(case.out_dir / "record.json", simdjson.Parser())
    record = case.record()
    assert len(record["checksum"]) == 64
    return record


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tokens": [7, 1200]}, "warm-up 0 of case 0: token_ids holds 1200, which is no id of the vocabulary's 1200"),
        ({"capabilities": {"prompt_ids": "yes"}}, "hello.capabilities.prompt_ids: 'yes' is not of type 'boolean'"),
        ({"capabilities": {"max_concurrency": 2**63}}, "options.capabilities.max_concurrency is beyond 63 bits"),
    ],
)
def test_what_cannot_be_kept_fails_the_launch_with_its_place(tmp_path: Path, options: Any, words: str) -> None:
    record = launched(LaunchCase(tmp_path, options=options))
    assert (record["status"], record["remedy"] is not None) == ("failed", True)
    assert words in record["reason"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (WRITES_WHAT_PYTHON_WOULD, "line 6 is no JSON: NaN is no number in JSON"),
        (HALF_A_PAIR, "load_end.weights_dtype holds half of a surrogate pair"),
        (STARTS_LATE, "by the engine's account: only the writing of an event and the emptying of caches belong there"),
        (PADS, "what the engine had written to its events file was changed or taken back later"),
    ],
    ids=["NaN", "half a pair", "starts late", "pads"],
)
def test_what_cannot_be_true_fails_the_launch(tmp_path: Path, change: str, words: str) -> None:
    case = LaunchCase(tmp_path, options={"token_ms": 12}, binary=program(tmp_path, change))
    record = launched(case)
    assert record["status"] == "failed"
    assert words in record["reason"]


def test_separators_of_lines_within_a_text_part_nothing(tmp_path: Path) -> None:
    record = launched(LaunchCase(tmp_path, binary=program(tmp_path, LINE_SEPARATORS)))
    assert (record["status"], record["reason"]) == ("ok", None)
    assert record["hello"]["build"] == {"words": "one\u2028two\u0085three"}


def test_more_threads_told_than_asked_for_are_a_warning(tmp_path: Path) -> None:
    record = launched(LaunchCase(tmp_path, options={"loaded": {"threads": 9}}, system={"threads": 1}))
    assert record["status"] == "ok"
    told = [entry["message"] for entry in record["warnings"] if entry["kind"] == "threads_exceeded"]
    assert told == ["the engine says that it set up 9 threads where 1 are allowed"]


def test_variables_that_are_no_text_are_recorded_readably(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_HOME", "a\udcff")
    assert launched(LaunchCase(tmp_path))["engine_environment"]["CUDA_HOME"] == "a?"


@pytest.mark.parametrize(
    ("key", "value"), [("build", {"rate": float("nan")}), ("machine_before", {"load": 1}), ("monitor", [2**80])]
)
def test_whatever_cannot_be_kept_is_left_out_and_named(key: str, value: Any) -> None:
    raw, _ = make_raw_data([ScriptedEngine("a")], launches=1)
    record = raw["a"]["launches"][0] | {"engine_environment": None, "gpu": None, key: value}
    make_readable(record)
    assert (record["status"], record[key], record["iterations"]) == ("failed", None, [])
    assert record["reason"].startswith("what the launch found cannot be kept: ")
