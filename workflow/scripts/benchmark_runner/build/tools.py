"""Runs the tools of a build: all output to a log, a word now and then to the user, the reason where they fail."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from benchmark_runner.build.adapter import REMEDIES, find_tool
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import written_whole
from benchmark_runner.locks import take
from benchmark_runner.terminal import say

PROGRESS_SECONDS: Final = 15.0
"""Pause between progress lines: often enough to show life, seldom enough to read (chosen)."""

REASON_LINES: Final = 6
"""Lines of a tool's last words that a record keeps (chosen): an error of cargo with its cause fits."""

PROGRAM_MODE: Final = 0o755

# uv marks its causes with a multiplication sign.
_ERROR_LINE: Final = re.compile(r"^\s*(error|fatal|\u00d7)", re.IGNORECASE)

_NETWORK_WORDS: Final = re.compile(
    r"could(n't| not) resolve|failed to (download|fetch)|dns error|error sending request|connection (refused|reset)"
    r"|network is unreachable|timed? ?out|spurious network",
    re.IGNORECASE,
)

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""


class BuildError(BenchmarkError):
    """A build that could not be made, with what would help; the engine is then unavailable."""

    def __init__(self, reason: str, remedy: str, missing_tool: str | None = None) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
        self.missing_tool = missing_tool


def reason_of(output: str) -> str:
    """The last meaningful lines of a tool's output: from its last error on, else its last words."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [index for index, line in enumerate(lines) if _ERROR_LINE.match(line)]
    start = errors[-1] if errors else max(len(lines) - REASON_LINES, 0)
    return "\n".join(lines[start : start + REASON_LINES]) or "it said nothing"


def required_tool(name: str, use: str) -> Path:
    """The program of this name; raises BuildError that tells what it is for where this machine lacks it."""
    found = find_tool(name)
    if found is None:
        raise BuildError(f"{name} is not installed, {use} with it", REMEDIES[name], name)
    return found


def remedy_of(output: str, log: IO[str]) -> str:
    """What would help a tool that failed with this output."""
    if is_network_trouble(output):
        return "connect this machine to the network for the first build, then run again"
    return f"read {log.name}, and run again once its cause is gone"


def is_network_trouble(output: str) -> bool:
    """Whether a tool's output speaks of downloads that failed."""
    return _NETWORK_WORDS.search(output) is not None


def end_with_parent() -> None:
    """End when the process that started this one does, however it ends, so that nothing is left running."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def run_tool(
    command: Sequence[str | Path],
    *,
    log: IO[str],
    environment: Mapping[str, str],
    folder: Path,
    on_line: Callable[[str], None] | None = None,
) -> tuple[int, str]:
    """Exit status and standard error of a command; on_line gets each line of its standard output.

    Both outputs go to log, whose standard error is read back at the end.
    """
    log.write(f"$ {' '.join(map(str, command))}\n")
    log.flush()
    begin = log.seek(0, os.SEEK_END)
    with subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        errors="replace",
        preexec_fn=end_with_parent,  # noqa: PLW1509  this program has one thread
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if on_line:
                on_line(line)
    with Path(log.name).open(encoding="utf-8", errors="replace") as written:
        written.seek(begin)
        words = written.read()
    log.seek(0, os.SEEK_END)
    return process.returncode, words


class Progress:
    """Says now and then how far a build is."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._began = self._told = clock()

    def tell(self, done: str) -> None:
        """Say how far it is, unless the last word is younger than PROGRESS_SECONDS."""
        now = self._clock()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            say(f"{self._name}: {done}, {now - self._began:.0f} s")


@contextlib.contextmanager
def alone(lock: Path, name: str) -> Iterator[None]:
    """Hold a lock file, so that two builds never write to the same folder at once."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as file:
        if not take(file.fileno()):
            say(f"{name}: waiting for another build in {lock.parent}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install_program(content: bytes, binary: Path) -> None:
    """Put an executable file at binary, so that whoever looks sees the old one or the whole new one."""
    with written_whole(binary) as partial:
        partial.write_bytes(content)
        partial.chmod(PROGRAM_MODE)
