"""Files that stages made: read, or named in one line whatever lies in their place."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda _: None, "is missing; run the stage that makes it again"),
        (os.mkfifo, "is no file but a pipe or a device; move it away"),
        (os.mkdir, r"cannot be read \(Is a directory\); move it away"),
        (lambda file: file.symlink_to(file.name), "cannot be read .*symbolic links.*; move it away"),
        (lambda file: file.write_bytes(b"\xff"), "is not valid JSON .*; move it away"),
        (lambda file: file.write_text("[" * 99_999), "is not valid JSON .*; move it away"),
        (lambda file: file.write_text('{"a": -Infinity}'), r"is not valid JSON \(-Infinity is no number"),
        (lambda file: file.write_text('{"a": "\\uD83d"}'), "is not valid JSON .*surrogates not allowed"),
        (lambda file: file.write_text("9" * 9_999), "is not valid JSON .*; move it away"),
        (
            lambda file: file.write_text('{"a": 18446744073709551616}'),
            "is not valid JSON .*no whole number of 64",
        ),
        (lambda file: file.write_text("[-9223372036854775809]"), "is not valid JSON .*no whole number of 64"),
        (lambda file: file.write_text('{"a": [1e999]}'), r"is not valid JSON \(1e999 is larger than a number can be"),
    ],
)
def test_what_is_no_json_of_a_stage_is_named_in_one_line_and_not_waited_for(tmp_path, made, words):
    made(tmp_path / "plan.json")
    with pytest.raises(BenchmarkError, match=rf"plan\.json {words}") as error:
        read_json(tmp_path / "plan.json")
    assert "\n" not in str(error.value)


def test_the_largest_numbers_are_read(tmp_path):
    (tmp_path / "plan.json").write_text("[18446744073709551615, -9223372036854775808, 1e308]")
    assert read_json(tmp_path / "plan.json") == [2**64 - 1, -(2**63), 1e308]
