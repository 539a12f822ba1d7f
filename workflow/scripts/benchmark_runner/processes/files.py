"""Files beside a program that may do anything to them: known by descriptor, and never removed through a link."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from benchmark_runner.errors import DISK_IS_FULL, NOT_ALLOWED, BenchmarkError, unwritable

OWN_FOLDER: Final = 0o700
CHUNK_BYTES: Final = 1 << 20
MOST_EVENTS_BYTES: Final = 1 << 32
"""Most that the events of one run may take: several times those of any that could be kept in memory (chosen)."""
KEPT_BYTES: Final = 1 << 26
"""Of a file that is longer than that, its beginning is kept (chosen)."""

ROOM_BYTES: Final = 1 << 20
"""Without room for that, what fails may fail for want of room (chosen: above the files of a short launch)."""


def flooded(size_bytes: int) -> str:
    """What to say of an engine whose events take more than MOST_EVENTS_BYTES."""
    return f"the engine wrote more than {size_bytes / 1e9:.1f} GB into its events file, and no spec asks for so much"


def remove(path: Path) -> None:
    """Remove what is there, of whatever kind: a link itself and not what it leads to, a folder with all within it."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (IsADirectoryError, PermissionError):
        if not stat.S_ISDIR(path.lstat().st_mode):  # what a link leads to stays, also where the link must
            raise
        _remove_folder(path)


@contextlib.contextmanager
def _unlocked(folder: str | Path) -> Iterator[str]:
    """A path to a folder itself, open to its owner, whatever takes its name; raises OSError where a link has it."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        itself = f"/proc/self/fd/{descriptor}"
        os.chmod(itself, OWN_FOLDER)  # noqa: PTH101
        yield itself
    finally:
        os.close(descriptor)


def _remove_folder(top: Path) -> None:
    """However deep its folders lie, and some may be locked against their owner: each is unlocked and brought up to top
    before it is looked into, so that no path becomes too long and nothing is called within itself."""
    with _unlocked(top) as whole:
        folders = [top]
        for folder in folders:
            with _unlocked(folder) as there, os.scandir(there) as entries:
                for entry in list(entries):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)  # noqa: PTH108
                        continue
                    with _unlocked(entry.path):
                        folders.append(Path(entry.path).rename(f"{whole}/{os.urandom(16).hex()}"))
        for folder in reversed(folders[1:]):
            folder.rmdir()
    top.rmdir()


def require_room(folder: Path) -> None:
    """Raise BenchmarkError that names the folder where nothing can be made in it, or its disk, or a limit on files,
    takes no ROOM_BYTES more."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.posix_fallocate(probe.fileno(), 0, ROOM_BYTES)
    except OSError as error:
        # Others, as of a file system that cannot set room aside, say nothing of room.
        if error.errno in DISK_IS_FULL | NOT_ALLOWED:
            raise BenchmarkError(unwritable(error, folder)) from error


def require_notes(folder: Path) -> None:
    """Raise BenchmarkError as require_room where Snakemake cannot keep its notes in folder, which it makes."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BenchmarkError(unwritable(error, folder)) from error
    require_room(folder)


def own_folder(path: Path) -> None:
    """Let a folder be there and be no link, whatever lies in its place."""
    if path.is_symlink() or not path.is_dir():
        remove(path)
        path.mkdir(parents=True, exist_ok=True)


class HeldFile:
    """A new file that stays known by its descriptor, whatever becomes of its name."""

    def __init__(self, path: Path) -> None:
        """Make it in place of whatever is at path, which is not followed and not waited for."""
        remove(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    @classmethod
    def of(cls, path: Path, content: bytes) -> HeldFile:
        """A file with that content; raises OSError and leaves nothing where it cannot be written."""
        return cls._of(path, (content,))

    @classmethod
    def _of(cls, path: Path, parts: Iterable[bytes]) -> HeldFile:
        file = cls(path)
        try:
            for part in parts:
                file.write(part)
        except OSError as error:
            remove(path)
            raise OSError(error.errno, error.strerror, str(path)) from error
        return file

    @property
    def content(self) -> Path:
        """A path to the file itself for as long as this process holds it; other processes of the user may open it."""
        return Path(f"/proc/{os.getpid()}/fd/{self.descriptor}")

    @property
    def in_place(self) -> bool:
        """Whether the file is still the one that its path names."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.fstat(self.descriptor))

    def write(self, content: bytes) -> None:
        """Add content at its end."""
        while content:
            content = content[os.write(self.descriptor, content) :]

    def _chunks(self) -> Iterator[bytes]:
        """What the file holds, piece by piece."""
        place = 0
        while chunk := os.pread(self.descriptor, CHUNK_BYTES, place):
            place += len(chunk)
            yield chunk

    def put_at(self, path: Path) -> None:
        """Let path name this file's content: the file itself where it is in place, else a copy of what it holds."""
        if os.fstat(self.descriptor).st_size > MOST_EVENTS_BYTES:  # with holes it may be longer than any disk
            os.truncate(self.descriptor, KEPT_BYTES)
        if self.in_place:
            if path != self.path:
                remove(path)
                self.path.rename(path)
                self.path = path
            return
        HeldFile._of(path, self._chunks()).close()

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)
