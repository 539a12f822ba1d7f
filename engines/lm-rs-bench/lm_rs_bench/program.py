"""The program that the user brings: is it a `chat` that this adapter knows, and which one."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench_protocol import UnsupportedError

REMEDY: Final = (
    "build `chat` from github.com/samuel-vitorino/lm.rs for this machine and name it in the configuration: "
    "options: {chat: /path/to/chat}"
)

KNOWN_FLAGS: Final = frozenset(
    {"model", "tokenizer", "temperature", "top-p", "seed", "show-metrics", "image", "num-crops", "help"}
)
"""Of the builds since October 2024."""

HELP_SECONDS: Final = 20.0
"""For printing a page (chosen)."""


class Program(NamedTuple):
    """A `chat` that can be driven."""

    path: Path
    sha256: str
    help_text: str


def flags_of(help_text: str) -> set[str]:
    """Long flags that a help text explains: those at the beginning of a line, a short one before them or not."""
    return set(re.findall(r"^\s*(?:-\w,\s+)?--([a-z][a-z-]*)", help_text, re.MULTILINE))


def _help(path: Path) -> str:
    try:
        said = subprocess.run(
            [str(path), "--help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=HELP_SECONDS, check=False
        )
    except OSError as error:
        raise UnsupportedError(f"options.chat {path} cannot be executed ({error.strerror}); {REMEDY}") from error
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError(f"options.chat {path} does not answer --help; {REMEDY}") from error
    if said.returncode:
        raise UnsupportedError(f"options.chat {path} --help ends with status {said.returncode}; {REMEDY}")
    return said.stdout.decode("utf-8", "replace")


def find_program(options: dict[str, Any]) -> Program:
    """The program that options.chat names; raises UnsupportedError with the remedy where it is none that is known."""
    named = options.get("chat")
    if named is None:
        raise UnsupportedError(f"no lm.rs is named, and the workflow cannot build it; {REMEDY}")
    if not isinstance(named, str) or not named:
        raise UnsupportedError(f"option chat is {named!r}; it must be a path; {REMEDY}")
    path = Path(named)
    if not path.is_absolute():
        raise UnsupportedError(f"options.chat {named!r} is no absolute path; {REMEDY}")
    if not path.is_file() or not os.access(path, os.X_OK):
        raise UnsupportedError(f"options.chat {named!r} is no program that can be run here; {REMEDY}")
    help_text = _help(path)
    flags = flags_of(help_text)
    if flags != KNOWN_FLAGS:
        differing = ", ".join(sorted(flags ^ KNOWN_FLAGS))
        raise UnsupportedError(
            f"options.chat {named} is another program than the chat known here (flags {differing}); {REMEDY}"
        )
    with path.open("rb") as file:
        return Program(path, hashlib.file_digest(file, "sha256").hexdigest(), help_text)
