"""The file behind logits_path: raw 32-bit little-endian numbers, a vocabulary a token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench_protocol.events import FILE_MODE
from bench_protocol.failure import BadSpecError, EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence


class LogitsFile:
    """Appends logits to a file."""

    def __init__(self, path: str) -> None:
        """Open the file for appending; raises BadSpecError where that fails."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise BadSpecError(f"logits_path {path} cannot be opened: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "ab", buffering=0)

    def append(self, logits: Sequence[bytes], tokens: int) -> None:
        """Append the logits of one request; raises EngineError where the engine kept too few or too many."""
        if len(logits) != tokens:
            raise EngineError(f"the engine gave logits for {len(logits)} of {tokens} tokens")
        left = memoryview(b"".join(logits))
        while left:
            left = left[self._file.write(left) :]
