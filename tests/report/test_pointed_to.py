"""The configuration that a quick look points to may be any file: the page does without it."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.report.__main__ import pointed_to


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "comprehensive.yaml:1: the file holds nothing"),
        (b"benchmark: {launches: [1", "comprehensive.yaml:1: this is not YAML"),
        (b"benchmark: {launches: many}", "the configuration has 5 problems"),
        (None, "comprehensive.yaml: it is a pipe"),
    ],
)
def test_a_comprehensive_configuration_that_is_not_in_order_costs_a_quick_look_its_sentence_alone(
    tmp_path, capsys, content, words
):
    path = tmp_path / "comprehensive.yaml"
    path.write_bytes(content) if content is not None else os.mkfifo(path)
    assert pointed_to(path) is None
    assert words in capsys.readouterr().err
