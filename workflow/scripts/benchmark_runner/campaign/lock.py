"""One Snakemake at a time in a folder: where it works, and where its results are.

Snakemake's own lock is a file, which a killed Snakemake leaves behind; the default profile therefore switches it off.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.locks import holder_of, open_lock, sign, take, this_process


def hold_folder(path: Path) -> FileIO:
    """Take the lock for as long as the returned file stays open; raises BenchmarkError that names the holder."""
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
