"""Schema violations in words that say what is allowed and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from jsonschema.exceptions import ValidationError

from benchmark_runner.configuration.positions import KeyPath, Positions

_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map of keys",
    "null": "null",
}


def dotted(key_path: KeyPath) -> str:
    """Key path as a user would say it: engines[1].name."""
    text = ""
    for part in key_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the file"


def nearest(word: str, known: list[str]) -> str:
    """Remedy for an unknown word: the nearest known one, or all of them."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else f"known here: {', '.join(known)}"


def _rule(error: ValidationError) -> Mapping[str, Any]:
    """The part of the schema that was broken; the library's types also allow what a schema of objects never has."""
    return cast(Mapping[str, Any], error.schema)


def _unknown_keys(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    known = _rule(error)["properties"]
    for key in cast(Mapping[str, Any], error.instance):
        if key not in known:
            yield [*error.absolute_path, key], f"unknown key {key!r}; {nearest(str(key), sorted(known))}"


def allowed(schema: Mapping[str, Any]) -> str:
    """What a leaf accepts, from its schema."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    words = " or ".join(_TYPE_WORDS[name] for name in types)
    if "enum" in schema:
        words = "one of " + ", ".join(str(value) for value in schema["enum"])
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


def _prompt_choice(error: ValidationError) -> str:
    """Message for a oneOf: the two places that have one are a test case's prompt and the prompt's form."""
    if error.absolute_path and error.absolute_path[-1] == "prompt":
        return "a prompt is text that is not empty, or a list of messages with role and content"
    given = sorted({"prompt", "prompt_file", "prompt_tokens"} & set(cast(Mapping[str, Any], error.instance)))
    have = f"it has {' and '.join(given)}" if given else "it has none of them"
    return f"a test case needs exactly one of prompt, prompt_file, prompt_tokens; {have}"


def _explain(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    path = list(error.absolute_path)
    description = _rule(error).get("description", "")
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error)
    elif error.validator == "required":
        for key in cast(list[str], error.validator_value):
            if key not in cast(Mapping[str, Any], error.instance):
                about = _rule(error)["properties"][key].get("description", "")
                yield path, f"key {key!r} is missing ({about})"
    elif error.validator == "oneOf":
        yield path, _prompt_choice(error)
    elif error.validator == "pattern":
        yield path, f"{error.instance!r} is not allowed. {description}"
    elif error.validator == "uniqueItems":
        yield path, f"{error.instance!r} names something twice. {description}"
    else:
        yield path, f"{error.instance!r} is not allowed: {allowed(_rule(error))}. {description}"


def explain_all(errors: list[ValidationError], positions: Positions) -> list[str]:
    """One line a problem: file and line, key, what is wrong, what is allowed."""
    return [
        f"{positions.of(path)}: {dotted(path)}: {message.rstrip()}"
        for error in errors
        for path, message in _explain(error)
    ]
