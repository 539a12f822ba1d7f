"""Writing a comparison, and saying what it found."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_runner.comparison.table import comparison_page
from benchmark_runner.jsonio import write_json, write_text_atomic
from benchmark_runner.schemas import require_valid


def write_comparison(document: Mapping[str, Any], json_file: Path, table: Path) -> None:
    """Write comparison.json and comparison.md; print the outcome and how to make an exit status of it.

    Raises BenchmarkError where the document breaks its schema.
    """
    require_valid("comparison", document, str(json_file))
    write_text_atomic(table, comparison_page(document))
    write_json(json_file, document)
    differing = len(document["differences"])
    print(f"Differing facts: {differing}, listed first in {table}" if differing else "Nothing recorded differs")
    print(document["outcome"]["words"])
    print(f"For an exit status: python -m benchmark_runner.comparison.gate {shlex.quote(str(json_file))}")
