"""The JSON Schemas of workflow/schemas, and validation against them with messages worth reading."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from benchmark_runner.errors import BenchmarkError

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "schemas"


@cache
def schema(name: str) -> dict[str, Any]:
    """Schema called name (config, spec, event, record), checked to be a valid schema itself."""
    content: dict[str, Any] = yaml.safe_load((SCHEMA_FOLDER / f"{name}.schema.yaml").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(content)
    return content


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def violations(name: str, content: Any) -> list[ValidationError]:
    """All ways in which content breaks the schema, in document order; empty where it keeps it."""
    return sorted(_validator(name).iter_errors(content), key=lambda error: [str(p) for p in error.absolute_path])


def require_valid(name: str, content: Any, where: str) -> None:
    """Raise BenchmarkError naming where, the key and the rule that the first violation breaks."""
    for error in violations(name, content):
        key = ".".join(str(part) for part in error.absolute_path) or "(top level)"
        raise BenchmarkError(f"{where}: {key}: {error.message} (schema {name})")
