"""The number that says by which protocol a launch was measured."""

from __future__ import annotations

from typing import Final

MEASURE_VERSION: Final = 2
"""Goes up when records made before and after a change must not be pooled.

1: one engine process a launch, monitor beside it, times by the engine on CLOCK_MONOTONIC.
2: the engine's folder and the padding of its environment are drawn for each launch.
"""
