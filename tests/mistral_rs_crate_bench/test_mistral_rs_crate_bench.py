"""The adapter mistral-rs-crate-bench, where the user has built it: its own tests, and the embedded model through it.

Its cold build takes longer than all others together, so no run of the tests begins it and its absence fails none.
"""

from __future__ import annotations

import json

import pytest

from adapter_launch import DRAWN_CASES, GREEDY_CASES, AnswersOfEveryEngine, case
from benchmark_runner.conformance.__main__ import main as conformance
from rust_adapters import PEAK_RSS_BYTES, run_adapter_tests

ENGINE = "mistral_rs_crate"
ADAPTER = "mistral-rs-crate-bench"
CASES = GREEDY_CASES | DRAWN_CASES

pytestmark = pytest.mark.real_engine


@pytest.fixture(scope="module")
def program(repository, make):
    """The program that the user has built, brought up to date with its source."""
    binary = repository / "target" / "release" / ADAPTER
    if not binary.exists():
        pytest.skip(f"{binary} was not built; engines/{ADAPTER}/README.md says how")
    record = make(f"target/release/{ADAPTER}.build.json", "tests/mistral_rs_crate_bench/engine.yaml")
    told = json.loads(record.read_text(encoding="utf-8"))
    assert told["status"] == "built", told["reason"]
    return lambda _engine: binary


@pytest.fixture(scope="module")
def opened_by(embedded_model):
    return lambda _engine: (embedded_model, "model.safetensors")


def test_the_tests_of_the_adapter_pass(repository, program):
    program(ENGINE)
    run_adapter_tests(repository / "engines" / ADAPTER)


class TestMistralRsCrate(AnswersOfEveryEngine):
    """On CASES."""

    UNKNOWN_ID = "a case has id 49152; the model knows 49152 tokens"


def test_forced_ids_go_in_and_its_own_choices_are_reported(serve, spec, outcome):
    greedy = outcome.ids("greedy")
    forced = [7042, 30, 198, 504, *greedy[4:]]
    chosen = serve(spec | {"cases": [case(forced_ids=forced)]}).ids("greedy")
    assert chosen[:4] == greedy[:4]
    assert chosen[4:] != greedy[4:]


def test_bf16_is_refused_since_its_candle_has_no_product_of_it_on_the_cpu(serve, spec):
    assert serve(spec | {"dtype": "bf16"}).refusal() == (
        3,
        "unsupported",
        "dtype: bf16 is not possible; possible here: f32, f16",
    )


def test_weights_are_held_once_beside_the_mapped_file(outcome):
    assert outcome.peak_rss_bytes < PEAK_RSS_BYTES


def test_the_adapter_keeps_the_protocol(program, opened_by, tmp_path, capsys):
    folder, weights = opened_by(ENGINE)
    arguments = ["--binary", program(ENGINE), "--model-dir", folder, "--weights", weights, "--engine", ENGINE]
    arguments += ["--out", tmp_path / "conformance.json", "--work", tmp_path / "work"]
    assert conformance([str(argument) for argument in arguments]) == 0, capsys.readouterr().out
