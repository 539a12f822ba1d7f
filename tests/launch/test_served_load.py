"""A launch of the shipped stub as an engine, asked by the shipped client at two levels of load."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.schemas import require_valid
from launch_case import SCRIPTS, LaunchCase, processes_of
from served_case import SECTION

STUB = f"{sys.executable} -m benchmark_runner.load.stub $*"
LEVELS = (1, 3)
REQUESTS = 6


def load(concurrency: int) -> dict[str, Any]:
    fixed = {"mode": "closed", "requests": REQUESTS, "duration_seconds": None, "timeout_seconds": 20}
    return {**fixed, "concurrency": concurrency, "warmup_requests": concurrency}


class LoadedCase(LaunchCase):
    """A LaunchCase whose engine is a program that serves, and whose workload has two closed levels."""

    def __init__(self, folder: Path, script: str) -> None:
        program = folder / "server"
        program.write_text(f"#!/bin/sh\nexport PYTHONPATH={SCRIPTS}\n{script}\n")
        program.chmod(0o755)
        super().__init__(folder, binary=program)
        arguments = ["--port", "{port}", "--ttft-ms", "20", "--gap-ms", "5", "--servers", "{concurrency}"]
        body = {"return_token_ids": True}
        clocks = {"path": "/metrics", "counts": {"cached_tokens": "stub:prefix_cache_hits_total"}}
        server = {**SECTION, "arguments": arguments, "body": body, "clocks": clocks}
        self.plan["engines"][0] |= {"server": server, "load": ["closed"]}
        self.plan["campaign"] = {"seed": 7}
        for case, concurrency in zip(self.plan["workloads"][0]["cases"], LEVELS, strict=True):
            case["load"] = load(concurrency)
        cases = [{"case": case, "prompt_ids": list(range(5, 25))} for case in ("case_1", "case_2")]
        for name, content in (("plan", self.plan), ("prompts", {"eos_ids": [2], "workloads": {"quick": cases}})):
            (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    case = LoadedCase(tmp_path_factory.mktemp("loaded"), f"exec {STUB}")
    assert case.run().returncode == 0
    return case.record()


def test_each_level_s_requests_are_recorded_and_the_launch_is_ok(record):
    require_valid("record", record, "record.json")
    assert (record["status"], record["reason"]) == ("ok", None)
    assert record["hello"]["protocol"] == 2
    assert [stage["case"] for stage in record["stages"]] == record["spec"]["stages"]
    assert [stage["own_clock"][0]["theirs"] for stage in record["stages"]] == [0, 0]
    for level in range(len(LEVELS)):
        measured = [one for one in record["requests"] if one["case"] == level and one["phase"] == "measured"]
        assert [one["status"] for one in measured] == ["ok"] * REQUESTS
        assert {len(one["token_ids"]) for one in measured} == {4}
    assert record["iterations"] == []


def test_a_server_gets_as_many_slots_as_the_highest_level(record):
    assert record["server"]["arguments"][-1] == str(max(LEVELS))
    assert record["load"]["batch_size"] == max(LEVELS)


def test_no_request_took_less_than_the_stub_s_known_times(record):
    for one in record["requests"]:
        if one["status"] == "ok":
            assert one["chunk_ns"][0] - one["start_ns"] >= 20e6
            assert one["chunk_ns"][-1] - one["start_ns"] >= 35e6


def test_a_server_that_dies_in_the_midst_of_a_level_fails_the_launch(tmp_path):
    begun = f"grep -qRs load_end --include=events.jsonl {tmp_path}"  # a level of 70 s follows
    dies = f"until {begun}; do sleep 0.1; done; sleep 0.5; kill -9 $!; echo out of memory >&2; exit 3"
    case = LoadedCase(tmp_path, f"{STUB} & {dies}")
    for one in case.plan["workloads"][0]["cases"]:
        one["load"] |= {"requests": 2000}
    (tmp_path / "plan.json").write_text(json.dumps(case.plan))
    case.run()
    record = case.record()
    assert record["status"] == "failed"
    assert record["reason"] == "the engine exited with status 3 before done; its last words: out of memory"
    assert processes_of(tmp_path) == {}
