"""A file of results that was cut, emptied or replaced by something else is told by its ends."""

from __future__ import annotations

import json
import os

import pytest

from benchmark_runner.jsonio import write_json
from benchmark_runner.records.checksum import write_record
from benchmark_runner.records.whole import DAMAGED, is_cut, words_of


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b'{"a": {}, "b": 5}\n'),
        ("report.html", b"<html></html>"),
        ("iterations.parquet", b"PAR1 columns PAR1"),
        ("latency.png", b"\x89PNG IEND\xaeB`\x82"),
        ("latency.svg", b"<svg></svg>\n"),
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


@pytest.mark.parametrize("left", ["{}\n", '{"a": {}}\n', "null}\n"])
def test_an_object_that_was_emptied_is_no_document(tmp_path, left):
    (tmp_path / "prompts.json").write_text(left)
    assert is_cut(tmp_path / "prompts.json")


def test_what_is_not_there_is_not_cut_and_what_is_no_file_is(tmp_path):
    assert not is_cut(tmp_path / "summary.json")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    assert is_cut(tmp_path / "folder.json") and is_cut(tmp_path / "pipe.json")
    write_json(tmp_path / "file.json", {"a": 1})
    assert not is_cut(tmp_path / "file.json" / "below.json")


def test_a_record_that_is_broken_between_its_ends_is_damaged_and_one_that_was_edited_or_laid_out_anew_is_not(tmp_path):
    memory, record = tmp_path / "memory.json", tmp_path / "record.json"
    content = {"attempt": 1, "status": "ok", "iterations": [{"token_ns": list(range(2000))}], "timing": {}}
    write_record(record, content)
    sound = record.read_bytes()
    missing = str(tmp_path / "none" / "record.json")
    assert words_of([str(record), missing], memory) == {str(record): "ok"}
    breaks = {b" 900,": b" 9\x000,", b" 901,": b" 901 ", b"timing": b"tim\xffng", b"[0, 1": b"(0, 1"}
    for old, new in breaks.items():
        record.write_bytes(sound.replace(old, new))
        assert words_of([str(record)], memory) == {str(record): DAMAGED}, new
    record.write_bytes(sound.replace(b" 900,", b" 800,"))  # edited: whoever collects it says so
    assert words_of([str(record)], memory) == {str(record): "ok"}
    record.write_text(json.dumps(json.loads(sound), indent=1) + "\n")
    assert words_of([str(record)], memory) == {str(record): "ok"}
    record.write_bytes(sound)
    assert words_of([str(record)], memory) == {str(record): "ok"}


def test_a_record_is_read_again_only_where_it_changed(tmp_path, monkeypatch):
    memory, record = tmp_path / "memory.json", tmp_path / "record.json"
    write_record(record, {"attempt": 1, "status": "ok"})
    words_of([str(record)], memory)
    asked = []
    monkeypatch.setattr("benchmark_runner.records.whole.is_damaged", asked.append)
    words_of([str(record)], memory)
    assert asked == []
    record.write_bytes(record.read_bytes().replace(b"ok", b"no"))
    words_of([str(record)], memory)
    assert asked == [record]


@pytest.mark.parametrize(("content", "word"), [({"attempt": 2, "status": "failed"}, "failed"), ({"seen": "no"}, "")])
def test_a_record_that_is_whole_is_known_by_its_status(tmp_path, content, word):
    record = tmp_path / "record.json"
    write_record(record, content)
    assert words_of([str(record)], tmp_path / "memory.json") == {str(record): word}
