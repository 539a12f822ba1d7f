"""Is a file there to its end? Told by its first and last bytes, so that ten thousand of them cost little."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_ENDS: Final[Mapping[str, bytes]] = {
    ".json": b"}\n",
    ".html": b"</html>",
    ".parquet": b"PAR1",
    ".png": b"IEND\xaeB`\x82",
}
"""Last bytes by suffix; every other file that the workflow makes is text, whose last line has an end."""

_HEAD_BYTES: Final = 4096


class Ends(NamedTuple):
    """First bytes of a file, and whether its last ones are those of a whole one."""

    head: bytes
    whole: bool


def ends_of(path: Path) -> Ends | None:
    """Both ends of a file; None where there is nothing. What is no regular file is not whole."""
    try:
        # A pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return Ends(b"", whole=False)
    try:
        state, end = os.fstat(descriptor), _ENDS.get(path.suffix, b"\n")
        if not stat.S_ISREG(state.st_mode) or state.st_size < len(end):
            return Ends(b"", whole=False)
        last = os.pread(descriptor, len(end), state.st_size - len(end))
        return Ends(os.pread(descriptor, _HEAD_BYTES, 0), last == end)
    finally:
        os.close(descriptor)


def is_cut(path: Path) -> bool:
    """Whether there is a file without its end: emptied, cut, or something else in its place."""
    ends = ends_of(path)
    return ends is not None and not ends.whole
