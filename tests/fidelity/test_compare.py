"""Where an engine parts from the reference, and what that means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark_runner.fidelity.compare import (
    TOLERANCES,
    Agreement,
    Distance,
    Parting,
    distance,
    forced_partings,
    free_parting,
    judge_ids,
    judge_logits,
    kl_divergence,
)

REFERENCE = [5, 6, 7, 8]
MARGINS = [1.0, 0.05, 0.0015, 0.5]


def agreement(
    name: str,
    engine_ids: list[int],
    forced_ids: list[int] | None = None,
    margins: list[float] | None = MARGINS,
    distance: Distance | None = None,
) -> Agreement:
    parting = free_parting(REFERENCE, margins, engine_ids)
    return Agreement(
        prompt=name,
        prompt_tokens=3,
        agreed=4 if parting is None else parting.step,
        of=4,
        free=parting,
        forced=None if forced_ids is None else forced_partings(REFERENCE, margins, forced_ids),
        distance=distance,
    )


def judged(*engine_ids: list[int], dtype: str = "f32", margins: list[float] | None = MARGINS) -> tuple[str, str]:
    found = [agreement(f"prompt {number}", ids, margins=margins) for number, ids in enumerate(engine_ids)]
    judgement = judge_ids(found, dtype)
    return judgement.result, judgement.reason


def test_the_first_token_that_differs_is_found() -> None:
    assert free_parting(REFERENCE, MARGINS, [5, 6, 9, 8]) == Parting(2, 0.0015)
    assert free_parting(REFERENCE, MARGINS, REFERENCE) is None
    assert free_parting(REFERENCE, None, [4, 6, 7, 8]) == Parting(0, None)


def test_an_engine_that_stopped_early_parts_where_it_stopped() -> None:
    assert free_parting(REFERENCE, MARGINS, [5, 6]) == Parting(2, 0.0015)
    assert free_parting(REFERENCE, MARGINS, []) == Parting(0, 1.0)


def test_every_token_that_differs_under_teacher_forcing_is_found() -> None:
    assert forced_partings(REFERENCE, MARGINS, [5, 0, 7, 0]) == (Parting(1, 0.05), Parting(3, 0.5))
    assert forced_partings(REFERENCE, MARGINS, REFERENCE) == ()


def test_all_tokens_agreeing_is_a_pass() -> None:
    assert judged(REFERENCE, REFERENCE) == ("pass", "all 8 tokens of 2 prompts agree")


def test_a_parting_at_a_narrow_margin_is_rounding() -> None:
    result, reason = judged(REFERENCE, [5, 6, 0, 0])
    assert result == "rounding"
    assert "1 of 2 prompts" in reason and "0.0015" in reason and "token 3 of 'prompt 1'" in reason


def test_one_wide_margin_among_narrow_ones_is_a_failure() -> None:
    result, reason = judged([5, 6, 0, 0], [5, 0, 0, 0])
    assert result == "fail"
    assert "leads by 0.05, more than the 0.002" in reason


def test_teacher_forcing_shows_what_a_rounding_hides() -> None:
    assert judge_ids([agreement("p", [5, 6, 0, 0], [5, 6, 0, 8])], "f32").result == "rounding"
    hidden = judge_ids([agreement("p", [5, 6, 0, 0], [5, 6, 0, 0])], "f32")
    assert hidden.result == "fail"
    assert "token 4 of 'p' the reference's best token leads by 0.5" in hidden.reason


@pytest.mark.parametrize(("dtype", "result"), [("f32", "fail"), ("f16", "rounding"), ("bf16", "rounding")])
def test_the_tolerance_is_that_of_the_engine_s_dtype(dtype: str, result: str) -> None:
    assert judged([5, 0, 0, 0], dtype=dtype)[0] == result


def test_a_margin_at_the_tolerance_is_a_failure() -> None:
    assert judged([5, 0, 0, 0], margins=[1.0, TOLERANCES["f32"].margin, 1.0, 1.0])[0] == "fail"


def test_without_margins_a_parting_cannot_be_judged_but_agreement_can() -> None:
    assert judged([5, 6, 0, 0], margins=None)[0] == "not checkable"
    assert judged(REFERENCE, margins=None)[0] == "pass"


def test_tokens_after_a_parting_count_as_checked_only_under_teacher_forcing() -> None:
    assert agreement("p", [5, 0, 7, 8]).checked == 2
    assert agreement("p", [5, 0, 7, 8], [5, 0, 7, 8]).checked == 4
    assert agreement("p", REFERENCE).checked == 4


def test_logits_further_off_than_rounding_takes_them_are_a_failure() -> None:
    limit = TOLERANCES["f32"]
    near = Distance(max_abs=limit.logits_max, mean_abs=limit.logits_mean, kl_mean=0.0, kl_max=0.0)
    assert judge_logits([agreement("p", REFERENCE, REFERENCE)], "f32") is None
    fine = judge_logits([agreement("p", REFERENCE, REFERENCE, distance=near)], "f32")
    assert fine is not None and fine.result == "pass"
    for key in ("max_abs", "mean_abs"):
        far = Distance(**{**vars(near), key: 2 * getattr(near, key)})
        found = judge_logits([agreement("p", REFERENCE, REFERENCE, distance=far)], "f32")
        assert found is not None and found.result == "fail"
        assert "logits after 'p' lie" in found.reason
        other = judge_logits([agreement("p", REFERENCE, REFERENCE, distance=far)], "bf16")
        assert other is not None and other.result == "pass"


def test_the_file_s_entry_says_where_and_how_wide() -> None:
    assert agreement("p", [5, 6, 0, 0], [5, 0, 0, 8]).as_json() == {
        "prompt": "p",
        "prompt_tokens": 3,
        "agreed": 2,
        "of": 4,
        "first_divergence": 2,
        "reference_margin": 0.0015,
        "forced_divergences": 2,
        "widest_margin": 0.05,
        "logits": None,
    }
    assert agreement("p", REFERENCE).as_json()["first_divergence"] is None


def test_differences_are_those_of_single_logits() -> None:
    reference = np.array([[1, 2, 3], [0, 0, 0]], dtype=np.float32)
    found = distance(reference, reference + np.array([[0, 0, 0.6], [0, 0, 0]], dtype=np.float32))
    assert found.max_abs == pytest.approx(0.6)
    assert found.mean_abs == pytest.approx(0.1)


def test_the_divergence_is_that_of_two_coins() -> None:
    # KL of (1/4, 3/4) from (1/2, 1/2): ln 2 / 2 + ln(2/3) / 2.
    reference, engine = np.zeros((1, 2), np.float32), np.array([[0, math.log(3)]], np.float32)
    assert kl_divergence(reference, engine)[0] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))


def test_a_shift_of_all_logits_is_no_divergence() -> None:
    reference = np.array([[1, 2, 300]], dtype=np.float32)
    found = distance(reference, reference + 5)
    assert found.kl_max == pytest.approx(0, abs=1e-9)
    assert found.max_abs == 5


def test_other_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="logits of the engine against"):
        distance(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32))
