"""The adapter candle-bench: its crates' own tests, and the embedded model through it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmark_runner.build.__main__ import default_cache
from benchmark_runner.build.adapter import find_tool, load_adapter
from benchmark_runner.build.rust import cargo_environment

PROMPT = [504, 3575, 282, 4649, 314]
"""The capital of France is"""

GREEDY_IDS = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33]
"""What generate() of transformers 5.23.0 gives after PROMPT in f32 (greedy, dynamic cache)."""

PEAK_RSS_BYTES = 1_150_000_000
"""The weights (538 MB) twice, mapped and copied, and a little: more would be a leak or another copy."""


@pytest.fixture
def binary(program) -> Path:
    return program("candle_cuda")


def run_cargo_tests(crate: Path, environment: dict[str, str], *more: str) -> None:
    done = subprocess.run(
        ["cargo", "test", "--locked", "--quiet", *more],
        cwd=crate,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]


def test_the_tests_of_the_protocol_crate_pass(repository, lacking):
    if find_tool("cargo") is None:
        lacking("cargo is missing; install Rust from https://rustup.rs")
    target = default_cache() / "cargo" / "bench-protocol-tests"
    run_cargo_tests(repository / "engines" / "bench-protocol", {**os.environ, "CARGO_TARGET_DIR": str(target)})


@pytest.mark.real_engine
@pytest.mark.usefixtures("binary")
def test_the_tests_of_the_adapter_pass(repository):
    # With the build's own settings, so that the crates below it need not be compiled again.
    adapter = load_adapter(repository / "engines" / "candle-bench")
    environment = cargo_environment(adapter, default_cache())
    run_cargo_tests(adapter.folder, environment, "--release")


@pytest.mark.real_engine
def test_greedy_ids_are_those_of_torch(tmp_path, embedded_model, binary):
    case = {"prompt_ids": PROMPT, "max_new_tokens": 12, "ignore_eos": True, "eos_ids": [198]}
    sampling = {"temperature": 0, "top_p": 1, "seed": 0}
    spec = {
        "protocol": 1,
        "model_dir": str(embedded_model),
        "weights": "model.safetensors",
        "dtype": "f32",
        "device": "cpu",
        "threads": 2,
        "max_seq_len": 32,
        "cases": [case | {"sampling": sampling}, case | {"sampling": sampling, "ignore_eos": False}],
        "warmup_iterations": 0,
        "iterations": 1,
        "load": {"mode": "closed", "concurrency": 1},
        "options": {},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    command = [binary, "--spec", tmp_path / "spec.json", "--events", tmp_path / "events.jsonl"]
    # GNU time is not everywhere; wait4 tells the peak of this child alone.
    child = os.posix_spawn(binary, [str(part) for part in command], os.environ)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    going_on, ending = (event for event in map(json.loads, lines) if event["event"] == "iteration")
    assert going_on["token_ids"] == GREEDY_IDS
    assert (ending["token_ids"], ending["finish"]) == (GREEDY_IDS[:3], "eos")
    assert usage.ru_maxrss * 1024 < PEAK_RSS_BYTES
