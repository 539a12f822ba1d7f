"""Errors that a user can act on."""

from __future__ import annotations

import errno
import os
import reprlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmark_runner.terminal import secure_output

DISK_IS_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors of a disk, of a user's share of it, or of a limit on files (ulimit -f), that takes no more."""

NOT_ALLOWED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Numbers of the errors of files that this user may not use, as those that another one, or one as root, made."""

MADE_AGAIN: Final = "move it away and run again, which makes it again"
"""What helps where a file that a stage makes from others is another than the stage wrote."""

INTERRUPTED: Final = 128 + signal.SIGINT
"""Exit status by which shells say that a program was ended by Ctrl-C."""

_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def shown(value: Any) -> str:
    """A value from a file of others for a message: on one line, cut where it is long."""
    return _SHORT.repr(value)


class BenchmarkError(Exception):
    """A problem whose message names what is wrong, where, and the remedy; shown without a traceback."""


def exit_status(stage: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run one stage's main; a BenchmarkError, a full disk or a file that cannot be used becomes one message on stderr
    and exit status 1, Ctrl-C exit status INTERRUPTED without a word.

    Whatever becomes of stdout and stderr, what the stage prints cannot fail it.
    """
    secure_output()
    try:
        return stage(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        name = error.filename or "a file of this stage"
        if error.errno in DISK_IS_FULL:
            words = unwritable(error, name)
        elif error.errno in NOT_ALLOWED:
            remedy = "let this user read and write it and run the same command again"
            words = f"{name} cannot be used: {error.strerror}; {remedy}"
        elif error.errno == errno.EMFILE:  # whichever file it was, nothing is wrong with it
            words = f"{error.strerror} for this stage; raise the limit (ulimit -n) and run the same command again"
        elif error.filename is not None:
            words = f"{name} cannot be used: {error.strerror}; see what became of it and run the same command again"
        else:
            raise
        print(f"error: {words}", file=sys.stderr)
        return 1


def unwritable(error: OSError, name: object) -> str:
    """What to say of a file or folder that could not be written, and what would help."""
    remedy = "see to it that it can be written"
    if error.errno in DISK_IS_FULL:
        remedy = "raise the limit (ulimit -f)" if error.errno == errno.EFBIG else "free space on that disk"
    return f"{name} cannot be written: {os.strerror(error.errno or 0)}; {remedy} and run the same command again"
