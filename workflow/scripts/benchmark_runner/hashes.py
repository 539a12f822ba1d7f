"""Hashes of files and of what determines a measurement: the part of a launch's path that changes when it does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from benchmark_runner.namedfile import opened, telling

ABSENT: Final = "absent"
"""In the place of the hash of a file that is not there."""

IDENTITY_DIGITS: Final = 12
"""48 bits: among a million identities the chance that two agree is below 0.2 % (chosen)."""


def fingerprint(content: Any) -> str:
    """Hash of JSON content that does not depend on the order of keys."""
    canonical = json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text_identity(canonical)


def text_identity(text: str) -> str:
    """Short hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:IDENTITY_DIGITS]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; raises BenchmarkError that names what is no file or cannot be read."""
    with telling(path), opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
