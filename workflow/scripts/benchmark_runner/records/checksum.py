"""A record's checksum of itself: whoever changes a figure by hand is told, whoever lays the text out anew is not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.jsonio import write_text_atomic

KEY: Final = "checksum"

_END: Final = re.compile(rb', "checksum": "([0-9a-f]{64})"\}\s*\Z')
"""Of a record's text as it is written: the checksum is its last entry."""

_END_BYTES: Final = 200
"""More than that end takes, with some white space behind it."""


def canonical_text(record: Mapping[str, Any]) -> bytes:
    """What the checksum is of: the record without it on one line, its keys in their order, as UTF-8."""
    content = {key: value for key, value in record.items() if key != KEY}
    return json.dumps(content, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")


def sealed_text(record: Mapping[str, Any]) -> bytes:
    """The record's text with its checksum; ValueError for a number that JSON has not."""
    content = canonical_text(record)
    digest = hashlib.sha256(content).hexdigest()
    return content[:-1] + f', "{KEY}": "{digest}"}}\n'.encode()


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a launch's record, atomically."""
    write_text_atomic(path, sealed_text(record).decode("utf-8"))


def is_as_written(text: bytes) -> bool:
    """Whether a record's text is, byte for byte, what its checksum was made of."""
    end = _END.search(text, max(0, len(text) - _END_BYTES))
    if end is None:
        return False
    written = hashlib.sha256(memoryview(text)[: end.start()])
    written.update(b"}")
    return written.hexdigest().encode() == end[1]


def is_unchanged(text: bytes) -> bool:
    """Whether a record's text, which has a checksum, is what was written but for its layout."""
    if is_as_written(text):
        return True
    record = json.loads(text)  # laid out anew, or changed: as a rule neither
    return bool(hashlib.sha256(canonical_text(record)).hexdigest() == record[KEY])
