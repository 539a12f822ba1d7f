"""The user's cache folder, in which Snakemake keeps files of its own before any code of the workflow runs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmark_runner.terminal import visible


def require_cache(environment: Mapping[str, str] = os.environ) -> None:
    """End the process with one message where no file can be written in the folder that Snakemake will use."""
    root = environment.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")  # noqa: PTH111  (HOME may lack)
    folder = Path(root) / "snakemake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\n")
    except OSError as error:
        sys.exit(
            f"error: {visible(folder)} cannot be written ({error.strerror}), and Snakemake keeps its own files there; "
            "name one that can be, before the same command: XDG_CACHE_HOME=/path/to/folder"
        )
