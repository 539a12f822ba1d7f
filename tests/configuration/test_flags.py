"""Numbers of commands have the bounds of the configuration's keys."""

from __future__ import annotations

import pytest

from benchmark_runner.configuration.messages import bounded_number
from benchmark_runner.conformance.__main__ import main as conformance
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.imported.__main__ import main as imported


@pytest.mark.parametrize(
    ("flag", "key", "text", "words"),
    [
        (
            "--margin",
            "comparison.margin",
            "3",
            "--margin: 3.0 is not allowed; write a number, at least 0.001, at most 1; 3 %",
        ),
        ("--margin", "comparison.margin", "-0.1", "--margin: -0.1 is not allowed"),
        ("--margin", "comparison.margin", "0", "--margin: 0.0 is not allowed"),
        ("--margin", "comparison.margin", "NaN", "--margin: NaN is not finite"),
        ("--margin", "comparison.margin", "inf", "--margin: inf is not finite"),
        ("--margin", "comparison.margin", "0.0_2", "--margin: '0.0_2' is no number"),
        ("--threads", "system.threads", "\uff11", "--threads: '\uff11' is no number"),
        ("--margin", "comparison.margin", "2%", "--margin: '2%' is no number"),
        ("--confidence-level", "analysis.confidence_level", "99", "; 99 % is 0.99"),
        ("--confidence-level", "analysis.confidence_level", "1", "less than 1"),
        ("--confidence-level", "analysis.confidence_level", "0.1", "at least 0.5"),
        ("--threads", "system.threads", "0", "--threads: 0 is not allowed; write a whole number or null, at least 1"),
        ("--threads", "system.threads", "1.5", "--threads: 1.5 is not allowed; write a whole number"),
    ],
)
def test_a_number_beyond_the_key_s_bounds_is_refused_by_the_flag(flag, key, text, words):
    with pytest.raises(BenchmarkError) as caught:
        bounded_number(flag, key)(text)
    assert words in str(caught.value)


def test_a_number_within_them_is_taken_in_the_key_s_type():
    assert bounded_number("--margin", "comparison.margin")("0.05") == 0.05
    threads = bounded_number("--threads", "system.threads")("8")
    assert threads == 8 and isinstance(threads, int)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (imported, ["--before", "a", "--after", "b", "--out", "c", "--margin", "20"]),
        (imported, ["--before", "a", "--after", "b", "--out", "c", "--confidence-level", "nan"]),
        (
            conformance,
            ["--engine", "a", "--binary", "b", "--model-dir", "c", "--out", "d", "--work", "e", "--threads", "-2"],
        ),
    ],
)
def test_the_stages_refuse_before_they_read_anything(stage, words):
    with pytest.raises(BenchmarkError, match=f"{words[-2]}: {words[-1]}"):
        stage(words)
