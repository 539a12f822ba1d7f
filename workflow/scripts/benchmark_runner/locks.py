"""Lock files: the kernel lets go of them however the holder ends; their text only tells who holds them.

Others may write where a lock lies. A link, a pipe, a folder or a file with anything but a holder's line is therefore no
lock: it is refused and stays as it is.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from io import FileIO
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
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


def held_by(path: Path) -> str | None:
    """Who holds a lock file; None where nobody does, or there is none. Makes and changes nothing."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:  # NFS gives an exclusive lock only to who may write
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder_of(lock)
    except OSError:  # without locks nobody can hold one
        return None
    else:
        return None
    finally:
        os.close(lock)


def hold_folder(path: Path) -> FileIO:
    """Let one Snakemake alone work in a folder, for as long as the returned file stays open.

    Raises BenchmarkError that names the holder. Snakemake's own lock is a file, which a killed Snakemake leaves behind;
    the default profile therefore switches it off.
    """
    lock = open_lock(path)
    if not take(lock):
        holder = holder_of(lock)
        os.close(lock)
        raise BenchmarkError(
            f"another Snakemake ({holder}) holds {path}; two would disturb each other's measurements. "
            "Wait until it ends, or end it"
        )
    sign(lock, this_process())
    return FileIO(lock, "r+")
