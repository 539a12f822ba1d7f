"""Where two sequences part, and what that means."""

from __future__ import annotations

import pytest

from benchmark_runner.fidelity.compare import TOLERANCE_BY_DTYPE, Agreement, agreement, judge

MARGINS = [1.0, 0.05, 0.0015, 0.5]


def judged(*engine_ids: list[int], dtype: str = "f32", margins: list[float] | None = MARGINS) -> tuple[str, str]:
    found = [agreement(f"prompt {number}", [5, 6, 7, 8], margins, ids) for number, ids in enumerate(engine_ids)]
    judgement = judge(found, [margins] * len(found), dtype)
    return judgement.result, judgement.reason


def test_the_first_token_that_differs_is_found() -> None:
    assert agreement("p", [5, 6, 7, 8], MARGINS, [5, 6, 9, 8]) == Agreement("p", 2, 4, 0.0015)
    assert agreement("p", [5, 6, 7, 8], MARGINS, [5, 6, 7, 8]) == Agreement("p", 4, 4, None)
    assert agreement("p", [5, 6, 7, 8], None, [4, 6, 7, 8]) == Agreement("p", 0, 4, None)


def test_an_engine_that_stopped_early_parts_where_it_stopped() -> None:
    assert agreement("p", [5, 6, 7, 8], MARGINS, [5, 6]) == Agreement("p", 2, 4, 0.0015)
    assert agreement("p", [5, 6, 7, 8], MARGINS, []) == Agreement("p", 0, 4, 1.0)


def test_all_tokens_agreeing_is_a_pass() -> None:
    result, reason = judged([5, 6, 7, 8], [5, 6, 7, 8])
    assert (result, reason) == ("pass", "all 8 tokens of 2 prompts agree")


def test_a_parting_at_a_narrow_margin_is_rounding() -> None:
    result, reason = judged([5, 6, 7, 8], [5, 6, 0, 0])
    assert result == "rounding"
    assert "1 of 2 prompts" in reason and "0.0015" in reason and "token 3 of 'prompt 1'" in reason


def test_one_wide_margin_among_narrow_ones_is_a_failure() -> None:
    result, reason = judged([5, 6, 0, 0], [5, 0, 0, 0])
    assert result == "fail"
    assert "leads by 0.05, more than the 0.002" in reason


@pytest.mark.parametrize(("dtype", "result"), [("f32", "fail"), ("f16", "rounding"), ("bf16", "rounding")])
def test_the_tolerance_is_that_of_the_engine_s_dtype(dtype: str, result: str) -> None:
    assert judged([5, 0, 0, 0], dtype=dtype)[0] == result


def test_a_margin_at_the_tolerance_is_a_failure() -> None:
    assert judged([5, 0, 0, 0], margins=[1.0, TOLERANCE_BY_DTYPE["f32"], 1.0, 1.0])[0] == "fail"


def test_without_margins_a_parting_cannot_be_judged_but_agreement_can() -> None:
    assert judged([5, 6, 0, 0], margins=None)[0] == "not checkable"
    assert judged([5, 6, 7, 8], margins=None)[0] == "pass"


def test_tokens_after_a_parting_are_not_counted_as_checked() -> None:
    found = [agreement("a", [5, 6, 7, 8], MARGINS, [5, 0, 7, 8]), agreement("b", [5, 6, 7, 8], MARGINS, [5, 6, 7, 8])]
    judgement = judge(found, [MARGINS, MARGINS], "f32")
    assert judgement.tokens_checked == 6
    assert judgement.smallest_margin == 0.0015
    assert judge(found[:1], [MARGINS], "f32").smallest_margin == 0.05


def test_the_file_s_entry_says_where_and_how_wide() -> None:
    assert agreement("p", [5, 6], [1.0, 0.5], [5, 0]).as_json() == {
        "prompt": "p",
        "agreed": 1,
        "of": 2,
        "first_divergence": 1,
        "reference_margin": 0.5,
    }
    assert agreement("p", [5], [1.0], [5]).as_json()["first_divergence"] is None
