"""The launch's own log: a line a step, with the time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from benchmark_runner.launch.record import utc_now


class Log:
    """A log file, flushed with each line; the monitor writes its own complaints to the same file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w", encoding="utf-8", buffering=1)

    def write(self, message: str) -> None:
        """Add one line."""
        self.file.write(f"{utc_now()} {message}\n")

    def __enter__(self) -> Log:
        """Nothing but itself."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it; an error that ends the launch stands in it."""
        if error is not None:
            self.write(f"error: {error}")
        self.file.close()
