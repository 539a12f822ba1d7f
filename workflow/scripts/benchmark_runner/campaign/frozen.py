"""What a call of the workflow resolved, in a file that its jobs read: a text of any size, none on a command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import write_json

FOLDER: Final = Path(".benchmark_runner") / "configuration"
"""Relative to the working folder, as all paths of a configuration."""


def frozen_file(content: Mapping[str, Any]) -> Path:
    """File of this content; another content is another file, so that calls that overlap do not meet."""
    return FOLDER / f"{fingerprint(content)}.json"


def freeze(content: Mapping[str, Any], file: Path | None = None) -> None:
    """Write the file, by default that of this content, before the first job starts."""
    write_json(file or frozen_file(content), content, indent=None)
