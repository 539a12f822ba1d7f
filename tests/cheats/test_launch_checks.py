"""Cheats in what is told are caught by the launch: each is committed by an adapter and must be told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.schemas import require_valid
from launch_case import LaunchCase

sys.path.insert(0, str(Path(__file__).parent))
from numpy_llama import write_model

ENGINE = Path(__file__).with_name("cheating_engine.py")


def launched(folder: Path, **options: Any) -> dict[str, Any]:
    """Record of a launch of the cheating engine, whose every token costs a model's time."""
    program = folder / "engine"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ENGINE} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    system = {"threads": 1, "device": "cpu"}
    case = LaunchCase(folder, binary=program, options={"work_ms": 40, **options}, system=system, iterations=4)
    write_model(folder / "model")
    case.plan_with_model_here()
    result = case.run()
    assert result.returncode == 0, result.stderr
    record = case.record()
    require_valid("record", record, "the record of a cheat")
    return record


def kinds(record: dict[str, Any]) -> list[str]:
    return [entry["kind"] for entry in record["warnings"]]


def test_the_honest_engine_is_measured(tmp_path: Path) -> None:
    record = launched(tmp_path)
    assert (record["status"], record["reason"]) == ("ok", None)
    assert "threads_exceeded" not in kinds(record)


@pytest.mark.parametrize(
    ("cheat", "words"),
    [
        ("times_halved", "by the engine's account: its times are earlier than they were"),
        ("warmup_counted", "iteration 0 of case 0 where warm-up 0 of case 0 is owed"),
        ("cut_short", "finish is length, but 3 tokens were generated instead of 4"),
        ("eos_honoured", "finish is eos although the spec says ignore_eos"),
    ],
)
def test_a_launch_that_tells_what_was_not_fails_with_the_reason(tmp_path: Path, cheat: str, words: str) -> None:
    record = launched(tmp_path, cheat=cheat)
    assert record["status"] == "failed"
    assert words in record["reason"]


def test_more_threads_than_allowed_are_counted_and_told(tmp_path: Path) -> None:
    record = launched(tmp_path, cheat="threads")
    assert record["status"] == "ok"
    assert record["monitor"]["engine_busy_threads"] >= 4
    assert "threads_exceeded" in kinds(record)
