"""A folder that is there whole or not at all, whatever stops the making of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark_runner.errors import DISK_IS_FULL, BenchmarkError, unwritable


@contextmanager
def made_whole(out: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of out when the block ends without an error.

    Otherwise what was at out stays; a full disk raises BenchmarkError. The empty folder has a parent of its own for
    what is needed on the way.
    """
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
    fresh = partial / "fresh"
    try:
        fresh.mkdir(parents=True)
        yield fresh
        # What was there goes aside first, so that out is never half of each.
        if out.exists():
            out.rename(partial / "aside")
        fresh.rename(out)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        raise BenchmarkError(unwritable(error, out)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
