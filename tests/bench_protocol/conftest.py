"""Runs an adapter on a spec; here always the fake engine."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark_runner.schemas import require_valid

SPEC: dict[str, Any] = {
    "protocol": 1,
    "launch": {"engine": "fake", "workload": "chat", "block": 2},
    "model_dir": "/models/tiny",
    "weights": "model.safetensors",
    "dtype": "bf16",
    "device": "cuda:1",
    "threads": 2,
    "max_seq_len": 16,
    "cases": [
        {
            "prompt_ids": [1, 2, 3],
            "max_new_tokens": 4,
            "ignore_eos": True,
            "eos_ids": [2],
            "sampling": {"temperature": 0, "top_p": 1.0, "seed": 7},
        }
    ],
    "warmup_iterations": 1,
    "iterations": 2,
    "load": {"mode": "closed", "concurrency": 1},
    "options": {},
}


class Outcome(NamedTuple):
    status: int
    events: list[dict[str, Any]]
    stdout: str
    stderr: str

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def iterations(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "iteration"]


@pytest.fixture
def spec() -> dict[str, Any]:
    require_valid("spec", SPEC, "the tests' spec")
    return copy.deepcopy(SPEC)


@pytest.fixture
def fake_engine(repository: Path) -> Path:
    return repository / "tests" / "fake_engine" / "fake-engine"


@pytest.fixture
def serve(tmp_path: Path, fake_engine: Path) -> Callable[..., Outcome]:
    def serve(spec: Any, **options: Any) -> Outcome:
        if options:
            spec["options"] = options
        spec_path, events_path = tmp_path / "spec.json", tmp_path / "events.jsonl"
        spec_path.write_text(spec if isinstance(spec, str) else json.dumps(spec))
        events_path.unlink(missing_ok=True)
        command = [str(fake_engine), "--spec", str(spec_path), "--events", str(events_path)]
        # Files, not pipes: a child that outlives the engine would keep a pipe open.
        words = {name: tmp_path / name for name in ("stdout", "stderr")}
        with words["stdout"].open("w") as stdout, words["stderr"].open("w") as stderr:
            ended = subprocess.run(command, stdout=stdout, stderr=stderr, timeout=30, check=False)
        lines = events_path.read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        for event in events:
            require_valid("event", event, str(event))
        return Outcome(ended.returncode, events, words["stdout"].read_text(), words["stderr"].read_text())

    return serve
