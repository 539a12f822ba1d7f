"""Files that a person names are read whole or refused in one line; nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import file_sha256
from benchmark_runner.namedfile import opened, read_named_bytes, read_named_data, read_named_text, read_own_text


@pytest.mark.parametrize("content", ["one\r\ntwo\r\n", "old\rmac\r", "a\nb", " \u2028 \x0b"])
def test_a_text_is_what_its_bytes_say_whatever_ends_its_lines(tmp_path, content):
    (tmp_path / "p.txt").write_bytes(content.encode())
    assert read_named_text(tmp_path / "p.txt") == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty; put a text into it"),
        (b"ok\ncaf\xe9", "byte 0xe9 in line 2 is not UTF-8; save the file in that encoding"),
        ("Hi".encode("utf-16"), "is not UTF-8"),
        (b"\xef\xbb\xbfHi", "begins with a byte order mark"),
        (b"\xed\xa0\xbd", "is not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_with_the_remedy(tmp_path, content, words):
    (tmp_path / "p.txt").write_bytes(content)
    with pytest.raises(BenchmarkError, match=words):
        read_named_text(tmp_path / "p.txt")


def test_data_may_have_the_mark_that_spreadsheets_write(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n")
    assert read_named_data(tmp_path / "p.csv") == "a,b\r\n"
    (tmp_path / "p.csv").write_bytes(b"")
    with pytest.raises(BenchmarkError, match="the file is empty"):
        read_named_data(tmp_path / "p.csv")


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def a_link_to_a_pipe(folder: Path) -> Path:
    (folder / "link").symlink_to(a_pipe(folder))
    return folder / "link"


def a_large_file(folder: Path) -> Path:
    with (folder / "large").open("wb") as file:
        file.truncate(2**40)
    return folder / "large"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda folder: folder, "it is a folder, not a file"),
        (a_pipe, "it is a pipe, which can be read only once, not a file"),
        (a_link_to_a_pipe, "it is a pipe"),
        (lambda _: Path("/dev/zero"), "it is a device, not a file"),
        (a_large_file, "the file is larger than 64 MiB"),
        (lambda folder: folder / "nothing", "cannot be read \\(No such file or directory\\)"),
        (lambda folder: folder / ("n" * 300), "cannot be read \\(File name too long\\)"),
        (lambda folder: folder / "n\0", "a character that no file name has"),
    ],
)
def test_what_is_no_file_of_a_size_to_read_is_named_for_what_it_is(tmp_path, made, words):
    with pytest.raises(BenchmarkError, match=words):
        read_named_bytes(made(tmp_path))


def test_a_file_of_the_workflow_s_own_is_told_with_its_path_and_how_to_get_it_again(tmp_path):
    with pytest.raises(BenchmarkError, match=r"/pipe: it is a pipe, which .*, not a file; .* restore it"):
        read_own_text(a_pipe(tmp_path))


def test_what_is_hashed_is_a_file_that_can_be_read_or_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match="/pipe': it is a pipe"):
        file_sha256(a_pipe(tmp_path))
    with pytest.raises(BenchmarkError, match=r"/nothing': the file cannot be read \(No such file or directory\)"):
        file_sha256(tmp_path / "nothing")


def test_what_fails_beside_an_open_file_is_not_told_of_it(tmp_path):
    (tmp_path / "p.txt").write_text("Hi")
    with pytest.raises(ConnectionResetError, match="somebody else"), opened(tmp_path / "p.txt"):
        raise ConnectionResetError("somebody else")


def test_a_file_that_opens_and_cannot_be_read_is_told():
    with pytest.raises(BenchmarkError, match="the file cannot be read \\(Input/output error\\)"):
        read_named_bytes(Path("/proc/self/mem"))
