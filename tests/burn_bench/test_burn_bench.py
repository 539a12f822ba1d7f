"""The adapter burn-bench: the embedded model through it."""

from __future__ import annotations

import pytest

from adapter_launch import DRAWN_CASES, GREEDY_CASES, GREEDY_IDS, AnswersOfEveryEngine, AnswersUnderLoad
from rust_adapters import PEAK_RSS_BYTES

pytestmark = pytest.mark.real_engine

ENGINE = "burn_cuda"
CASES = GREEDY_CASES | DRAWN_CASES


class TestBurn(AnswersOfEveryEngine):
    """On CASES."""

    UNKNOWN_ID = "a case has id 49152; the model knows 49152 tokens"


class TestBurnUnderLoad(AnswersUnderLoad):
    """With a KV cache for each place."""

    BATCHING = "continuous"


def test_weights_are_held_once_beside_the_mapped_file(outcome):
    assert outcome.peak_rss_bytes < PEAK_RSS_BYTES


def test_f16_chooses_the_same_ids_where_margins_are_wide(serve, spec):
    assert serve(spec | {"dtype": "f16"}).ids("greedy") == GREEDY_IDS


def test_the_pool_has_the_threads_of_the_spec_whatever_the_environment_says(serve, spec, monkeypatch):
    monkeypatch.setenv("RAYON_NUM_THREADS", "7")
    assert serve(spec | {"threads": 2}).event("load_end")["threads"] == 2
