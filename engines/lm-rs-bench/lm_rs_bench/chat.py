"""One process of `chat`: from its start to its end, for one answer."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench_protocol import EngineError
from lm_rs_bench.endings import ending
from lm_rs_bench.records import RecordReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lm_rs_bench.records import Record

READY: Final = b"You: "
TOKENISED: Final = b"Assistant:\n"
ANSWERED: Final = b"\n"
SAID_AT_START: Final = (b"LMRS version: 4", b"Model type: LLAMA")
"""Words without which the program is not the one that this adapter knows."""

PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""


def environment(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """What the program may see: nothing that changes its threads, its date or its words."""
    pinned = {"RAYON_NUM_THREADS": str(threads), "TZ": "UTC"}
    dropped = ("RUST_BACKTRACE", "RUST_LOG", *pinned)
    return {name: value for name, value in inherited.items() if name not in dropped} | pinned


def _die_with_parent() -> Callable[[], None]:
    libc = ctypes.CDLL(None)  # loaded before the fork

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return prepare


class Chat:
    """A running program; each read below waits for it, and the launcher's deadline ends what never answers."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Start it; raises EngineError where that fails."""
        self._records = RecordReader()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by end()
        self._is_ready = False
        self.was_asked = False
        self._tokens = 0
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self._records.writing_end.fileno(),
                stderr=self._errors,
                env=dict(variables),
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  this program has one thread
            )
        except OSError as error:
            self._records.close()
            self._errors.close()
            raise EngineError(f"{command[0]} cannot be executed: {error.strerror}") from error
        self._records.writing_end.close()

    def _next(self) -> Record:
        """The next record; raises EngineError that says how the program ended where there is none."""
        record = self._records.read()
        if record is None:
            raise self._ended()
        return record

    def _ended(self) -> EngineError:
        status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace")
        os.write(2, words.encode())  # into the launch's log
        return EngineError(ending(status, words, is_ready=self._is_ready, tokens=self._tokens))

    def wait_until_ready(self) -> None:
        """Read up to the first `You: `."""
        said = b""
        while (record := self._next()).data != READY:
            said += record.data
        for words in SAID_AT_START:
            if words not in said:
                raise EngineError(f"chat did not say {words.decode()!r} at its start but {said[-200:]!r}")
        self._is_ready = True

    def ask(self, line: str) -> Record:
        """Give it a line; the record that says it has made ids of it."""
        assert self._process.stdin is not None
        self.was_asked = True
        with contextlib.suppress(BrokenPipeError):  # its end is told by what it wrote
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        record = self._next()
        if record.data != TOKENISED:
            raise EngineError(f"chat wrote {record.data!r} where {TOKENISED!r} was due")
        return record

    def token(self) -> Record:
        """The next token's text; raises EngineError where the answer or the program has ended instead."""
        record = self._next()
        if record.data in (ANSWERED, READY):
            raise EngineError(
                f"chat ended its answer after {self._tokens} tokens, at an id that the model cannot give; "
                "it is not the program that this adapter knows"
            )
        self._tokens += 1
        return record

    def threads(self) -> int:
        """Threads of the process now, its main thread included."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        found = re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)
        return int(found[1]) if found else 0

    def kill(self) -> None:
        """Stop it at once, in the middle of the next token."""
        self._process.kill()

    def end(self) -> None:
        """Kill it and wait until it is gone with its memory; what it wrote since the last read is dropped."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._records.close()
        self._errors.close()
