"""Numbers on the command lines of stages, bounded as the configuration's keys of the same meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from benchmark_runner.configuration.messages import problems_of
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import schema


def _rules(key: str) -> Mapping[str, Any]:
    rules: Mapping[str, Any] = schema("config")
    for part in key.split("."):
        rules = rules["properties"][part]
    return rules


def bounded_number(flag: str, key: str) -> Callable[[str], Any]:
    """An argparse type for the flag: a number that the configuration's key, as `section.name`, would take.

    What it returns raises BenchmarkError that names the flag, what is allowed and a share typed as per cent.
    """
    rules = _rules(key)

    def parse(text: str) -> Any:
        try:
            value = float(text)
        except ValueError:
            raise BenchmarkError(f"{flag}: {text!r} is no number") from None
        if not math.isfinite(value):
            raise BenchmarkError(f"{flag}: {text} is not finite; write a finite number")
        for _, message in problems_of(list(Draft202012Validator(rules).iter_errors(value))):
            raise BenchmarkError(f"{flag}: {message}")
        return int(value) if "integer" in rules["type"] else value

    return parse
