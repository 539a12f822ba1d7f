"""The record that a build leaves beside its program, read by all who start, describe or make the program again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark_runner.jsonio import read_valid


def read_build(record: str | Path | None) -> dict[str, Any] | None:
    """The build record; None for a program that the user brought, and before the build.

    Raises BenchmarkError that names the file, the key and the remedy where it is no record of a build.
    """
    if record is None or not Path(record).is_file():
        return None
    content: dict[str, Any] = read_valid("build", Path(record))
    return content
