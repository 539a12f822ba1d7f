"""What a fidelity check can find: the words in fidelity.json, and which of several counts."""

from __future__ import annotations

from typing import Final

PASS: Final = "pass"
ROUNDING: Final = "rounding"
FAIL: Final = "fail"
TEXT_ONLY: Final = "text only"
NOT_CHECKABLE: Final = "not checkable"
WORST_FIRST: Final = (FAIL, NOT_CHECKABLE, TEXT_ONLY, ROUNDING, PASS)
"""Results of checks on several machines: the first that one of them had is that of all."""
