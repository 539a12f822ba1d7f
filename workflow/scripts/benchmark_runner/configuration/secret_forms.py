"""What looks like a secret, by its name or its form: it is neither kept nor told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmark_runner.configuration.files import KeyPath
from benchmark_runner.configuration.plain import require_bounded
from benchmark_runner.errors import BenchmarkError

_SECRET_NAMES: Final = re.compile(
    r"apikey|accesskey|authkey|privatekey|passw|secret|credential|authorization|bearer|cookie"
    r"|passphrase|subscriptionkey|(access|auth|api|hf|session|refresh)token(?!i[sz])"
)
_SHORT_NAMES: Final = frozenset({"key", "token", "auth", "pwd"})
"""Secrets where they are texts."""

_SECRETS: Final = re.compile(
    r"(?<![\w-])sk-[\w-]{6,}|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_\w{16,}|\bAKIA[A-Z0-9]{12,}|\bAIza[\w-]{20,}"
    r"|\b(gsk_|glpat-|nvapi-|xox[abp]-)[\w-]{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}"
    r"|\b(Bearer|Basic)\s+(?=[\w.~+/=-]{6})[\w.~+/=-]*[\d=]|://[^/\s]*@|--?api[-_]?key[= ]\S"
)
"""Forms in which keys are handed out, and how they stand in headers and addresses."""

_FILLED_IN: Final = re.compile(r"\{\w+\}")
"""Places that are filled in before a text is sent; until then it may be no JSON."""


def as_json(value: Any) -> Any:
    """What a text says that is JSON of a depth that anybody writes; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            content = json.loads(_FILLED_IN.sub("0", value))
            require_bounded(content)
        except (ValueError, RecursionError, BenchmarkError):
            return value
        return content
    return value


def _is_secret(name: str, value: Any) -> bool:
    """Whether a value is one by its name; numbers and switches are none."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return bool(value) and (
        (isinstance(value, str) and plain in _SHORT_NAMES)
        or (isinstance(value, str | list | dict) and _SECRET_NAMES.search(plain) is not None)
    )


def _secrets_of_schema(fields: Mapping[str, Any]) -> Iterator[KeyPath]:
    """The same of what a JSON schema tells of each field of an answer, whose names name nothing that stands here."""
    for name, told in fields.items():
        if _SECRETS.search(str(name)):
            yield []
        else:
            yield from ([name, *place] for place in secrets(told))


def secrets(content: Any) -> Iterator[KeyPath]:
    """Places of what looks like a secret, by its name or its form."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if _SECRETS.search(str(key)):
                yield []  # its name must not be told
            elif key == "properties" and isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()):
                yield from ([key, *place] for place in _secrets_of_schema(value))
            elif _is_secret(str(key), value):
                yield [key]
            else:
                yield from ([key, *place] for place in secrets(value))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from ([number, *place] for place in secrets(value))
    elif isinstance(content, str):
        inner = as_json(content)
        if _SECRETS.search(content) or (inner is not content and next(secrets(inner), None) is not None):
            yield []
