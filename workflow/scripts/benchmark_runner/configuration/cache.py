"""What Snakemake needs before any code of the workflow runs: the folder of the user's caches, in which it keeps files
of its own, and the right to use what it makes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.files import require_room
from benchmark_runner.terminal import visible

_OWN_RIGHTS: Final = 0o700


def _cache(environment: Mapping[str, str]) -> Path:
    named = environment.get("XDG_CACHE_HOME", "").strip()
    return Path(named or os.path.expanduser("~/.cache"))  # noqa: PTH111  (HOME may lack)


def own_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Where we keep what all clones of a user can share; what it holds can be deleted at any time."""
    return _cache(environment) / "benchmark-runner"


def require_own_rights() -> None:
    """End the process with one message where this user could not use the files that it makes; root always can."""
    os.umask(mask := os.umask(0))
    if mask & _OWN_RIGHTS and os.geteuid() != 0:
        sys.exit(
            f"error: umask {mask:04o} takes from you the right to use the files that you make; type umask 022 and the "
            "same command again"
        )


def require_cache(environment: Mapping[str, str] = os.environ) -> None:
    """End the process with one message where no file, or only a few bytes, can be written in the folder that Snakemake
    will use."""
    folder = _cache(environment) / "snakemake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\n")
        require_room(folder)
    except BenchmarkError as error:
        sys.exit(f"error: {visible(error)}")
    except OSError as error:
        sys.exit(
            f"error: {visible(folder)} cannot be written ({error.strerror}), and Snakemake keeps its own files there; "
            "name one that can be, before the same command: XDG_CACHE_HOME=/path/to/folder"
        )
