"""One Snakemake at a time in a folder, by a lock that the kernel lets go of however its holder ends.

Snakemake's own lock is a file, which a killed Snakemake leaves behind; the default profile therefore switches it off.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from benchmark_runner.errors import BenchmarkError


def hold_folder(lock: Path) -> IO[str]:
    """Take the lock for as long as the returned file stays open; raises BenchmarkError that names the holder's pid."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    file = lock.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise BenchmarkError(
            f"another Snakemake (process {holder}) works in this folder; two would disturb each other's measurements. "
            "Wait until it ends, or end it"
        ) from None
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
