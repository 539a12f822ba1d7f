"""Prompts that an engine has seen against new ones; all times are scripted."""

from __future__ import annotations

from typing import Any

from benchmark_runner.fidelity.reuse import judge_reuse


def events(*ttft_ms: float) -> list[dict[str, Any]]:
    """Each new prompt's time and then its own again."""
    return [{"start_ns": 1_000, "token_ns": [1_000 + round(ms * 1e6)]} for ms in ttft_ms]


def test_a_known_prompt_that_costs_the_same_passes() -> None:
    found = judge_reuse(events(100, 300, 180, 95, 105, 100))
    assert (found.result, found.fresh_ms, found.repeated_ms) == ("pass", 100, 95)


def test_a_known_prompt_that_costs_a_fraction_fails() -> None:
    found = judge_reuse(events(100, 9, 180, 12, 105, 10))
    assert found.result == "fail"
    assert (
        found.reason
        == "a prompt that it has seen takes 9 % of the time of a new one: something is kept between requests"
    )


def test_times_too_short_to_tell_and_missing_prompts_are_not_checkable() -> None:
    assert judge_reuse(events(1.0, 0.1)).result == "not checkable"
