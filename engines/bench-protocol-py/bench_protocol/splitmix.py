"""Random numbers that a seed determines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MASK_64: Final = (1 << 64) - 1


def random_numbers(seed: int) -> Callable[[], int]:
    """64-bit numbers of SplitMix64 (Steele, Lea and Flood 2014), whose streams of neighbouring seeds are unrelated.

    The module random costs 5 ms to import.
    """
    state = seed & MASK_64

    def draw() -> int:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & MASK_64
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK_64
        return mixed ^ (mixed >> 31)

    return draw
