"""The adapter candle-bench: the embedded model through it."""

from __future__ import annotations

import pytest

from adapter_launch import DRAWN_CASES, GREEDY_CASES, AnswersOfEveryEngine, AnswersUnderLoad
from rust_adapters import PEAK_RSS_BYTES

pytestmark = pytest.mark.real_engine

ENGINE = "candle_cuda"
CASES = GREEDY_CASES | DRAWN_CASES


class TestCandle(AnswersOfEveryEngine):
    """On CASES."""

    UNKNOWN_ID = "a case has id 49152; the model knows 49152 tokens"


class TestCandleUnderLoad(AnswersUnderLoad):
    """In batches of prompts of one length."""

    BATCHING = "static"


def test_weights_are_held_once_beside_the_mapped_file(outcome):
    assert outcome.peak_rss_bytes < PEAK_RSS_BYTES
