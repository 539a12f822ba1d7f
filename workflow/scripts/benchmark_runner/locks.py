"""Lock files: the kernel lets go of them however the holder ends; their text only tells who holds them.

Others may write where a lock lies. A link, a pipe, a folder or a file with anything but a holder's line is therefore no
lock: it is refused and stays as it is.

A lock file may be removed while it is held, by hand or by who clears temporary files. Who comes then makes a new one,
and looks for the removed one among the open files of other processes; its holder looks whether its own is still there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.procfs import open_files, scan
from benchmark_runner.terminal import printable

# Chosen: long enough for a path and a name, one small read.
_HOLDER_BYTES: Final = 4096
_HOLDER: Final = re.compile(rb"(process )?[0-9]+( [^\n]*)?\n?")


def this_process() -> str:
    """This process as one that holds a lock, for those who wait for it or are refused."""
    return printable(f"process {os.getpid()} on {os.uname().nodename} in {Path.cwd()}")


def open_lock(path: Path) -> int:
    """Descriptor of a lock file, made where it is missing; raises BenchmarkError where something else is there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        lock = os.open(path, flags, 0o600)
    except OSError as error:
        raise BenchmarkError(
            f"{path} cannot be used as a lock ({error.strerror}); see to it that a file can be written there"
        ) from None
    state = os.fstat(lock)
    # A second name of the file would let a note of ours overwrite somebody's content.
    if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1 or not _is_ours(os.pread(lock, _HOLDER_BYTES, 0)):
        os.close(lock)
        raise BenchmarkError(f"{path} is no lock of Benchmark Runner but something else; move it away and run again")
    return lock


def _is_ours(text: bytes) -> bool:
    """Zeros are what a power cut may leave of a line."""
    return not text.strip(b"\0") or _HOLDER.fullmatch(text) is not None


def take(lock: int) -> bool:
    """Whether the lock is ours now; False where another process holds it.

    Raises BenchmarkError where the file system has no locks."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        path = os.readlink(f"/proc/self/fd/{lock}")  # noqa: PTH115
        raise BenchmarkError(
            f"{path} cannot be locked ({error.strerror}), so nothing would keep two at work apart; mount its file "
            "system with locks (flock), or let it lie on another one"
        ) from None
    return True


def sign(lock: int, who: str) -> None:
    """Tell the others who holds the lock."""
    os.ftruncate(lock, 0)
    try:
        os.pwrite(lock, f"{who}\n".encode()[:_HOLDER_BYTES], 0)
    except OSError as error:  # a full disk: which file it was
        raise OSError(error.errno, error.strerror, os.readlink(f"/proc/self/fd/{lock}")) from error  # noqa: PTH115


def holder_of(lock: int) -> str:
    """Who holds it, by its own word."""
    text = os.pread(lock, _HOLDER_BYTES, 0).decode(errors="replace").strip()
    return printable(text) if _HOLDER.fullmatch(text.encode()) else "another process"


def removed(path: Path) -> Iterator[int]:
    """Descriptors of lock files that were removed from path and are still open in other processes of this machine, each
    closed when the next one is asked for.

    /proc shows them to this user's processes; it takes some ten milliseconds, so ask where a lock is unsigned: new.
    """
    gone = f"{os.path.realpath(path.parent)}/{path.name} (deleted)"
    for pid in scan().keys() - {os.getpid()}:
        for descriptor, opened in open_files(pid):
            if opened == gone:
                with contextlib.suppress(OSError):  # closed, so let go
                    lock = os.open(descriptor, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
                    try:
                        yield lock
                    finally:
                        os.close(lock)


def is_signed(lock: int) -> bool:
    """Whether anybody has ever held it to the end of taking it: a new file is not."""
    return os.fstat(lock).st_size > 0


def in_place(lock: int, path: Path) -> bool:
    """Whether the lock file that is held is the one that lies at path."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(lock))
    except OSError:
        return False


def _holder(lock: int) -> str | None:
    """Who holds an open lock file; None where nobody does. Holds it for no longer than a look."""
    try:  # NFS gives an exclusive lock only to who may write
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder_of(lock)
    except OSError:  # without locks nobody can hold one
        return None
    fcntl.flock(lock, fcntl.LOCK_UN)
    return None


def _holder_of_removed(path: Path) -> str | None:
    return next((holder for lock in removed(path) if (holder := _holder(lock)) is not None), None)


def held_by(path: Path) -> str | None:
    """Who holds a lock file, or one that was removed from there; None where nobody does. Makes and changes nothing."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return _holder_of_removed(path)
    try:
        return _holder(lock) or (None if is_signed(lock) else _holder_of_removed(path))
    finally:
        os.close(lock)


class HeldFolder:
    """A folder in which one Snakemake alone works, until close or its end.

    Snakemake's own lock is a file, which a killed Snakemake leaves behind; the profile therefore switches it off.
    """

    def __init__(self, path: Path) -> None:
        """Hold the lock file at path; raises BenchmarkError that names who else does."""
        self._path = path
        self._lock = open_lock(path)
        holder = holder_of(self._lock) if not take(self._lock) else None
        if holder is None and not is_signed(self._lock):
            holder = _holder_of_removed(path)
        if holder is not None:
            self.close()
            raise BenchmarkError(
                f"another Snakemake ({holder}) holds {path}; two would disturb each other's measurements. "
                "Wait until it ends, or end it"
            )
        sign(self._lock, this_process())

    def require_in_place(self) -> None:
        """Raise BenchmarkError where the lock file has gone, so that another Snakemake may have begun here."""
        if not in_place(self._lock, self._path):
            raise BenchmarkError(
                f"{self._path}, by which this Snakemake kept others out, was removed or replaced; it ends here, and "
                "what was measured stays. See to it that no other one works there and run the same command again"
            )

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._lock)
