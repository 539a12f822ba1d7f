"""One measurement at a time on a machine, whichever folder its campaign runs in.

A launch holds the lock while it measures; another one waits. The kernel lets go of it however its holder ends. The
lock's modification time says when the last measurement ended, which is what the cool-down counts from.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.locks import holder_of, open_lock, sign, take
from benchmark_runner.processes.watch import Watch

VARIABLE: Final = "BENCHMARK_RUNNER_LOCK"
"""Names another file, for jobs of a batch system that each have a /tmp of their own."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_FREE: Final = "machine free"
# Chosen: how long one sleep may last; another one follows it.
_SLEEP_SECONDS: Final = 3600.0


def lock_path(environment: Mapping[str, str], user: int) -> Path:
    """The lock of all campaigns of one user (its number) on this machine, or the file that VARIABLE names.

    Neither in TMPDIR nor in XDG_RUNTIME_DIR: a campaign in a login shell and those of cron or of two jobs of a batch
    system must find the same file.
    """
    named = environment.get(VARIABLE)
    return Path(named).absolute() if named else Path("/tmp") / f"benchmark-runner-{user}" / "measuring"


def _open(path: Path) -> int:
    """Open the lock, made where it is missing; raises BenchmarkError where others may write to its folder."""
    with contextlib.suppress(OSError):  # opening the lock tells what is wrong
        path.parent.mkdir(mode=0o700, parents=True)
    try:
        folder = path.parent.lstat()
    except OSError:
        return open_lock(path)
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.geteuid() or folder.st_mode & _OTHERS_WRITE:
        raise BenchmarkError(
            f"{path.parent} is not a folder that you alone may write to, so campaigns cannot keep out of each other's "
            f"way by a lock there; set {VARIABLE} to a file in one that is"
        )
    return open_lock(path)


def _wait_for(lock: int, watch: Watch) -> None:
    """Take the lock as soon as it is free, asleep until then: a look now and then would disturb who measures.

    Raises InterruptedLaunchError where the launch is stopped meanwhile; the thread and its pipe then end with the
    process, since a descriptor closed under the thread could be another file's by the time it is used.
    """
    import threading  # rarely needed, and slow to import

    reader, writer = os.pipe()

    def take() -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(writer, b"\n")

    threading.Thread(target=take, daemon=True).start()
    watch.add(reader, _FREE)
    while _FREE not in watch.wait(_SLEEP_SECONDS):
        pass
    watch.remove(reader)
    os.close(reader)
    os.close(writer)


@contextmanager
def machine_alone(path: Path, who: str, watch: Watch, on_wait: Callable[[str], object]) -> Iterator[float | None]:
    """No other measurement of this user runs inside; gives when the last one ended (s of the files' clock), or None.

    on_wait is told who measures, before the wait begins; who is what others are told of this one. Raises
    InterruptedLaunchError where the launch is stopped while it waits.
    """
    lock = _open(path)
    if not take(lock):
        on_wait(holder_of(lock))
        _wait_for(lock, watch)
    state = os.fstat(lock)
    last_end = state.st_mtime if state.st_size else None
    sign(lock, who)
    try:
        yield last_end
    finally:
        os.utime(lock)
        os.close(lock)
