"""Errors that a user can act on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence


class BenchmarkError(Exception):
    """A problem whose message names what is wrong, where, and the remedy; shown without a traceback."""


def exit_status(stage: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run one stage's main; a BenchmarkError becomes one message on stderr and exit status 1."""
    try:
        return stage(argv)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
