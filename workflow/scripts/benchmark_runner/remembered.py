"""What was found out about files, remembered until they change, so that asking again reads none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmark_runner.jsonio import write_json

FOLDER: Final = Path(".benchmark_runner")
"""Relative to the current folder, as all paths of a configuration."""


def _read(memory: Path) -> dict[str, str]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return {}  # only a shortcut: without it the files are looked at again
    return content if isinstance(content, dict) else {}


def remembered(files: Mapping[str, Path], memory: Path, find_out: Callable[[Path], str]) -> dict[str, str]:
    """What find_out says of each file, by its name; asked only where memory does not know size, times and inode."""
    known, said = _read(memory), {}
    before = len(known)
    for name, path in files.items():
        status = path.stat()
        # The time of change is the kernel's own: a file that was written and given its old time back is read again.
        # No number of its device, which is another one on each machine that shares the folder.
        state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        key = f"{path.name}:{':'.join(map(str, state))}"
        if key not in known:
            known[key] = find_out(path)
        said[name] = known[key]
    if len(known) != before:
        write_json(memory, known)
    return said
