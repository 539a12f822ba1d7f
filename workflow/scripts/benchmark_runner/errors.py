"""Errors that a user can act on."""

from __future__ import annotations

import errno
import os
import reprlib
import signal
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple

from benchmark_runner.terminal import say, secure_output

DISK_IS_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors of a disk, of a user's share of it, or of a limit on files (ulimit -f), that takes no more."""

NOT_ALLOWED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Numbers of the errors of files that this user may not use, as those that another one, or one as root, made."""


class Lack(NamedTuple):
    """What a machine, or a limit on this user's part of it, has no more of, and what would help."""

    words: str
    remedy: str


_LACKS: Final = {
    errno.EMFILE: Lack("Too many open files", "raise the limit (ulimit -n)"),
    errno.EAGAIN: Lack(
        "No further process or thread may be started",
        "raise the limits on them and on memory (ulimit -u and -v, or those of the job or container)",
    ),
    errno.ENOMEM: Lack(
        "No memory is left", "free memory, or raise the limit on it (ulimit -v, or that of the job or container)"
    ),
}
_SAID: Final = {
    "can't start new thread": errno.EAGAIN,
    os.strerror(errno.EAGAIN): errno.EAGAIN,
    "failed to map segment": errno.ENOMEM,
    os.strerror(errno.ENOMEM): errno.ENOMEM,
}
"""The same in words of Python's threads, of the loader and of libraries, whose errors have no number."""

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


def lack_of(error: BaseException) -> Lack | None:
    """What ran short where this error came up, so that nothing else is to be blamed; None where it is another error."""
    if isinstance(error, MemoryError):
        return _LACKS[errno.ENOMEM]
    if isinstance(error, OSError) and error.errno is not None:
        # A file that would have to be waited for has the same number as a process that may not be started.
        return None if error.errno == errno.EAGAIN and error.filename else _LACKS.get(error.errno)
    said = str(error)
    return next((_LACKS[number] for words, number in _SAID.items() if words in said), None)


def _in_words(error: Exception) -> str | None:
    """What to say of an error that no stage has told; None of one that is a fault of this program."""
    if isinstance(error, BenchmarkError):
        return str(error)
    if (lack := lack_of(error)) is not None:
        return f"{lack.words} for this stage; {lack.remedy} and run the same command again"
    return _of_file(error) if isinstance(error, OSError) else None


def _of_file(error: OSError) -> str | None:
    name = error.filename or "a file of this stage"
    if error.errno in DISK_IS_FULL:
        return unwritable(error, name)
    if error.errno in NOT_ALLOWED:
        remedy = "let this user read and write it and run the same command again"
    elif error.filename is not None:
        remedy = "see what became of it and run the same command again"
    else:
        return None
    return f"{name} cannot be used: {error.strerror}; {remedy}"


def exit_status(stage: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run one stage's main; a BenchmarkError, a full disk, a file that cannot be used or what this machine has no more
    of becomes one message on stderr and exit status 1, Ctrl-C exit status INTERRUPTED without a word.

    Whatever becomes of stdout and stderr, what the stage prints cannot fail it.
    """
    secure_output()
    try:
        return stage(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if (words := _in_words(error)) is None:
            raise
        print(f"error: {words}", file=sys.stderr)
        return 1


def tell_unstarted(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """In place of sys.excepthook, for what ends a command outside of exit_status, as while its libraries are loaded:
    what exit_status says in one line is said so here too."""
    if isinstance(error, KeyboardInterrupt):
        return
    words = _in_words(error) if isinstance(error, Exception) else None
    if words is None:
        sys.__excepthook__(kind, error, trace)
    else:
        say(f"error: {words}")


def unwritable(error: OSError, name: object) -> str:
    """What to say of a file or folder that could not be written, and what would help."""
    remedy = "see to it that it can be written"
    if error.errno in DISK_IS_FULL:
        remedy = "raise the limit (ulimit -f)" if error.errno == errno.EFBIG else "free space on that disk"
    elif (lack := lack_of(error)) is not None:
        remedy = lack.remedy
    return f"{name} cannot be written: {os.strerror(error.errno or 0)}; {remedy} and run the same command again"
