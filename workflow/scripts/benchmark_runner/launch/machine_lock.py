"""One measurement at a time on a machine, whichever folder its campaign runs in.

A launch holds the lock while it measures; another one waits. The kernel lets go of it however its holder ends. The
lock's modification time says when the last measurement ended, which is what the cool-down counts from.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.watch import Watch

# Chosen: long enough for a path and a name, one small read.
_HOLDER_BYTES: Final = 4096
_FREE: Final = "machine free"
# Chosen: how long one sleep may last; another one follows it.
_SLEEP_SECONDS: Final = 3600.0


def lock_path(environment: Mapping[str, str], user: int) -> Path:
    """The lock of all campaigns of one user (its number) on this machine, in the folder for temporary files.

    Not in XDG_RUNTIME_DIR: a campaign in a login shell and one of cron or a batch system must find the same file.
    """
    return Path(environment.get("TMPDIR") or "/tmp") / f"benchmark-runner-{user}" / "measuring"


def _open(path: Path) -> int:
    """Open the lock, made where it is missing; raises BenchmarkError where its folder is somebody else's."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BenchmarkError(
            f"{path.parent}: {error.strerror}; campaigns keep out of each other's way by a file there: "
            "set TMPDIR to a folder for temporary files of your own"
        ) from None
    if path.parent.is_symlink() or path.parent.stat().st_uid != os.getuid():
        raise BenchmarkError(
            f"{path.parent} belongs to another user, so campaigns cannot keep out of each other's way; "
            "set TMPDIR to a folder for temporary files of your own"
        )
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
    if not _taken(lock):
        on_wait(os.pread(lock, _HOLDER_BYTES, 0).decode().strip() or "another launch")
        _wait_for(lock, watch)
    state = os.fstat(lock)
    last_end = state.st_mtime if state.st_size else None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{who}\n".encode(), 0)
    try:
        yield last_end
    finally:
        os.utime(lock)
        os.close(lock)
