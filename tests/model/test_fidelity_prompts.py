"""The built-in texts, and how a campaign's draws are checked."""

from __future__ import annotations

from benchmark_runner.campaign.campaign import hottest_sampling
from benchmark_runner.model.texts import (
    DEFAULT_PROMPTS,
    LONG_PROMPTS,
    SHORT_PROMPTS,
)


def workload(*settings: tuple[float, float]) -> dict[str, list[dict[str, float]]]:
    return {"cases": [{"temperature": temperature, "top_p": top_p} for temperature, top_p in settings]}


def test_there_are_a_dozen_texts_from_short_to_long():
    assert len(set(DEFAULT_PROMPTS)) == 12
    assert max(map(len, SHORT_PROMPTS)) < min(map(len, LONG_PROMPTS))


def test_the_end_of_the_ledger_repeats_its_beginning():
    first = LONG_PROMPTS[-1].splitlines()[1]
    assert LONG_PROMPTS[-1].count(first) == 2
    assert LONG_PROMPTS[-1].endswith("\nLine 3:")


def test_draws_are_checked_at_the_highest_temperature_of_the_campaign():
    assert hottest_sampling([workload((0, 1)), workload((0.7, 0.9), (0.2, 1))]) == {"temperature": 0.7, "top_p": 0.9}
    assert hottest_sampling([workload((0, 1), (0, 0.5))]) is None
    assert hottest_sampling([]) is None
