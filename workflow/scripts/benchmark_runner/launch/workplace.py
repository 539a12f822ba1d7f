"""The folder in which an engine works: drawn anew for each launch, so that no name is a property of an engine.

The lengths of command line, environment and working folder move a process's stack, and with it what its memory accesses
cost. So the folder's name is random and of one length for all engines, and a variable of random length pads the
environment: what the layout does to the times is a chance of each launch, which the statistics see as such.
(Mytkowicz et al., Producing wrong data without doing anything obviously wrong, ASPLOS 2009.)
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

NAME: Final = re.compile(r"\.[0-9a-f]{16}")
# A page: beyond that the layout repeats.
PADDING_BYTES: Final = 4096


class Workplace(NamedTuple):
    """One launch's folder for its engine, with spec and events in it, and the padding of its environment."""

    folder: Path
    padding: str

    @property
    def spec(self) -> Path:
        """The file behind --spec."""
        return self.folder / "spec.json"

    @property
    def events(self) -> Path:
        """The file behind --events."""
        return self.folder / "events.jsonl"

    @property
    def scratch(self) -> Path:
        """The engine's working folder, empty when it starts."""
        return self.folder / "scratch"

    def describe(self) -> dict[str, Any]:
        """The record's field `drawn`."""
        return {"folder": self.folder.name, "padding_bytes": len(self.padding)}


def draw(launch_folder: Path) -> Workplace:
    """A workplace beside the folders of all engines (launches/<engine>/<workload>.<identity>/<block>); not yet made."""
    padding_bytes = int.from_bytes(os.urandom(4), "big") % PADDING_BYTES
    return Workplace(launch_folder.parents[2] / f".{os.urandom(8).hex()}", "x" * padding_bytes)


@contextlib.contextmanager
def prepared(workplace: Workplace, launch_folder: Path) -> Iterator[None]:
    """Inside, the workplace is there and the launch's folder shows its events; then it is gone and they are moved."""
    shown = launch_folder / workplace.events.name
    shown.symlink_to(workplace.events)  # first: by it the next attempt finds what a killed one leaves
    try:
        workplace.scratch.mkdir(parents=True)
        workplace.spec.symlink_to(launch_folder / workplace.spec.name)
        yield
    finally:
        shown.unlink(missing_ok=True)
        if workplace.events.is_file() and not workplace.events.is_symlink():
            shutil.move(workplace.events, shown)
        shutil.rmtree(workplace.folder)


def left_behind(launch_folder: Path) -> Path | None:
    """The workplace of an attempt that was killed; None where there is none."""
    shown = launch_folder / "events.jsonl"
    if not shown.is_symlink():
        return None
    name = shown.readlink().parent.name
    folder = launch_folder.parents[2] / name
    return folder if NAME.fullmatch(name) and folder.is_dir() and not folder.is_symlink() else None
