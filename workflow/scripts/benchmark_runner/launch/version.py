"""The number that says by which protocol a launch was measured."""

from __future__ import annotations

from typing import Final

MEASURE_VERSION: Final = 1
"""Goes up when records made before and after a change must not be pooled.

1: one engine process a launch, monitor beside it, times by the engine on CLOCK_MONOTONIC.
"""
