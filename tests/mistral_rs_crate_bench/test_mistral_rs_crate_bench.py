"""The adapter mistral-rs-crate-bench, where the user has built it: its own tests, and the embedded model through it.

Its cold build takes longer than all others together, so no run of the tests begins it and its absence fails none.
"""

from __future__ import annotations

import pytest

from adapter_launch import DRAWN_CASES, GREEDY_CASES, AnswersOfEveryEngine
from rust_adapters import run_adapter_tests

ENGINE = "mistral_rs_crate"
CASES = GREEDY_CASES | DRAWN_CASES
BINARY = "target/release/mistral-rs-crate-bench"

pytestmark = pytest.mark.real_engine


@pytest.fixture(scope="module")
def program(repository):
    binary = repository / BINARY
    if not binary.exists():
        pytest.skip(f"{BINARY} was not built; `snakemake {BINARY}.build.json` builds it")
    return lambda _engine: binary


@pytest.fixture(scope="module")
def opened_by(embedded_model):
    return lambda _engine: (embedded_model, "model.safetensors")


def test_the_tests_of_the_adapter_pass(repository, program):
    program(ENGINE)
    run_adapter_tests(repository / "engines" / "mistral-rs-crate-bench")


class TestMistralRsCrate(AnswersOfEveryEngine):
    """On CASES."""
