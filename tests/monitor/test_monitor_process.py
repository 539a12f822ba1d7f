"""The monitor as a process: what it writes, what it obeys, what it does when nobody is left to obey."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.processes.orphans import MARKER_VARIABLE
from launch_case import SCRIPTS, WAIT_SECONDS, wait_for


class Monitor:
    """A running monitor."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.metrics = folder / "metrics.jsonl"
        command = [sys.executable, "-m", "benchmark_runner.monitor", "--interval-ms=10", f"--metrics={self.metrics}"]
        command.append(f"--events={folder / 'events.jsonl'}")
        self.process = subprocess.Popen(
            [*command, "--marker=m", *(flags or ["--limits={}"])],
            env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == {"ready": True}

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.metrics.read_bytes().splitlines()]

    def samples_of_engine(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if "engine_rss_bytes" in line]

    def end(self) -> int:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            return self.process.wait(WAIT_SECONDS)


@pytest.fixture
def engine() -> Iterator[subprocess.Popen[bytes]]:
    """A stand-in with a child that has left its session."""
    command = ["sh", "-c", "setsid sleep 600 & exec sleep 600"]
    environment = os.environ | {MARKER_VARIABLE: "m"}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        yield process
        process.kill()


def test_it_closes_what_it_opened(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONWARNINGS", "default::ResourceWarning")
    monitor = Monitor(tmp_path, "--limits={}", f"--members={tmp_path / 'members'}")
    monitor.tell("stop")
    assert (monitor.end(), capfd.readouterr().err) == (0, "")


def test_the_file_begins_with_what_is_absent_and_ends_with_the_number_of_samples(tmp_path, engine):
    monitor = Monitor(tmp_path)
    monitor.tell(f"engine {engine.pid}")
    wait_for(lambda: len(monitor.samples_of_engine()) > 3, "samples")
    monitor.tell("stop")
    assert monitor.end() == 0
    first, *samples, last = monitor.lines()
    assert first["event"] == "start" and first["interval_ms"] == 10
    assert all(reason for reason in first["absent"].values())
    assert last["event"] == "end" and last["samples"] == len(samples)
    assert all(line["event"] == "sample" for line in samples)
    assert not any(name in line for name in first["absent"] for line in samples)
    times = [line["time_ns"] for line in samples]
    assert times == sorted(times)
    assert engine.poll() is None


def test_the_engines_tree_is_summed(tmp_path, engine):
    monitor = Monitor(tmp_path)
    monitor.tell(f"engine {engine.pid}")
    sample = wait_for(
        lambda: next((line for line in monitor.samples_of_engine() if line["engine_processes"] == 2), None), "the child"
    )
    assert sample["engine_threads"] == 2 and sample["engine_rss_bytes"] > 0
    monitor.tell("stop")
    assert monitor.end() == 0


def test_the_end_of_stdin_without_stop_ends_the_engine_and_what_left_it(tmp_path, engine):
    monitor = Monitor(tmp_path)
    monitor.tell(f"engine {engine.pid}")
    wait_for(monitor.samples_of_engine, "a sample")
    assert monitor.end() == 1
    assert engine.wait(WAIT_SECONDS) == -9


def test_a_launch_that_died_before_it_told_the_engine_is_cleaned_up_by_the_marker(tmp_path, engine):
    monitor = Monitor(tmp_path)
    assert monitor.end() == 1
    assert engine.wait(WAIT_SECONDS) == -9


def test_an_exceeded_limit_is_told_once(tmp_path, engine):
    monitor = Monitor(tmp_path, '--limits={"engine_rss_bytes": 1}')
    monitor.tell(f"engine {engine.pid}")
    assert monitor.hear()["alert"] == "memory_limit"
    count = len(monitor.samples_of_engine())
    wait_for(lambda: len(monitor.samples_of_engine()) > count + 3, "more samples")
    monitor.tell("stop")
    assert monitor.process.stdout is not None and monitor.process.stdout.read() == ""
    assert monitor.end() == 0


def test_parts_that_are_switched_off_are_absent(tmp_path):
    monitor = Monitor(tmp_path, "--limits={}", "--off=gpu_metrics,memory_tracking,power_monitoring")
    monitor.tell("stop")
    assert monitor.end() == 0
    first, sample, *_ = monitor.lines()
    assert first["absent"]["memory_available_bytes"] == "switched off by monitoring.memory_tracking"
    assert first["absent"]["gpu_utilization_percent"] == "switched off by monitoring.gpu_metrics"
    assert first["absent"]["package_energy_joules"] == "switched off by monitoring.power_monitoring"
    assert "memory_available_bytes" not in sample


def test_an_unknown_command_ends_it_with_a_message(tmp_path, capfd):
    monitor = Monitor(tmp_path)
    monitor.tell("dance")
    assert monitor.end() == 1
    assert "'dance'" in capfd.readouterr().err
