"""The lines of an events file: JSON Lines, parted at \\n alone, of numbers and texts that every reader can read."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

Event = dict[str, Any]

EVENT_BYTES: Final = 1 << 16
"""Most that an event but an iteration takes; each stage keeps them all in memory (chosen)."""

DEPTH: Final = 16
"""Most lists and objects within each other; simdjson reads 1024, Python's own parser fewer (chosen)."""

INT_LIMIT: Final = 1 << 63
"""Whole numbers lie below it: what reads them keeps 63 bits."""


class BrokenEventsError(Exception):
    """An event that the protocol does not allow; the message says which and why."""


class Line(NamedTuple):
    """One line of the file."""

    number: int
    content: bytes
    """With its end, where it has one."""
    end_bytes: int
    """Size of the file up to its end."""


def lines_of(path: Path, longest_bytes: int) -> Iterator[Line]:
    """Lines of the file; none where it is no ordinary file. One that is too long is cut and has no end."""
    if not path.is_file():
        return
    end_bytes = 0
    with path.open("rb") as file:
        number = 1
        while content := file.readline(longest_bytes):
            end_bytes += len(content)
            yield Line(number, content, end_bytes)
            number += 1


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For json's object_pairs_hook: an object; ValueError where a key would be overwritten."""
    content = dict(pairs)
    if len(content) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r:.60} stands twice in one object")
    return content


def parse_line(line: Line) -> Event:
    """The event of a line; raises BrokenEventsError where it is no whole JSON object."""
    if not line.content.endswith(b"\n"):
        raise BrokenEventsError(f"line {line.number} was not written to its end, or is longer than any event")
    try:
        text = line.content.decode("utf-8")
        event = json.loads(text, parse_constant=_no_number, object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as error:
        raise BrokenEventsError(f"line {line.number} is no JSON: {error}") from error
    if not isinstance(event, dict):
        raise BrokenEventsError(f"line {line.number} is no JSON object")
    return event


def _flaw_of(value: Any) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "holds the character NUL"
        return None if value.isascii() or readable(value) == value else "holds half of a surrogate pair"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not finite"
    if isinstance(value, int) and not -INT_LIMIT <= value < INT_LIMIT:
        return "is beyond 63 bits"
    return None


def flaw(value: Any, place: str, depth: int = DEPTH) -> str | None:
    """What a later reader could not read, with its place; None where there is nothing of that kind."""
    if isinstance(value, dict | list):
        if depth == 0:
            return f"{place} lies more than {DEPTH} lists and objects deep"
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in entries:
            if isinstance(key, str) and (what := _flaw_of(key)):
                return f"a key of {place} {what}"
            if (found := flaw(entry, f"{place}.{key}"[:200], depth - 1)) is not None:
                return found
        return None
    what = _flaw_of(value)
    return f"{place} {what}" if what else None


def shown(number: float) -> str:
    """A number of any size, shortly."""
    if isinstance(number, int) and abs(number) < INT_LIMIT:
        return str(number)
    try:
        return f"{number:.6g}"
    except OverflowError:  # whole, and beyond what a float holds
        return f"about 1e+{len(str(abs(number))) - 1}"


def readable(text: str) -> str:
    """The text as any reader can take it: NUL and halves of surrogate pairs become question marks."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")
