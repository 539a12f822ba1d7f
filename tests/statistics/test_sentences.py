"""Verdicts in words: the numbers shown are those found, the right way round."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmark_runner.display import number_pair
from benchmark_runner.statistics.estimates import Estimate
from benchmark_runner.statistics.evidence import Evidence, Pair
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.schemes import DEFAULT_SCHEME, SCHEMES
from benchmark_runner.statistics.sentences import (
    interval_words,
    sentence,
    shared_clauses,
    without_clauses,
)
from benchmark_runner.statistics.verdicts import Judgement
from benchmark_runner.statistics.wording import qualifier_words

PAIR = Pair("candle", "torch", np.ones(5), np.ones(5), -1.0)
RATIO = Estimate(2.45, 2.31, 2.58, 0.95, "test", 5)
JUDGEMENT = Judgement(
    pair=PAIR,
    evidence=Evidence(None, {}, {}),
    scheme=DEFAULT_SCHEME,
    verdict="meaningfully_faster",
    faster="candle",
    reason=None,
    comparison=None,
    ratio=RATIO,
    p_holm=0.001,
    p_bonferroni={"mann_whitney_u": 0.016},
    equivalence_p=0.9,
    level=0.95,
    alpha=0.04,
)
E2E = BY_NAME["e2e_ms"]


def words_of(name: str, seen: str = "") -> dict[str, str]:
    return {name: qualifier_words(name, seen)}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (2.31, 2.58, ("2.31", "2.58")),
        (0.98, 1.03, ("0.980", "1.03")),
        (1.0004, 1.0121, ("1.0004", "1.0121")),
        (1.004, 1.023, ("1.004", "1.023")),
        (23.04, 23.31, ("23.0", "23.3")),
        (2.0, 2.0, ("2.00", "2.00")),
    ],
)
def test_numbers_have_further_digits_where_three_do_not_tell_them_apart(
    low: float, high: float, expected: tuple[str, str]
) -> None:
    assert number_pair(low, high) == expected


def test_an_interval_without_width_is_one_number() -> None:
    assert interval_words(Estimate(2.0, 2.0, 2.0, 0.95, "test", 5)) == "2.00"


def test_a_certain_order() -> None:
    assert sentence(JUDGEMENT, E2E, {}, None) == (
        "candle answers 2.31 to 2.58 times as fast as torch; the order is certain at the 95 % level; 5 launches each"
    )


def test_the_faster_reference_becomes_the_subject_and_the_ratio_turns() -> None:
    slower = replace(JUDGEMENT, faster="torch", ratio=RATIO.inverted())
    assert sentence(slower, E2E, {}, None).startswith("torch answers 2.31 to 2.58 times as fast as candle;")


@pytest.mark.parametrize(("p_holm", "whose"), [(0.01, "these launches alone"), (0.2, "the spread of all pairs")])
def test_a_moderated_test_alone_or_its_guard_alone_says_which(p_holm: float, whose: str) -> None:
    one = replace(JUDGEMENT, verdict="significant_unconfirmed", scheme=SCHEMES["moderated_t"], p_holm=p_holm)
    assert f"; by {whose} it may be chance; " in sentence(one, E2E, {}, None)


def test_memory_is_told_as_a_share() -> None:
    words = sentence(JUDGEMENT, BY_NAME["peak_rss_bytes"], {}, None)
    assert words.startswith("candle needs 0.388 to 0.433 times the memory of torch;")


def test_one_test_alone_is_a_perhaps() -> None:
    found = replace(JUDGEMENT, verdict="significant_unconfirmed", scheme=SCHEMES["mann_whitney_u"])
    assert sentence(found, E2E, {}, None) == (
        "perhaps candle answers 2.31 to 2.58 times as fast as torch; only one of the two tests calls it a difference; "
        "5 launches each"
    )


def test_a_difference_of_the_size_of_the_controls_is_a_perhaps_that_names_it() -> None:
    found = replace(JUDGEMENT, verdict="significant_unconfirmed", doubted=True)
    words = sentence(found, E2E, words_of("control_differs", "3.5 %"), None)
    assert words == (
        "perhaps candle answers 2.31 to 2.58 times as fast as torch; the control differed by 3.5 %, so this may be the "
        "machine; 5 launches each"
    )


@pytest.mark.parametrize(("doubt", "said"), [(0.035, "3.6 %"), (math.log(2.5), "2.5 times")])
def test_an_order_that_outweighs_the_controls_difference_says_so(doubt: float, said: str) -> None:
    found = replace(JUDGEMENT, pair=replace(PAIR, doubt=doubt))
    assert f"as fast as torch, also allowing for the control's {said}; the order is certain" in sentence(
        found, E2E, {}, None
    )


def test_unpaired_launches_have_weaker_words() -> None:
    found = replace(JUDGEMENT, pair=replace(PAIR, paired=False, reference_values=np.ones(7)))
    words = sentence(found, E2E, words_of("unpaired"), None)
    assert "the order is certain" not in words
    assert "they did not run side by side" in words
    assert words.endswith("5 launches of candle, 7 of torch")


def test_a_flip_by_outliers_is_said() -> None:
    assert "without outliers the verdict is another" in sentence(JUDGEMENT, E2E, words_of("outlier_sensitive"), None)


def test_a_small_but_sure_difference_is_called_small() -> None:
    small = replace(JUDGEMENT, verdict="confirmed_faster", ratio=Estimate(1.01, 1.008, 1.012, 0.95, "t", 5))
    assert "a difference within 2 %" in sentence(replace(small, equivalence_p=0.001), E2E, {}, None)


def test_equivalence() -> None:
    found = replace(JUDGEMENT, verdict="equivalent", faster=None)
    assert sentence(found, E2E, {}, None) == (
        "candle and torch are the same within 2 % in end-to-end latency; 5 launches each"
    )


def test_not_told_apart_says_what_would_have_been_seen() -> None:
    near = Estimate(1.0, 0.95, 1.05, 0.95, "test", 5)
    found = replace(JUDGEMENT, verdict="inconclusive", faster=None, ratio=near)
    assert sentence(found, E2E, {}, 1.08) == (
        "end-to-end latency of candle and torch cannot be told apart; candle answers 0.950 to 1.05 times as fast as "
        "torch; a difference below 8 % would mostly go unseen; 5 launches each"
    )


@pytest.mark.parametrize(("low", "high", "said"), [(0.95, 0.99, True), (1.01, 1.05, True), (0.99, 1.05, False)])
def test_an_interval_without_1_that_makes_no_verdict_is_explained(low: float, high: float, said: bool) -> None:
    found = replace(
        JUDGEMENT, verdict="inconclusive", faster=None, ratio=Estimate((low + high) / 2, low, high, 0.95, "test", 5)
    )
    assert ("after correction the difference may be chance" in sentence(found, E2E, {}, None)) is said


def test_no_verdict_says_why_and_what_was_seen() -> None:
    found = replace(JUDGEMENT, verdict="untestable", faster=None, reason="too few launches: 3")
    assert sentence(found, E2E, {}, None) == (
        "candle against torch, end-to-end latency: no verdict, since too few launches: 3 "
        "(candle answers 2.31 to 2.58 times as fast as torch so far)"
    )
    assert "so far" not in sentence(replace(found, ratio=None), E2E, {}, None)


def test_every_metric_has_a_sentence_about_a_ratio() -> None:
    for metric in BY_NAME.values():
        assert "candle" in sentence(JUDGEMENT, metric, {}, None)


def test_what_all_sentences_of_a_table_say_is_told_once_and_of_a_single_one_nothing_is_left_out() -> None:
    told = ["a is faster than b; sure; 9 launches each", "c and b cannot be told apart; 9 launches each"]
    shared = shared_clauses(told)
    assert shared == ["9 launches each"]
    assert [without_clauses(one, shared) for one in told] == [
        "a is faster than b; sure",
        "c and b cannot be told apart",
    ]
    assert shared_clauses(told[:1]) == []
