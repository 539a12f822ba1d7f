"""Files that are no configuration at all are named with line and remedy; a key that stands twice is found anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark_runner.configuration.files import UnreadableFileError, read_document, require_readable, shown_path
from benchmark_runner.terminal import LONGEST_LINE_CHARACTERS


def written(folder: Path, content: bytes) -> Path:
    file = folder / "mine.yaml"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"benchmark:\n  name: [x\n  seed: 1\n", "mine.yaml:3: this is not YAML: expected ',' or ']'"),
        (b"benchmark:\n\tname: x\n", "mine.yaml:2: this is not YAML: found character '\\t'"),
        (b"benchmark:\n\tname: x\n", "indent with spaces, not tabs"),
        (b'benchmark:\n  name: "x\n', "check brackets, quotes, colons"),
        (b"a: 1\nb: 2\x00\n", "mine.yaml:2: character U+0000 is none that YAML allows; leave it out"),
        (b"a: *" + b"n" * 5000 + b"\n", "n'; check brackets, quotes, colons"),
        (b"benchmark:\n  name: caf\xe9\n", "mine.yaml:2: byte 0xe9 is not UTF-8; save the file in the encoding UTF-8"),
        ("benchmark: 1".encode("utf-16"), "mine.yaml:1: byte 0xff is not UTF-8"),
        (b"- a\n- b\n", "mine.yaml:1: the file holds a list; a map of keys belongs here"),
        (b"hello\n", "the file holds a single value"),
        (b"", "the file holds nothing"),
        (b"a: 1\nb:\n  - !secret x\n", "mine.yaml:3: 'x' is no value of YAML's type !secret; write it in quotes"),
        (
            b"a: 1\nb: {seed: 010}\n",
            "mine.yaml:2: '010' is 8 to YAML, which reads it in octal; write decimals, or text in quotes",
        ),
        (
            b"a: 1:30\n",
            "mine.yaml:1: '1:30' is 90 to YAML, which reads it by sixties; write decimals, or text in quotes",
        ),
        (b"a: {when: 2026-02-31}\n", "mine.yaml:1: '2026-02-31' is no value of YAML's type timestamp"),
        (b"a: !!python/object:os.error {}\n", "is a tag that has no meaning here; leave it out"),
        (b"a: !!seq {b: 1}\n", "'tag:yaml.org,2002:seq' is a tag that has no meaning here; leave it out"),
        (b"a: !!map b\n", "mine.yaml:1: 'b' is no value of YAML's type map; write it in quotes"),
        (b"a: !!set b\n", "mine.yaml:1: 'b' is no value of YAML's type set"),
        (b"!!set {a, b}\n", "'tag:yaml.org,2002:set' is a tag that has no meaning here; leave it out"),
        (b"a: !!bool perhaps\n", "mine.yaml:1: 'perhaps' is no value of YAML's type bool; write it in quotes"),
        (b"a: !!timestamp soon\n", "mine.yaml:1: 'soon' is no value of YAML's type timestamp"),
        (b'a: !!int ""\n', "mine.yaml:1: '' is no value of YAML's type int"),
        (b"? [a, b]\n: 1\n", "mine.yaml:1: a key is a list or a map; write a text"),
        (b"a: {<<: 1}\n", "mine.yaml:1: << takes keys over from a map"),
        (b"x: 1\na: &a\n  inside: *a\n", "mine.yaml:2: a: it holds an alias (*) of itself"),
        (b"a: " + b"[" * 70 + b"]" * 70, "a: it is nested more than 64 levels deep"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "it is nested more than 64 levels deep"),
    ],
)
def test_a_file_that_is_no_configuration_is_named_with_line_and_remedy(tmp_path, monkeypatch, content, expected):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableFileError) as caught:
        read_document(written(tmp_path, content))
    assert expected in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) <= LONGEST_LINE_CHARACTERS + len("...")


def doubling(levels: int, merged: bool = False) -> bytes:
    """YAML of a line a level, each of which holds the one before twice, as two items or as keys merged twice."""
    lines = ["l0: &l0 {k: v}" if merged else "l0: &l0 [x, y]"]
    pair = "{{<<: [*l{0}, *l{0}], k{1}: v}}" if merged else "[*l{0}, *l{0}]"
    lines += [f"l{level}: &l{level} " + pair.format(level - 1, level) for level in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("merged", [False, True])
def test_aliases_that_stand_for_more_than_can_be_walked_are_counted_without_a_walk(tmp_path, merged):
    read_document(written(tmp_path, doubling(10, merged)))
    with pytest.raises(UnreadableFileError, match=r"mine\.yaml:\d+: l\d+: it stands for [\d,]{7,} values once its"):
        read_document(written(tmp_path, doubling(45, merged)))


def test_an_alias_of_a_long_text_counts_by_its_length(tmp_path):
    text = "t: &t " + "x" * 100_000 + "\nl: [" + ", ".join(["*t"] * 2000) + "]\n"
    with pytest.raises(UnreadableFileError, match=r"l: it stands for 78\d,\d{3} values"):
        read_document(written(tmp_path, text.encode()))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UnreadableFileError, match=r"pipe\.yaml: it is a pipe"):
        read_document(tmp_path / "pipe.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_document(tmp_path / "nowhere.yaml")


def test_a_key_that_stands_twice_is_found_at_any_depth(tmp_path):
    text = "a: 1\nb:\n  c: 1\n  d: {x: 1, x: 2}\n  c: 2\ne:\n  - f: 1\n    f: 2\na: 2\n"
    problems = read_document(written(tmp_path, text.encode())).problems
    assert [(problem.line, problem.message.split(":")[0]) for problem in problems] == [
        (4, "b.d.x"),
        (5, "b.c"),
        (8, "e[0].f"),
        (9, "a"),
    ]
    assert problems[-1].message.endswith("the key stands twice, first in line 1; remove one of the two")


def test_json_with_tabs_is_looked_at_as_any_other_file_is(tmp_path):
    problems = read_document(written(tmp_path, b'{"a":\n\t{"name": "x",\n\t"name": "y"}}')).problems
    assert [(problem.line, problem.message.split(":")[0]) for problem in problems] == [(3, "a.name")]
    for depth in (70, 700):
        with pytest.raises(UnreadableFileError, match="it is nested more than 64 levels deep"):
            read_document(written(tmp_path, b'{"a":\n\t' + b"[" * depth + b"]" * depth + b"}"))


@pytest.mark.parametrize(
    "content", [b'{"a":\n\t' + b"9" * 5000 + b"}", b'{"a":\n\t' + b"[" * 9999 + b"]" * 9999 + b"}"]
)
def test_json_with_tabs_that_nobody_can_read_is_told_in_one_line(tmp_path, content):
    with pytest.raises(UnreadableFileError, match=r"mine\.yaml:2: this is not YAML"):
        read_document(written(tmp_path, content))


@pytest.mark.parametrize("content", [b'{"benchmark":\n\t{"name": "x"}}', b"\xef\xbb\xbfbenchmark: {}\n"])
def test_json_with_tabs_and_a_byte_order_mark_are_no_problem(tmp_path, content):
    assert read_document(written(tmp_path, content)).problems == []


def test_paths_below_the_present_folder_are_shown_relative(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path / "config")
    assert shown_path(tmp_path / "config" / "a.yaml") == "a.yaml"
    assert shown_path(tmp_path / "b.yaml") == str(tmp_path / "b.yaml")


@pytest.mark.parametrize("option", ["--configfile", "--configfiles"])
def test_a_command_line_that_names_an_unreadable_file_ends_with_one_message(tmp_path, repository, option):
    sound, broken = str(repository / "config" / "config.yaml"), str(written(tmp_path, b"- a\n"))
    require_readable(["--cores", "1", "doctor"])
    require_readable(["--cores", "1", option, sound, "-n"])
    with pytest.raises(SystemExit, match=r"error: .*mine.yaml:1: the file holds a list"):
        require_readable(["report", option, sound, broken, "--config", "a=b"])
    with pytest.raises(SystemExit, match="holds a list"):
        require_readable([f"{option}={broken}"])
