"""Errors that a user can act on."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from typing import Final

from benchmark_runner.terminal import secure_output

DISK_IS_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of the errors of a disk, or of a user's share of it, that can take no more."""


class BenchmarkError(Exception):
    """A problem whose message names what is wrong, where, and the remedy; shown without a traceback."""


def exit_status(stage: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run one stage's main; a BenchmarkError or a full disk becomes one message on stderr and exit status 1.

    Whatever becomes of stdout and stderr, what the stage prints cannot fail it.
    """
    secure_output()
    try:
        return stage(argv)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        print(f"error: {no_room(error, error.filename or 'a file of this stage')}", file=sys.stderr)
        return 1


def no_room(error: OSError, name: object) -> str:
    """What to say of a write that found the disk full; name is what was written."""
    return f"{name}: {error.strerror}; free space on that disk and run the same command again"
