"""The adapter burn-bench: its crate's own tests, and the embedded model through it."""

from __future__ import annotations

import pytest

from rust_adapters import GREEDY_IDS, PEAK_RSS_BYTES, generate, run_adapter_tests

pytestmark = pytest.mark.real_engine


def test_the_tests_of_the_adapter_pass(repository, program):
    program("burn_cuda")
    run_adapter_tests(repository / "engines" / "burn-bench")


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_greedy_ids_are_those_of_torch(tmp_path, embedded_model, program, dtype):
    generated = generate(program("burn_cuda"), embedded_model, tmp_path, dtype=dtype)
    going_on, ending = generated.of_kind("iteration")
    assert going_on["token_ids"] == GREEDY_IDS
    assert (ending["token_ids"], ending["finish"]) == (GREEDY_IDS[:3], "eos")
    assert generated.peak_rss_bytes < PEAK_RSS_BYTES


@pytest.mark.parametrize("threads", [1, 2])
def test_the_pool_has_the_threads_of_the_spec_whatever_the_environment_says(
    tmp_path, embedded_model, program, monkeypatch, threads
):
    monkeypatch.setenv("RAYON_NUM_THREADS", "7")
    generated = generate(program("burn_cuda"), embedded_model, tmp_path, threads=threads)
    (loaded,) = generated.of_kind("load_end")
    assert loaded["threads"] == threads
