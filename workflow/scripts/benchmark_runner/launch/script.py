"""What a script that the user brought runs beside itself, by rule: no kernel tells which files an interpreter has read.

Of Python: the modules and packages beside the script that its import statements name, and those that these name, a
package with all its .py files. Of another script (#!): the programs beside it that its text names. No more than the
first MOST_FILES of them; what is imported by other means, and what lies elsewhere, is not seen.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

MOST_FILES: Final = 1000
MOST_BYTES: Final = 1 << 22
"""A file of source is shorter; one that is not is hashed and not looked into (both chosen)."""

_NAMED: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|sh|bash|pl|rb|js|mjs|lua|jl)\b")
_PYTHON: Final = ".py"


def _text(path: Path) -> str:
    """What a program says; nothing where it may not be read, which is told when it is hashed."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""


@lru_cache(maxsize=128)  # engines that one program serves ask each for the same files
def _imported(text: str) -> frozenset[str]:
    """First names of the modules that the import statements of a Python program name, wherever they stand."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of the user's own source
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the engine will tell
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update([node.module] if node.module else (alias.name for alias in node.names))
    return frozenset(name.partition(".")[0] for name in found)


def _run_by(text: str, folder: Path, *, is_python: bool) -> Iterator[Path]:
    """Files of the folder that a program of this text runs."""
    if not is_python:
        yield from (folder / name for name in _NAMED.findall(text) if ".." not in name)
        return
    for name in _imported(text):
        yield folder / f"{name}{_PYTHON}"
        yield from (folder / name).rglob(f"*{_PYTHON}")


def beside(program: Path) -> dict[str, Path]:
    """The files that a script runs beside itself, by path below its folder, in order; none where it is no script."""
    itself = program.resolve()  # where Python looks for the modules of a link
    if not itself.is_file() or not (text := _text(itself)).startswith("#!"):
        return {}
    folder, found = itself.parent, [itself]
    opened = [(text, "python" in text.partition("\n")[0])]
    for content, is_python in opened:
        named = {path for path in _run_by(content, folder, is_python=is_python) if path.is_file()}.difference(found)
        for path in sorted(named)[: MOST_FILES + 1 - len(found)]:
            found.append(path)
            opened.append((_text(path), path.suffix == _PYTHON))
    return {path.relative_to(folder).as_posix(): path for path in sorted(found[1:])}
