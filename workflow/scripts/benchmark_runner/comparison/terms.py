"""What a comparison is made of, in a file whose name holds the hash of its content.

As with the parts of a plan: another margin, another folder or another launch before is another file, which Snakemake
sees as an input, in a folder without its notes as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_runner.commands import command
from benchmark_runner.errors import MADE_AGAIN, BenchmarkError, exit_status
from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import read_json, write_json


@dataclass(frozen=True)
class Terms:
    """How two sides are judged: level of confidence, margin (0.02 is 2 %), and the metrics that decide the outcome."""

    level: float
    margin: float
    metrics: tuple[str, ...]


def read_terms(file: Path) -> Terms:
    """Terms from the file that this module writes.

    Raises BenchmarkError where its name is not that of its content: it was changed after it was agreed, or is another.
    """
    agreed = read_json(file)
    if file.name != (name := terms_file(agreed)):
        raise BenchmarkError(f"{file}: terms of this content are called {name}; {MADE_AGAIN}")
    return Terms(agreed["confidence_level"], agreed["margin"], tuple(agreed["metrics"]))


def terms(config: Mapping[str, Any], against: str, records: Sequence[str]) -> dict[str, Any]:
    """Terms of comparing the campaign of a resolved configuration with these records of the campaign before."""
    return {
        "schema_version": 1,
        "confidence_level": config["analysis"]["confidence_level"],
        "margin": config["comparison"]["margin"],
        "metrics": config["comparison"]["metrics"],
        "against": against,
        "records": fingerprint(sorted(records)),
    }


def terms_file(content: Mapping[str, Any]) -> str:
    """File name of the terms."""
    return f"terms.{fingerprint(content)}.json"


def folder_name(against: str) -> str:
    """Name of the comparison's folder: the other folder's path as one word, so that no two share one."""
    return os.path.normpath(against).replace(os.sep, "+")


def main(argv: Sequence[str]) -> int:
    """Write the terms."""
    parser = command("comparison.terms", __doc__, out="the terms")
    parser.add_argument("--content", type=Path, required=True, help="file with the terms")
    arguments = parser.parse_args(argv)
    write_json(arguments.out, read_json(arguments.content))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
