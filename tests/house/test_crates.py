"""The own tests of the Rust crates. They only compute, so `make test` runs them beside the tests that mostly wait."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.build.adapter import find_tool, load_adapter
from benchmark_runner.build.rust import build_rust
from benchmark_runner.build.tools import BuildError
from benchmark_runner.configuration.cache import own_cache
from rust_adapters import run_adapter_tests, run_cargo_tests


def test_those_of_the_protocol_pass(repository, lacking):
    if find_tool("cargo") is None:
        lacking("cargo is missing; install Rust from https://rustup.rs")
    target = own_cache() / "cargo" / "bench-protocol-tests"
    run_cargo_tests(repository / "engines" / "bench-protocol", {**os.environ, "CARGO_TARGET_DIR": str(target)})


@pytest.fixture
def built(request, repository, lacking, tmp_path):
    """Folder of an adapter whose program was built, so that its tests compile nothing again."""
    folder = repository / "engines" / request.param
    with (tmp_path / "build.log").open("w+", encoding="utf-8") as log:
        try:
            build_rust(load_adapter(folder), "cpu", own_cache(), tmp_path / request.param, log)
        except BuildError as error:
            lacking(f"{request.param} could not be built: {error}")
    return folder


@pytest.mark.real_engine
@pytest.mark.parametrize("built", ["burn-bench", "candle-bench"], indirect=True)
def test_those_of_an_adapter_pass(built):
    run_adapter_tests(built)
