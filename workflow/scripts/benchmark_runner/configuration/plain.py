"""Is a configuration plain: what JSON can hold, finite, of a size to work with? Whatever comes after may rely on it."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import yaml

from benchmark_runner.errors import BenchmarkError

MOST_VALUES: Final = 250_000
"""Ten thousand test cases with all their keys have half as many (chosen)."""

CHARACTERS_PER_VALUE: Final = 256
"""A long text counts as a value for each so many characters, so that aliases cannot multiply it either (chosen)."""

DEEPEST: Final = 64
"""The configuration's own keys end at the seventh level; options of engines may go deeper (chosen)."""

LARGEST_INTEGER: Final = 2**63 - 1
"""What each engine's language and each reader of JSON can hold."""

NOT_WHAT_THE_TAG_SAYS: Final = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What PyYAML's loaders raise for a value that is none of its type."""

_IN_QUOTES: Final = "write it in quotes"


def _parts(value: Any) -> Iterable[Any]:
    """What a value or a YAML node consists of."""
    if isinstance(value, yaml.MappingNode):
        return (part for pair in value.value for part in pair)
    if isinstance(value, Mapping):
        return (part for pair in value.items() for part in pair)
    if isinstance(value, yaml.SequenceNode):
        return value.value  # type: ignore[no-any-return]
    return value if isinstance(value, (list, tuple, set, frozenset)) else ()


def _extent(value: Any, above: tuple[int, ...], known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values there are once every alias is written out, and how deep; each object is looked at once."""
    if isinstance(value, (str, bytes, yaml.ScalarNode)):
        text = value.value if isinstance(value, yaml.ScalarNode) else value
        return 1 + len(text) // CHARACTERS_PER_VALUE, 1
    if id(value) in above:
        raise BenchmarkError("it holds an alias (*) of itself; write out what is meant")
    if id(value) not in known:
        if len(above) >= DEEPEST:
            raise BenchmarkError(f"it is nested more than {DEEPEST} levels deep; write it flatter")
        inside = [_extent(part, (*above, id(value)), known) for part in _parts(value)]
        known[id(value)] = 1 + sum(size for size, _ in inside), 1 + max((depth for _, depth in inside), default=0)
    return known[id(value)]


def require_bounded(content: Any) -> None:
    """Raise BenchmarkError where a value or YAML node with its aliases written out is too large or too deep."""
    size, depth = _extent(content, (), {})
    if depth > DEEPEST:
        raise BenchmarkError(f"it is nested {depth} levels deep; {DEEPEST} are the most")
    if size > MOST_VALUES:
        raise BenchmarkError(
            f"it stands for {size:,} values once its aliases (*) are written out, where {MOST_VALUES:,} are the most "
            f"(a long text counts as one for each {CHARACTERS_PER_VALUE} characters); "
            "write out what is meant, and put long prompts into files (prompt_file)"
        )


def unreadable_text(text: str) -> str | None:
    """What is wrong with a text that UTF-8 cannot hold; None where nothing is."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start].encode("unicode_escape").decode()
        return (
            f"character {error.start + 1} is {half}, half of a UTF-16 pair and no character; "
            "write the character itself, or \\U with its eight digits"
        )
    return None


def _named(value: Any) -> str:
    if isinstance(value, datetime.date):
        return f"{value} is a date to YAML"
    return f"a value of type {type(value).__name__} cannot be written to JSON"


def _complaint(value: Any) -> str | None:
    """What is wrong with a single value."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return unreadable_text(value)
    if isinstance(value, int):
        if abs(value) <= LARGEST_INTEGER:
            return None
        return f"a whole number of {value.bit_length()} bits is larger than 64 bits can hold; {_IN_QUOTES}"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not finite; write a finite number"
    return f"{_named(value)}; {_IN_QUOTES}, or leave it out"


def _as_text(value: Any) -> str:
    """A value that JSON cannot hold; of a whole number with thousands of digits Python writes no decimals."""
    is_large = isinstance(value, int) and abs(value) > LARGEST_INTEGER
    return ascii(hex(value) if is_large else str(value)).strip("'")


def plain_copy(content: Any, above: Sequence[str | int] = ()) -> tuple[Any, list[tuple[Sequence[str | int], str]]]:
    """A copy of bounded content in which text stands for what JSON cannot hold, and a problem for each such place."""
    problems: list[tuple[Sequence[str | int], str]] = []
    if isinstance(content, Mapping):
        copied: dict[str, Any] = {}
        for key, value in content.items():
            name = key if isinstance(key, str) and unreadable_text(key) is None else _as_text(key)
            if name != key:
                what = unreadable_text(key) if isinstance(key, str) else f"it is no text to YAML; {_IN_QUOTES}"
                problems.append(([*above, name], f"key {name}: {what}"))
            copied[name], inside = plain_copy(value, [*above, name])
            problems += inside
        return copied, problems
    if isinstance(content, list):
        items = [plain_copy(item, [*above, index]) for index, item in enumerate(content)]
        return [item for item, _ in items], [problem for _, inside in items for problem in inside]
    if complaint := _complaint(content):
        return content if isinstance(content, float) else _as_text(content), [(list(above), complaint)]
    return content, []
