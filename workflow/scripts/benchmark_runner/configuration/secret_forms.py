"""What looks like a secret, by its name or its form: it is neither kept nor told."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import Any, Final

from benchmark_runner.configuration.files import KeyPath
from benchmark_runner.configuration.plain import require_bounded
from benchmark_runner.errors import BenchmarkError

_SECRET_NAMES: Final = re.compile(
    r"(apikey|accesskey|authkey|privatekey|passwor[dt]|passwd|secret|credential|authorization|bearer|cookie"
    r"|passphrase|subscriptionkey|(access|auth|api|hf|session|refresh)token(?!i[sz])).*(?<!file)(?<!path)(?<!env)\Z"
)
"""What ends so names where a secret is, and is none."""
_SHORT_NAMES: Final = frozenset({"key", "token", "auth", "pwd"})
"""Secrets where they are texts."""

_KEYS: Final = re.compile(
    r"\b(hf|api_org)_[A-Za-z0-9]{30,}|\b(gh[pousr]|github_pat)_\w{30,}|\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"
    r"|\bAIza[\w-]{30,}|\bglpat-[\w-]{16,}|\bnvapi-[\w-]{40,}|\bxox[abeoprs]-[\w-]{16,}|\bdapi[0-9a-f]{32}"
    r"|\b(gsk_|r8_|xai-|pplx-|csk-|fw_)[A-Za-z0-9]{24,}|\b[rs]k_(live|test)_\w{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}"
    r"|(?<![\w-])sk-(proj|svcacct|admin|ant|or)-[\w-]{40,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/?#\s:@]*:[^/?#\s]+@|(?<!ssh)://[^/?#\s]+@"
    r"|\b[Bb]earer\s+([\w.~+/-]{16}|(?=[\w.~+/=-]{6})[\w.~+/-]*[\d=])"
)
"""Forms in which keys are handed out, and how they stand in headers and addresses."""

_SK: Final = re.compile(r"(?<![\w-])sk-([\w-]+)")
"""How keys of OpenAI and of many who speak its interface begin, and names of models for Slovak."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BASIC: Final = re.compile(r"\b[Bb]asic\s+([A-Za-z0-9+/]{4,}={0,2})(?!\S)")

_NAMED: Final = re.compile(
    r"(?<![\w-])--?(?P<flag>[A-Za-z][\w-]*)[= ](?P<of_flag>[^\s-]\S*)|[?&](?P<key>[\w-]+)=(?P<of_key>[^&#\s]+)"
    r"|(?<![\w-])(?P<variable>[A-Z][A-Z0-9_]*)=(?P<of_variable>\S+)|\A(?P<header>[\w-]+):\s*(?!//)(?P<of_header>\S.{5,})"
)
"""Names with their values within a text: flags of a command, keys of an address, variables, a header."""
_FLAG: Final = re.compile(r"--?([A-Za-z][\w-]*)")
_SWITCH: Final = re.compile(r"[0-9.]{1,8}|true|false|on|off|yes|no|none|null|auto|\{\w+\}", re.IGNORECASE)
"""Numbers, switches and places that are filled in."""

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


def _is_drawn(word: str) -> bool:
    """Whether letters and digits look drawn by chance: a name is shorter, or of words and numbers."""
    runs = [(is_digit, len(list(run))) for is_digit, run in groupby(word, str.isdigit)]
    letters = [length for is_digit, length in runs if not is_digit]
    is_mixed = not (word.islower() or word.isupper() or word.isdigit())
    return len(word) >= 20 or (len(word) >= 6 and is_mixed and len(runs) >= 4 and sum(letters) < 3 * len(letters))


def _is_user_and_password(word: str) -> bool:
    try:
        return b":" in base64.b64decode(word, validate=True)
    except ValueError:
        return False


def _holds_secret(text: str) -> bool:
    """Whether a secret stands anywhere in a text, by its form or by the name before it."""
    named = (list(filter(None, found.groups())) for found in _NAMED.finditer(text))
    return (
        _KEYS.search(text) is not None
        or any(_UUID.search(key) or any(map(_is_drawn, re.split("[-_]", key))) for key in _SK.findall(text))
        or any(map(_is_user_and_password, _BASIC.findall(text)))
        or any(_is_secret(name, value) and not _SWITCH.fullmatch(value) for name, value in named)
    )


def _secrets_of_schema(fields: Mapping[str, Any]) -> Iterator[KeyPath]:
    """The same of what a JSON schema tells of each field of an answer, whose names name nothing that stands here."""
    for name, told in fields.items():
        if _holds_secret(str(name)):
            yield []
        else:
            yield from ([name, *place] for place in secrets(told))


def _of_list(content: list[Any]) -> Iterator[KeyPath]:
    """The same of a list, in which the value of a flag may stand behind it."""
    for number, (before, value) in enumerate(pairwise([None, *content])):
        flag = _FLAG.fullmatch(before) if isinstance(before, str) else None
        is_its_value = isinstance(value, str) and not _FLAG.fullmatch(value) and not _SWITCH.fullmatch(value)
        if flag and is_its_value and _is_secret(flag[1], value):
            yield [number]
        else:
            yield from ([number, *place] for place in secrets(value))


def secrets(content: Any) -> Iterator[KeyPath]:
    """Places of what looks like a secret, by its name or its form."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if _holds_secret(str(key)):
                yield []  # its name must not be told
            elif key == "properties" and isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()):
                yield from ([key, *place] for place in _secrets_of_schema(value))
            elif _is_secret(str(key), value):
                yield [key]
            else:
                yield from ([key, *place] for place in secrets(value))
    elif isinstance(content, list):
        yield from _of_list(content)
    elif isinstance(content, str):
        inner = as_json(content)
        if _holds_secret(content) or (inner is not content and next(secrets(inner), None) is not None):
            yield []
