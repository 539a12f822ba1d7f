"""What is said to people: a line on a terminal, pipe or file must never fail the work that it tells of.

Nobody may be reading (a closed or broken pipe, a full disk), the encoding may lack a character, and words that come
from engines and files may hold control characters, which a terminal would obey.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unicodedata
from typing import Final, TextIO

_STANDARD_DESCRIPTORS: Final = 3

LONGEST_LINE_CHARACTERS: Final = 1000
"""Of a message: above the longest that all of its words need (chosen)."""


def visible(text: object) -> str:
    """The text with what a terminal would obey or a page would hide as escapes: control characters, bidi marks,
    surrogates. Newlines and tabs stay."""
    words = str(text)
    if words.isprintable():
        return words
    return "".join(
        one
        if one.isprintable() or one in "\n\t" or unicodedata.category(one) == "Zs"
        else one.encode("unicode_escape").decode("ascii")
        for one in words
    )


def printable(text: object) -> str:
    """The text in one line: as visible, newlines and tabs too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def in_line(text: object, most_characters: int = LONGEST_LINE_CHARACTERS) -> str:
    """The text as printable, without its middle where it is longer: place and remedy stand at its ends."""
    line = printable(text)
    half = most_characters // 2
    return line if len(line) <= most_characters else f"{line[:half]}...{line[-half:]}"


class _Descriptor(io.FileIO):
    """A descriptor whose reader may be gone: what it cannot take is lost, as the words are worth less than the work."""

    def write(self, content: object, /) -> int:
        view = memoryview(content)  # type: ignore[arg-type]  # bytes, as of any raw stream
        try:
            written = super().write(view)
        except OSError:
            written = None  # a broken pipe, a full disk
        return view.nbytes if written is None else written


class _Stream(io.TextIOWrapper):
    """A text stream that shows control characters instead of sending them; line ends between lines stay."""

    def write(self, text: str, /) -> int:
        super().write(visible(text))
        return len(text)


def _safe(stream: TextIO | None, descriptor: int) -> TextIO:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    buffer = io.BufferedWriter(_Descriptor(descriptor, "w", closefd=False))
    return _Stream(buffer, encoding=encoding, errors="backslashreplace", line_buffering=True)


def secure_output() -> None:
    """From now on no print of this process can fail, and none sends what a terminal would obey.

    Standard descriptors that are closed lead to nowhere, so that no file that is opened later takes their place.
    Streams that something else has put in place (a test that captures them) are left alone.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < _STANDARD_DESCRIPTORS:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _safe(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _safe(sys.stderr, 2)


def say(words: object) -> None:
    """Progress, on stderr; where nobody reads it, it is lost."""
    with contextlib.suppress(OSError, ValueError):  # a broken pipe, a full disk, a stream that was closed
        print(visible(words), file=sys.stderr, flush=True)
