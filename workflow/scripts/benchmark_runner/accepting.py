"""A JSON Schema as one function that says whether content keeps it, faster than jsonschema and without a reason.

Who hears no asks jsonschema, which has the words. A keyword that is not known here makes no function at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import getitem
from typing import Any, Final

Check = Callable[[Any], bool]

_TELLING: Final = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "unit", "reruns", "form", "secret", "examples"}
)
"""Keywords that only tell something."""

_KINDS: Final[Mapping[str, Check]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_number, _string, _array, _object = (_KINDS[kind] for kind in ("number", "string", "array", "object"))


def is_time(value: Any) -> bool:
    """Whether a text names a moment, with its zone; what is no text is another rule's."""
    try:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


class UnknownKeywordError(Exception):
    """A schema says something that no check is known for."""


def _equal(one: Any, other: Any) -> bool:
    """Whether two plain values are the same to JSON, at any depth: true is not 1, 1.0 is 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _of(kind: Check, check: Check) -> Check:
    """The check for values of one kind; others keep it anyhow."""
    return lambda value: not kind(value) or check(value)


def _every(checks: Sequence[Check]) -> Check:
    """The check that keeps all of these. A document of ten thousand launches goes through millions, and a loop takes
    half as long as all() of a generator."""
    if len(checks) == 1:
        return checks[0]

    def keeps(value: Any) -> bool:
        for check in checks:  # noqa: SIM110
            if not check(value):
                return False
        return True

    return keeps


def _some(checks: Sequence[Check]) -> Check:
    """The check that keeps one of these or more."""

    def keeps(value: Any) -> bool:
        for check in checks:  # noqa: SIM110
            if check(value):
                return True
        return False

    return keeps


def _limit(keyword: str, bound: Any) -> Check | None:
    """The check of a keyword that is a bound or a pattern; None where it is another keyword."""
    if keyword == "pattern":
        search = re.compile(bound).search
        return _of(_string, lambda value: search(value) is not None)
    checks: Mapping[str, Check] = {
        "minimum": _of(_number, lambda value: value >= bound),
        "maximum": _of(_number, lambda value: value <= bound),
        "exclusiveMinimum": _of(_number, lambda value: value > bound),
        "exclusiveMaximum": _of(_number, lambda value: value < bound),
        "minLength": _of(_string, lambda value: len(value) >= bound),
        "maxLength": _of(_string, lambda value: len(value) <= bound),
        "minItems": _of(_array, lambda value: len(value) >= bound),
        "maxItems": _of(_array, lambda value: len(value) <= bound),
        "minProperties": _of(_object, lambda value: len(value) >= bound),
        "enum": lambda value: any(_equal(value, one) for one in bound),
        "const": lambda value: _equal(value, bound),
    }
    return checks.get(keyword)


class Accepting:
    """Makes checks of the parts of one schema; formats are checks of texts by name."""

    def __init__(self, root: Mapping[str, Any], formats: Mapping[str, Check]) -> None:
        self._root = root
        self._formats = formats
        self._shared: dict[str, Check] = {}

    def check(self, rules: Any) -> Check:
        """Whether content keeps these rules; UnknownKeywordError where they say what is not known here."""
        if isinstance(rules, bool):
            return lambda _value: rules
        found = (self._keyword(name, part, rules) for name, part in rules.items() if name not in _TELLING)
        return _every([one for one in found if one is not None])

    def _keyword(self, name: str, part: Any, rules: Mapping[str, Any]) -> Check | None:
        if (check := _limit(name, part)) is not None:
            return check
        if name in ("additionalProperties", "then", "else"):  # made with those that they go with
            return self._others(part, rules) if name == "additionalProperties" else None
        makers: Mapping[str, Callable[[Any], Check]] = {
            "type": self._type,
            "$ref": self._ref,
            "required": lambda names: _of(_object, frozenset(names).issubset),
            "properties": self._properties,
            "propertyNames": self._names,
            "items": self._items,
            "uniqueItems": self._unique,
            "format": self._format,
            "not": self._not,
            "allOf": lambda parts: _every([self.check(rules) for rules in parts]),
            "anyOf": lambda parts: _some([self.check(rules) for rules in parts]),
            "oneOf": self._one,
            "if": lambda condition: self._if(condition, rules),
        }
        if name not in makers:  # words of a description behind a comma too, to YAML a key without a value
            raise UnknownKeywordError(name)
        return makers[name](part)

    def _type(self, names: str | Sequence[str]) -> Check:
        wanted = [names] if isinstance(names, str) else names
        if unknown := [name for name in wanted if name not in _KINDS]:
            raise UnknownKeywordError(f"type {unknown[0]}")
        kinds = [_KINDS[name] for name in wanted]
        return kinds[0] if len(kinds) == 1 else _some(kinds)

    def _ref(self, reference: str) -> Check:
        def check(value: Any) -> bool:  # looked up when used: definitions may name themselves
            return self._shared[reference](value)

        if reference not in self._shared:
            if not reference.startswith("#/"):
                raise UnknownKeywordError(reference)
            try:
                rules = reduce(getitem, reference.removeprefix("#/").split("/"), self._root)
            except KeyError:
                raise UnknownKeywordError(reference) from None
            self._shared[reference] = check
            self._shared[reference] = self.check(rules)
        return check

    def _properties(self, parts: Mapping[str, Any]) -> Check:
        checks = {name: self.check(rules) for name, rules in parts.items()}

        def keeps(value: Any) -> bool:
            if isinstance(value, dict):
                for name, part in value.items():
                    if name in checks and not checks[name](part):
                        return False
            return True

        return keeps

    def _others(self, rules: Any, beside: Mapping[str, Any]) -> Check:
        if "patternProperties" in beside:
            raise UnknownKeywordError("patternProperties")
        named, check = frozenset(beside.get("properties", ())), self.check(rules)
        if rules is False:
            return _of(_object, lambda value: value.keys() <= named)
        return _of(_object, lambda value: all(check(value[name]) for name in value if name not in named))

    def _names(self, rules: Any) -> Check:
        check = self.check(rules)
        return _of(_object, lambda value: all(map(check, value)))

    def _items(self, rules: Any) -> Check:
        check = self.check(rules)
        return _of(_array, lambda value: all(map(check, value)))

    def _unique(self, wanted: bool) -> Check:
        def differ(values: list[Any]) -> bool:
            return not any(_equal(one, other) for place, one in enumerate(values) for other in values[:place])

        return _of(_array, differ) if wanted else self.check(True)

    def _format(self, name: str) -> Check:
        if name not in self._formats:
            raise UnknownKeywordError(f"format {name}")
        return _of(_string, self._formats[name])

    def _not(self, rules: Any) -> Check:
        check = self.check(rules)
        return lambda value: not check(value)

    def _one(self, parts: Sequence[Any]) -> Check:
        checks = [self.check(rules) for rules in parts]
        return lambda value: sum(check(value) for check in checks) == 1

    def _if(self, condition: Any, rules: Mapping[str, Any]) -> Check:
        parts = (condition, rules.get("then", True), rules.get("else", True))
        holds, then, other = (self.check(part) for part in parts)
        return lambda value: then(value) if holds(value) else other(value)
