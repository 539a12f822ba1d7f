"""The adapter candle-bench: its crates' own tests, and the embedded model through it."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.build.__main__ import default_cache
from benchmark_runner.build.adapter import find_tool
from rust_adapters import GREEDY_IDS, PEAK_RSS_BYTES, generate, run_adapter_tests, run_cargo_tests


def test_the_tests_of_the_protocol_crate_pass(repository, lacking):
    if find_tool("cargo") is None:
        lacking("cargo is missing; install Rust from https://rustup.rs")
    target = default_cache() / "cargo" / "bench-protocol-tests"
    run_cargo_tests(repository / "engines" / "bench-protocol", {**os.environ, "CARGO_TARGET_DIR": str(target)})


@pytest.mark.real_engine
def test_the_tests_of_the_adapter_pass(repository, program):
    program("candle_cuda")
    run_adapter_tests(repository / "engines" / "candle-bench")


@pytest.mark.real_engine
def test_greedy_ids_are_those_of_torch(tmp_path, embedded_model, program):
    generated = generate(program("candle_cuda"), embedded_model, tmp_path)
    going_on, ending = generated.of_kind("iteration")
    assert going_on["token_ids"] == GREEDY_IDS
    assert (ending["token_ids"], ending["finish"]) == (GREEDY_IDS[:3], "eos")
    assert generated.peak_rss_bytes < PEAK_RSS_BYTES
