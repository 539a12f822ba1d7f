"""Times of unequal work are never compared without a word: shorter answers and longer prompts win nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.statistics.work import Work, apart, odd_ones, unequal, work_words
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, run_analysis, write_inputs

SPREAD: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
TORCH = ScriptedEngine("torch", **SPREAD)
CANDLE = ScriptedEngine("candle", **SPREAD)
BURN = ScriptedEngine("burn", ttft_ms=15.0, itl_ms=7.5, **SPREAD)


def shorten(launch: dict[str, Any], tokens: int, *, every: int = 1) -> None:
    """End every so many answers after so many tokens, by the end-of-text token that the spec then heeds."""
    for case in launch["spec"]["cases"]:
        case["ignore_eos"] = False
    for one in launch["iterations"][::every]:
        ids = [*one["token_ids"][: tokens - 1], launch["spec"]["cases"][0]["eos_ids"][0]]
        one |= {"token_ids": ids, "token_ns": one["token_ns"][:tokens], "finish": "eos"}
        one["end_ns"] = one["token_ns"][-1]


def _analysed(folder: Path, engines: list[ScriptedEngine], edit: Any, **options: Any) -> tuple[Any, Any, str]:
    """(statistics, summary, table) of six launches whose records of candle were edited."""
    raw, plan = make_raw_data(engines, launches=6, output_dir=str(folder), **options)
    for launch in raw["candle"]["launches"]:
        edit(launch)
    write_inputs(folder, engines, raw, plan)
    run_analysis(folder, engines, plan)
    statistics = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    return statistics, json.loads((folder / "summary.json").read_text()), (folder / "comparison_table.md").read_text()


def _of(statistics: Any, metric: str, engine: str = "candle", reference: str = "torch") -> Any:
    return next(
        one
        for one in statistics["comparisons"]
        if (one["metric"], one["engine"], one["reference"]) == (metric, engine, reference)
    )


def test_half_the_answer_makes_no_faster_engine(tmp_path: Path) -> None:
    statistics, summary, table = _analysed(tmp_path, [TORCH, CANDLE, BURN], lambda launch: shorten(launch, 5))
    one = _of(statistics, "e2e_ms")
    assert (one["verdict"], one["faster"], one["ratio"]) == ("untestable", None, None)
    assert one["reason"].startswith("candle computed 5 answer tokens an iteration and torch 11")
    assert "unequal_work" in one["qualifiers"] and "as fast as" not in one["sentence"]
    per_token = _of(statistics, "tpot_ms")
    assert per_token["ratio"] is not None and "unequal_work" in per_token["qualifiers"]
    assert "candle computed 5 answer tokens an iteration and torch 11" in per_token["sentence"]
    assert summary["comparison_matrix"]["candle"]["speedup"] is None
    assert summary["summary"]["fastest_engine"] == "burn" and summary["summary"]["best_latency_engine"] == "burn"
    assert "candle is left out: it computed 5 answer tokens" in summary["summary"]["recommendation"]
    assert "| answer tokens * | 11 | 5 | 11 |" in table
    assert "unequal_work" in {warning["kind"] for warning in statistics["warnings"]}


def test_a_longer_prompt_withholds_the_first_token_too_and_keeps_the_rates_per_token(tmp_path: Path) -> None:
    def template(launch: dict[str, Any]) -> None:
        for one in launch["iterations"]:
            one["used_prompt_ids"] = list(range(43))

    statistics, _, table = _analysed(tmp_path, [TORCH, CANDLE], template)
    withheld = {
        metric: _of(statistics, metric)["ratio"] is None for metric in ("e2e_ms", "ttft_ms", "total_tokens_per_s")
    }
    assert set(withheld.values()) == {True}
    assert all(
        _of(statistics, metric)["ratio"] for metric in ("tpot_ms", "decode_tokens_per_s", "prefill_tokens_per_s")
    )
    assert "43 prompt tokens" in _of(statistics, "prefill_tokens_per_s")["sentence"]
    assert "settings differ: prompt tokens 43 / 8" in _of(statistics, "e2e_ms")["footnote"]
    assert "| prompt tokens * | 8 | 43 |" in table


def test_a_difference_within_the_margin_is_a_qualifier_and_withholds_nothing(tmp_path: Path) -> None:
    workload = ScriptedWorkload(iterations=20, warmups=0)
    edit = lambda launch: shorten(launch, 10, every=20)  # noqa: E731
    statistics, summary, _ = _analysed(tmp_path, [TORCH, CANDLE], edit, workloads=[workload])
    one = _of(statistics, "e2e_ms")
    assert one["ratio"] is not None and "unequal_work" in one["qualifiers"]
    assert "candle computed 10.95 answer tokens an iteration and torch 11" in one["sentence"]
    assert summary["comparison_matrix"]["candle"]["speedup"] is not None


def test_equal_work_has_no_row_and_no_word(tmp_path: Path) -> None:
    statistics, _, table = _analysed(tmp_path, [TORCH, CANDLE], dict.copy)
    assert "unequal_work" not in _of(statistics, "e2e_ms")["qualifiers"] and "answer tokens" not in table
    cell = next(one for one in statistics["cells"] if one["case"])
    assert (cell["prompt_tokens"], cell["answer_tokens"]) == (8, 11)


@pytest.mark.parametrize(
    ("a", "b", "differ", "too_far"),
    [
        (Work(5, 16), Work(5, 16), [], []),
        (Work(5, 16), Work(5, 15.9), ["answer"], []),
        (Work(43, 16), Work(5, 16), ["prompt"], ["prompt"]),
        (Work(43, 16), Work(5, 8), ["prompt", "answer"], ["prompt", "answer"]),
        (Work(5, 0), Work(5, 16), ["answer"], ["answer"]),
    ],
)
def test_work_is_told_apart_at_all_and_beyond_the_margin(
    a: Work, b: Work, differ: list[str], too_far: list[str]
) -> None:
    assert (unequal(a, b), apart(a, b)) == (differ, too_far)
    assert (unequal(b, a), apart(b, a)) == (differ, too_far)


def test_the_odd_one_is_whoever_does_not_as_most_do() -> None:
    done = {"torch": Work(43, 16), "a": Work(5, 16), "b": Work(5, 16)}
    assert list(odd_ones(done, "torch")) == ["torch"]
    assert list(odd_ones({name: done[name] for name in ("torch", "a")}, "torch")) == ["a"]
    assert odd_ones({}, "torch") == {}
    assert work_words(("x", "y"), (Work(43, 16), Work(5, 8)), ("prompt", "answer")) == (
        "x computed 43 prompt tokens an iteration and y 5, 16 answer tokens an iteration and y 8"
    )
