"""The same command once more, as a campaign until decided needs it after each of its looks."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path


def _exec(folder: Path, command: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(folder)
    os.execv(sys.executable, command)


def call_again(folder: str | Path) -> None:
    """When this process has ended otherwise, it becomes the command that it was started with, in the folder where that
    was: the same process for who waits for it or interrupts it, and no lock of it left behind."""
    atexit.register(_exec, Path(folder), [sys.executable, *sys.orig_argv[1:]])
