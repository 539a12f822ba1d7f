"""The folder of the user's caches, in which Snakemake keeps files of its own before any code of the workflow runs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmark_runner.terminal import visible


def _cache(environment: Mapping[str, str]) -> Path:
    named = environment.get("XDG_CACHE_HOME", "").strip()
    return Path(named or os.path.expanduser("~/.cache"))  # noqa: PTH111  (HOME may lack)


def own_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Where we keep what all clones of a user can share; what it holds can be deleted at any time."""
    return _cache(environment) / "benchmark-runner"


def require_cache(environment: Mapping[str, str] = os.environ) -> None:
    """End the process with one message where no file can be written in the folder that Snakemake will use."""
    folder = _cache(environment) / "snakemake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\n")
    except OSError as error:
        sys.exit(
            f"error: {visible(folder)} cannot be written ({error.strerror}), and Snakemake keeps its own files there; "
            "name one that can be, before the same command: XDG_CACHE_HOME=/path/to/folder"
        )
