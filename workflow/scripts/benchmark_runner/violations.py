"""What is wrong with content that breaks a JSON Schema, in jsonschema's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from benchmark_runner.accepting import is_time

FORMATS: Final = FormatChecker(formats=())
FORMATS.checks("date-time")(is_time)


def _is_whole(_checker: object, value: object) -> bool:
    """Whether it is written as a whole number: 1.0 is read as another type by whoever counts with it."""
    return isinstance(value, int) and not isinstance(value, bool)


_Strict: Final = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
)


def violations_of(rules: Mapping[str, Any], content: Any) -> list[ValidationError]:
    """All ways in which content breaks the rules, in document order; empty where it keeps them."""
    found = _Strict(rules, format_checker=FORMATS).iter_errors(content)
    return sorted(found, key=lambda error: [str(part) for part in error.absolute_path])
