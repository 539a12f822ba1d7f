"""The same command once more, as a campaign until decided needs it after each of its looks."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path


def call_again(folder: str | Path) -> None:
    """When this process has ended otherwise, it becomes the command that it was started with, in the folder where that
    was: the same process for who waits for it or interrupts it, and no lock or file of it left behind."""

    def become() -> None:
        atexit.unregister(become)
        atexit._run_exitfuncs()  # what a process that ends does, as taking away its temporary folders
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    atexit.register(become)
