"""A file of results that was cut, emptied or replaced by something else is told by its ends."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.jsonio import write_json
from benchmark_runner.records.whole import is_cut


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b'{"a": {}}\n'),
        ("report.html", b"<html></html>"),
        ("iterations.parquet", b"PAR1 columns PAR1"),
        ("latency.png", b"\x89PNG IEND\xaeB`\x82"),
        ("comparison_table.md", b"| a |\n"),
        ("benchmark.log", b"one\ntwo\n"),
    ],
)
def test_a_file_is_whole_to_its_last_byte_alone(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    assert not is_cut(file)
    for length in (0, 1, len(content) - 1):
        file.write_bytes(content[:length])
        assert is_cut(file), length
    file.write_bytes(bytes(len(content)))
    assert is_cut(file)


def test_what_is_not_there_is_not_cut_and_what_is_no_file_is(tmp_path):
    assert not is_cut(tmp_path / "summary.json")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    assert is_cut(tmp_path / "folder.json") and is_cut(tmp_path / "pipe.json")
    write_json(tmp_path / "file.json", {"a": 1})
    assert not is_cut(tmp_path / "file.json" / "below.json")
