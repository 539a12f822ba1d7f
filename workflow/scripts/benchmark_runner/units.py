"""Factors between units, and the size below which a relative difference is rounding."""

from __future__ import annotations

from typing import Final

MS_PER_S: Final = 1e3
MS_PER_MINUTE: Final = 6e4
US_PER_MS: Final = 1e3
NS_PER_MS: Final = 1e6
NS_PER_S: Final = 1e9

ROUNDING: Final = 1e-12
"""Relative differences below this are rounding of double precision (2e-16 an operation), not spread of a machine whose
clock counts nanoseconds."""


def number_in(text: str) -> float:
    """The number that a text is; ValueError where it is none, or one as only Python takes it (1_0, digits of other
    scripts)."""
    if "_" in text or not text.isascii():
        raise ValueError(f"{text!r:.80} is no number")
    return float(text)
