"""The own tests of the Rust crates. They only compute, so `make test` runs them beside the tests that mostly wait."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.build.__main__ import default_cache
from benchmark_runner.build.adapter import find_tool, load_adapter
from benchmark_runner.build.rust import build_rust
from benchmark_runner.build.tools import BuildError
from rust_adapters import run_adapter_tests, run_cargo_tests


def test_those_of_the_protocol_pass(repository, lacking):
    if find_tool("cargo") is None:
        lacking("cargo is missing; install Rust from https://rustup.rs")
    target = default_cache() / "cargo" / "bench-protocol-tests"
    run_cargo_tests(repository / "engines" / "bench-protocol", {**os.environ, "CARGO_TARGET_DIR": str(target)})


@pytest.mark.real_engine
@pytest.mark.parametrize("name", ["burn-bench", "candle-bench"])
def test_those_of_an_adapter_pass(repository, lacking, tmp_path, name):
    folder = repository / "engines" / name
    with (tmp_path / "build.log").open("w+", encoding="utf-8") as log:
        try:
            build_rust(load_adapter(folder), "cpu", default_cache(), tmp_path / name, log)
        except BuildError as error:
            lacking(f"{name} could not be built: {error}")
    run_adapter_tests(folder)
