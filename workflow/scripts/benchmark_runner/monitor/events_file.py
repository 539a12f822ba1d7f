"""How far the engine's events file had grown at each sample: the times that it tells can be held against that."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from benchmark_runner.monitor.probe import Sample

NAME: Final = "events_bytes"


class EventsFileProbe:
    """Size of one file."""

    def __init__(self, path: Path) -> None:
        self.absent: dict[str, str] = {}
        self._path = path

    def read(self, sample: Sample) -> None:
        """Adds events_bytes; 0 before the file is there."""
        try:
            sample[NAME] = os.stat(self._path).st_size  # noqa: PTH116 - one call, no path object in the loop
        except FileNotFoundError:
            sample[NAME] = 0
