"""The launch's own log: a line a step, with the time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType

from benchmark_runner.launch.record import utc_now
from benchmark_runner.processes.files import HeldFile


class Log:
    """A log file; the monitor writes its own complaints to the same file. What a full disk cannot take is lost."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = HeldFile(path)

    def fileno(self) -> int:
        """Descriptor of the file, for other writers."""
        return self._file.descriptor

    def write(self, message: str) -> None:
        """Add one line."""
        with contextlib.suppress(OSError):
            os.write(self._file.descriptor, f"{utc_now()} {message}\n".encode(errors="backslashreplace"))

    def __enter__(self) -> Log:
        """Nothing but itself."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it, and put it back where the engine took it away; an error that ends the launch stands in it."""
        if error is not None:
            self.write(f"error: {error}")
        with contextlib.suppress(OSError):
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
            self._file.put_at(self._file.path)
        self._file.close()
