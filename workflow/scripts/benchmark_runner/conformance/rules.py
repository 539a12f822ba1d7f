"""How a check says what it found: in silence, that a rule is broken, or that it says nothing here."""

from __future__ import annotations

from collections.abc import Iterable


class BrokenRuleError(Exception):
    """The adapter does not keep the rule; says how."""


class NotApplicableError(Exception):
    """The rule says nothing about this adapter; says why."""


def require(holds: bool, otherwise: str) -> None:
    """Raise BrokenRuleError unless the rule holds."""
    if not holds:
        raise BrokenRuleError(otherwise)


def few(rounds: Iterable[list[int]]) -> str:
    """Ids of some rounds, side by side."""
    return " and ".join(str(ids) for ids in rounds)
