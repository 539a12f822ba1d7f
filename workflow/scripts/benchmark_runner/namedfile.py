"""Files that a person names: read or refused in one line; never waited for."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError, lack_of

LARGEST_BYTES: Final = 64 * 2**20
"""Of a file that is held in memory: above any prompt of a million tokens, far below any machine's memory (chosen)."""

RESTORED: Final = "it comes with the workflow: restore it from git"
"""What helps where a file of ours is not in order."""

MARK: Final = "\ufeff"

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe, which can be read only once"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextmanager
def reading() -> Iterator[None]:
    """Tell what the system refuses within as BenchmarkError: only what opens or reads the file belongs here."""
    try:
        yield
    except OSError as error:
        lack = lack_of(error)
        remedy = "check the path and its rights" if lack is None else lack.remedy
        raise BenchmarkError(f"the file cannot be read ({error.strerror}); {remedy}") from None


def _open(path: Path) -> BufferedReader:
    try:
        mode = path.stat().st_mode
    except ValueError:
        raise BenchmarkError("the path holds a character that no file name has; check it") from None
    if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "special")
        raise BenchmarkError(f"it is {kind}, not a file; write the content into a file and name that")
    return path.open("rb")


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A file to read from; raises BenchmarkError that says why where it is none or cannot be opened."""
    with reading():
        file = _open(path)
    with file:
        yield file


def read_named_bytes(path: Path, most_bytes: int = LARGEST_BYTES) -> bytes:
    """Content of a file; raises BenchmarkError as opened does, and where it is too large."""
    with opened(path) as file, reading():
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise BenchmarkError(f"the file is larger than {most_bytes // 2**20} MiB; is it the right one?")
    return content


def decoded(content: bytes) -> str:
    """Text in UTF-8; raises BenchmarkError that names the first byte and line that is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{content[error.start]:02x} in line {line} is not UTF-8"
        raise BenchmarkError(f"{wrong}; save the file in that encoding") from None


def _text(path: Path) -> str:
    text = decoded(read_named_bytes(path))
    if not text:
        raise BenchmarkError("the file is empty; put a text into it")
    return text


def read_named_text(path: Path) -> str:
    """Text of a UTF-8 file, its line ends as they are; raises BenchmarkError as read_named_bytes, or for no text."""
    text = _text(path)
    if text.startswith(MARK):
        raise BenchmarkError("the file begins with a byte order mark, which would be a token; save it without one")
    return text


def read_named_data(path: Path) -> str:
    """The same of a file of data, without the byte order mark that spreadsheets put before it."""
    return _text(path).removeprefix(MARK)


def read_own_text(path: Path) -> str:
    """Text of a file that comes with the workflow; raises BenchmarkError that names it and how to get it again."""
    try:
        return _text(path)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {str(error).partition(';')[0]}; {RESTORED}") from None


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Put the path before the words of each BenchmarkError that is raised within."""
    try:
        yield
    except BenchmarkError as error:
        raise BenchmarkError(f"{str(path)!r}: {error}") from None
