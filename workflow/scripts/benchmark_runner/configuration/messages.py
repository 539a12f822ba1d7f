"""Schema violations in words that say what is allowed and what to do; numbers on command lines are bounded alike."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Final, cast

from benchmark_runner.accepting import Accepting
from benchmark_runner.configuration.files import KeyPath, Problem
from benchmark_runner.configuration.secret_forms import secrets
from benchmark_runner.configuration.shortcuts import COMMAND_LINE_KEYS, meant_key, to_type
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.errors import shown as quoted
from benchmark_runner.schemas import schema
from benchmark_runner.units import number_in

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPE_WORDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map of keys",
    "null": "null",
}

LONGEST_SHOWN_VALUE_CHARACTERS: Final = 60
"""Chosen: enough to recognise a value in the file."""

_NUMBER: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]")
"""YAML 1.1 takes such for text unless it has a point and a sign: 1.0e+3."""

SIMILARITY: Final = 0.6
"""Of difflib's ratio, its own default: one or two letters off in a word of ten."""


def shown(value: Any) -> str:
    """A value as YAML would have it on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN_VALUE_CHARACTERS else f"{text[:LONGEST_SHOWN_VALUE_CHARACTERS]}..."


def closest(word: str, known: Iterable[str], similarity: float = SIMILARITY) -> str | None:
    """The known word that word was probably meant to be; None where none is similar enough."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=similarity)
    return matches[0] if matches else None


def nearest(word: str, known: Sequence[str]) -> str:
    """Remedy for an unknown word: the nearest known one, or all of them."""
    match = closest(word, known)
    return f"did you mean {match!r}?" if match else f"known here: {', '.join(known)}"


def _rule(error: ValidationError) -> Mapping[str, Any]:
    """The part of the schema that was broken; the library's types also allow what a schema of objects never has."""
    return cast(Mapping[str, Any], error.schema)


def _known_keys(error: ValidationError) -> list[str]:
    extra = () if error.absolute_path else COMMAND_LINE_KEYS
    return sorted({*_rule(error)["properties"], *extra})


def _unknown_keys(error: ValidationError) -> Iterator[Problem]:
    known = _known_keys(error)
    for key in cast(Mapping[str, Any], error.instance):
        if key not in _rule(error)["properties"]:
            is_near = "." not in str(key) and closest(str(key), known)
            meant = None if error.absolute_path or is_near else meant_key(str(key))
            remedy = f"{'.'.join(meant)} is one ({to_type(meant)})" if meant else nearest(str(key), known)
            yield [*error.absolute_path, key], f"unknown key {quoted(str(key))}; {remedy}"


def _missing_keys(error: ValidationError, meant: Set[KeyPath]) -> Iterator[Problem]:
    """Required keys that are absent, less those that only a misspelt key hides, which has its message already."""
    for key in cast(list[str], error.validator_value):
        if key not in cast(Mapping[str, Any], error.instance) and (*error.absolute_path, key) not in meant:
            about = _rule(error)["properties"][key].get("description", "").split(". ")[0]
            yield list(error.absolute_path), f"key {key!r} is missing; add it: {about}"


def _types(schema: Mapping[str, Any]) -> list[str]:
    found: str | list[str] = schema.get("type", [])
    return [found] if isinstance(found, str) else found


def allowed(schema: Mapping[str, Any]) -> str:
    """What a leaf accepts, from its schema."""
    words = " or ".join(_TYPE_WORDS[name] for name in _types(schema))
    if "enum" in schema:
        words = schema.get("form") or "one of " + ", ".join(
            "null" if one is None else str(one) for one in schema["enum"]
        )
    limits = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "more than"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "less than"),
        )
        if key in schema
    ]
    if schema.get("minLength") or schema.get("minItems"):
        limits.append("not empty")
    unit = f" {schema['unit']}" if "unit" in schema else ""
    return f"{words}{', ' if limits else ''}{', '.join(limits)}{unit}"


def _none_or_several(error: ValidationError, meant: Set[KeyPath]) -> Iterator[Problem]:
    """A map that has none or several of keys of which it needs one."""
    path = list(error.absolute_path)
    keys = [key for choice in cast(list[dict[str, Any]], error.validator_value) for key in choice["required"]]
    if not isinstance(error.instance, dict) or any((*path, key) in meant for key in keys):
        return  # the wrong type, or the misspelt key, has a message of its own
    given = [key for key in keys if key in error.instance]
    have = f"it has {' and '.join(given)}; keep one" if given else "it has none of them; add one"
    what = "an engine" if path[0] == "engines" else "a test case"
    yield path, f"{what} needs exactly one of {', '.join(keys)}; {have}"


def _bad_prompt(error: ValidationError) -> Iterator[Problem]:
    """A prompt that is neither text nor messages; a list is judged as messages."""
    inside = [below for below in error.context or [] if below.relative_schema_path[0] == 1]
    if isinstance(error.instance, list) and error.instance and inside:
        yield from problems_of(inside)
        return
    found = "the prompt is empty" if error.instance in ("", []) else f"{shown(error.instance)} is no prompt"
    yield list(error.absolute_path), f"{found}; write a text, or a list of messages with role and content"


def _told(error: ValidationError) -> str:
    """What is wrong, as messages have it: not where a secret belongs, or what looks like one stands."""
    is_secret = _rule(error).get("secret") or next(secrets(error.instance), None) is not None
    return "what stands here" if is_secret else shown(error.instance)


def _bad_form(error: ValidationError) -> str:
    """Text that does not match its pattern: the schema says in words what form it has, or it is a name."""
    if form := _rule(error).get("form"):
        return f"{_told(error)} is not allowed; write {form}"
    text = str(error.instance)
    better = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:64]
    hint = f"; for example {better!r}" if better else ""
    return (
        f"{shown(text)} is no name: it may hold letters, digits, _ and -, and begins with a letter or digit, "
        f"at most 64 in all{hint}"
    )


def per_cent(value: float) -> str:
    """A remedy for per cent in place of a share; empty where the value can be none."""
    return f"; {value:g} % is {value / 100:g}" if 1 < value <= 100 else ""


def _bad_value(error: ValidationError) -> str:
    rule = _rule(error)
    words = f"{_told(error)} is not allowed; write {allowed(rule)}"
    if error.instance is None:
        words = f"nothing stands here; write {allowed(rule)}, or leave the key out"
    elif (
        isinstance(error.instance, str)
        and {"integer", "number"} & set(_types(rule))
        and _NUMBER.fullmatch(error.instance)
    ):
        in_decimals = f"{float(error.instance):.18f}".rstrip("0").rstrip(".")
        words += f"; YAML takes {error.instance} for text, write {in_decimals}"
    elif "string" in rule.get("type", ()) and not isinstance(error.instance, (str, list, dict)):
        words += ", in quotes"
    elif error.validator in ("maximum", "exclusiveMaximum") and error.validator_value == 1:
        words += per_cent(cast(float, error.instance))
    elif (
        error.validator == "enum"
        and "form" not in rule
        and (match := closest(str(error.instance), [str(value) for value in rule["enum"]]))
    ):
        words += f"; did you mean {match!r}?"
    return f"{words} ({rule['description']})" if "description" in rule else words


def _explain(error: ValidationError, meant: Set[KeyPath]) -> Iterator[Problem]:
    path = list(error.absolute_path)
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error)
    elif error.validator == "required":
        yield from _missing_keys(error, meant)
    elif error.validator == "oneOf":
        yield from _bad_prompt(error) if path[-1] == "prompt" else _none_or_several(error, meant)
    elif error.validator == "pattern":
        yield path, _bad_form(error)
    elif error.validator == "uniqueItems":
        yield path, f"{shown(error.instance)} names something twice; name each once"
    else:
        yield path, _bad_value(error)


def _meant(errors: Iterable[ValidationError]) -> set[KeyPath]:
    """Paths of the keys that misspelt ones were probably meant to be."""
    return {
        (*error.absolute_path, match)
        for error in errors
        if error.validator == "additionalProperties"
        for key in cast(Mapping[str, Any], error.instance)
        if key not in _rule(error)["properties"] and (match := closest(str(key), _known_keys(error)))
    }


def problems_of(errors: Sequence[ValidationError]) -> list[Problem]:
    """Each violation as a key and what is wrong with it; one message for each thing to be mended."""
    meant = _meant(errors)
    return [problem for error in errors for problem in _explain(error, meant)]


def bounded_number(flag: str, key: str) -> Callable[[str], Any]:
    """An argparse type for the flag: a number that the configuration's key, as `section.name`, would take.

    What it returns raises BenchmarkError that names the flag, what is allowed and a share typed as per cent.
    """
    rules: Mapping[str, Any] = schema("config")
    for part in key.split("."):
        rules = rules["properties"][part]
    accepts = Accepting(rules, {}).check(rules)

    def parse(text: str) -> Any:
        try:
            value = number_in(text)
        except ValueError:
            raise BenchmarkError(f"{flag}: {text!r} is no number") from None
        if not math.isfinite(value):
            raise BenchmarkError(f"{flag}: {text} is not finite; write a finite number")
        value = int(value) if "integer" in rules["type"] and value.is_integer() else value
        if not accepts(value):
            from benchmark_runner.violations import violations_of  # jsonschema takes long to import

            for _, message in problems_of(violations_of(rules, value)):
                raise BenchmarkError(f"{flag}: {message}")
        return value

    return parse
