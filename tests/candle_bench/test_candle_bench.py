"""The adapter candle-bench: its crates' own tests, and the embedded model through it."""

from __future__ import annotations

import os

import pytest

from adapter_launch import DRAWN_CASES, GREEDY_CASES, AnswersOfEveryEngine, AnswersUnderLoad
from benchmark_runner.build.__main__ import default_cache
from benchmark_runner.build.adapter import find_tool
from rust_adapters import PEAK_RSS_BYTES, run_adapter_tests, run_cargo_tests

ENGINE = "candle_cuda"
CASES = GREEDY_CASES | DRAWN_CASES


def test_the_tests_of_the_protocol_crate_pass(repository, lacking):
    if find_tool("cargo") is None:
        lacking("cargo is missing; install Rust from https://rustup.rs")
    target = default_cache() / "cargo" / "bench-protocol-tests"
    run_cargo_tests(repository / "engines" / "bench-protocol", {**os.environ, "CARGO_TARGET_DIR": str(target)})


@pytest.mark.real_engine
def test_the_tests_of_the_adapter_pass(repository, program):
    program(ENGINE)
    run_adapter_tests(repository / "engines" / "candle-bench")


@pytest.mark.real_engine
class TestCandle(AnswersOfEveryEngine):
    """On CASES."""

    UNKNOWN_ID = "a case has id 49152; the model knows 49152 tokens"


@pytest.mark.real_engine
class TestCandleUnderLoad(AnswersUnderLoad):
    """In batches of prompts of one length."""

    BATCHING = "static"


@pytest.mark.real_engine
def test_weights_are_held_once_beside_the_mapped_file(outcome):
    assert outcome.peak_rss_bytes < PEAK_RSS_BYTES
