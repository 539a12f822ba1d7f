"""How the engine's events file had grown at each sample, and what it held: its times, and itself, are held to that."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Final

from benchmark_runner.monitor.probe import EVENTS, Sample
from benchmark_runner.processes.files import MOST_EVENTS_BYTES

DIGEST: Final = "events_sha256"
READ_NS: Final = "events_read_ns"

CHUNK_BYTES: Final = 1 << 20


class EventsFileProbe:
    """What was added to one file, read once."""

    def __init__(self, path: Path) -> None:
        self.absent: dict[str, str] = {}
        self._path = path
        self._begin()

    def _begin(self) -> None:
        self._size = 0
        self._hash = hashlib.sha256()

    def read(self, sample: Sample) -> None:
        """Adds events_bytes, 0 before the file is there; where it has grown the hash of it all, and when that was."""
        sample[EVENTS] = self._size
        try:
            # Neither waits, whatever the engine put there.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # not there yet, or nothing to read
            return
        try:
            status = os.fstat(descriptor)
            if status.st_size > MOST_EVENTS_BYTES:
                sample[EVENTS] = status.st_size
            elif stat.S_ISREG(status.st_mode) and status.st_size != self._size:
                self._take(descriptor, status.st_size)
                sample.update({EVENTS: self._size, DIGEST: self._hash.hexdigest(), READ_NS: time.monotonic_ns()})
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int, size: int) -> None:
        if size < self._size:
            self._begin()
        while self._size < size:
            content = os.pread(descriptor, min(CHUNK_BYTES, size - self._size), self._size)
            if not content:
                return
            self._hash.update(content)
            self._size += len(content)
