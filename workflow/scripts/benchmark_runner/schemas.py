"""The JSON Schemas of workflow/schemas, and validation against them with messages worth reading."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmark_runner.accepting import Accepting, Check, is_time
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import RESTORED, read_own_text
from benchmark_runner.terminal import in_line

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "schemas"


@cache
def schema(name: str) -> dict[str, Any]:
    """Schema called name (config, spec, event, record)."""
    path = SCHEMA_FOLDER / f"{name}.schema.yaml"
    try:
        # Ten times as fast as safe_load.
        content: dict[str, Any] = yaml.load(read_own_text(path), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise BenchmarkError(f"{path} is not YAML ({in_line(error)}); {RESTORED}") from None
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
def _accepts(name: str) -> Check:
    return Accepting(_rules(name), {"date-time": is_time}).check(_rules(name))


def violations(name: str, content: Any) -> list[ValidationError]:
    """All ways in which content breaks the schema, in document order; empty where it keeps it.

    A name like event.hello means the alternative of that title.
    """
    if _accepts(name)(content):
        return []
    from benchmark_runner.violations import violations_of  # jsonschema takes long to import

    return violations_of(_rules(name), content)


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
