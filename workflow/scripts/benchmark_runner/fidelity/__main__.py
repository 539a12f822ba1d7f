"""Prints what the fidelity checks of a campaign found: python -m benchmark_runner.fidelity fidelity/*.json."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json
from benchmark_runner.terminal import printable


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """A row an engine: result, dtype, device and the reason."""
    rows = [
        [
            printable(cell)
            for cell in (
                entry["engine"],
                entry["result"],
                f"{entry['dtype']} on {entry['device'] or 'no device'}",
                entry["reason"],
            )
        ]
        for entry in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )


def main(argv: Sequence[str]) -> int:
    """Print a row an engine."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.fidelity", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="fidelity/<engine>.json of each engine")
    print(table([read_json(path) for path in parser.parse_args(argv).files]))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
