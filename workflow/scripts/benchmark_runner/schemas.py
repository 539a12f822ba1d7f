"""The JSON Schemas of workflow/schemas, and validation against them with messages worth reading."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from benchmark_runner.accepting import Accepting, Check
from benchmark_runner.errors import BenchmarkError

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "schemas"


FORMATS: Final = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(text: object) -> bool:
    """Whether it names a moment, with its zone."""
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


def _is_whole(_checker: object, value: object) -> bool:
    """Whether it is written as a whole number: 1.0 is read as another type by whoever counts with it."""
    return isinstance(value, int) and not isinstance(value, bool)


_Strict: Final = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
)


@cache
def schema(name: str) -> dict[str, Any]:
    """Schema called name (config, spec, event, record), checked to be a valid schema itself."""
    text = (SCHEMA_FOLDER / f"{name}.schema.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # ten times as fast as safe_load
    Draft202012Validator.check_schema(content)
    return content


@cache
def _rules(name: str) -> dict[str, Any]:
    """A schema, or the alternative of it that a name like event.hello means."""
    name, _, title = name.partition(".")
    content = schema(name)
    if not title:
        return content
    part = next(part for part in content["oneOf"] if part["title"] == title)
    return {"$defs": content.get("$defs", {}), **part}


@cache
def _validator(name: str) -> Any:
    return _Strict(_rules(name), format_checker=FORMATS)


@cache
def _accepts(name: str) -> Check:
    return Accepting(_rules(name), {"date-time": lambda text: FORMATS.conforms(text, "date-time")}).check(_rules(name))


def violations(name: str, content: Any) -> list[ValidationError]:
    """All ways in which content breaks the schema, in document order; empty where it keeps it.

    A name like event.hello means the alternative of that title.
    """
    return sorted(_validator(name).iter_errors(content), key=lambda error: [str(p) for p in error.absolute_path])


def first_violation(name: str, content: Any) -> str | None:
    """The first of them as `key: what`; None where there is none."""
    if _accepts(name)(content):
        return None
    for error in violations(name, content):
        key = ".".join(str(part) for part in error.absolute_path) or "(top level)"
        return f"{key}: {error.message:.400}"
    return None


def require_valid(name: str, content: Any, where: str) -> None:
    """Raise BenchmarkError naming where, the key and the rule that the first violation breaks."""
    if (found := first_violation(name, content)) is not None:
        raise BenchmarkError(f"{where}: {found} (schema {name})")
