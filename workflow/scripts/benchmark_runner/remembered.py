"""What was found out about files, remembered until they change, so that asking again reads none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmark_runner.hashes import file_sha256
from benchmark_runner.jsonio import write_json

FOLDER: Final = Path(".benchmark_runner")
"""Relative to the current folder, as all paths of a configuration."""

HASHES: Final = FOLDER / "hashes.json"
"""Remembers the hashes of large files, relative to the current folder."""


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


def remembered_hashes(folder: Path, names: Sequence[str], memory: Path) -> dict[str, str]:
    """SHA-256 of each file, by name; read only where it changed since memory was told."""
    return remembered({name: folder / name for name in names}, memory, file_sha256)


def altered(folder: Path, expected: Mapping[str, str], cache_file: Path) -> list[Path]:
    """Files of a folder that are missing or have not the expected SHA-256; expected goes by name."""
    present = [name for name in expected if (folder / name).is_file()]
    found = remembered_hashes(folder, present, cache_file)
    return [folder / name for name in expected if found.get(name) != expected[name]]
