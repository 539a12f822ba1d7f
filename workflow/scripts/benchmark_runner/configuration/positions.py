"""Where a key stands: in which file and line a user wrote it, or on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmark_runner.configuration.files import Document, read_document, shown_path
from benchmark_runner.configuration.shortcuts import SHORTCUTS

KeyPath = Sequence[str | int]
Problem = tuple[KeyPath, str]
"""A key and what is wrong with it, with the remedy."""

COMMAND_LINE = "--config"


def dotted(key_path: KeyPath) -> str:
    """Key path as a user would say it: engines[1].name."""
    text = ""
    for part in key_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _deepest(root: yaml.Node | None, key_path: KeyPath) -> tuple[int, int]:
    """How many parts of key_path the document has, and the line of the last of them; (0, 0) for none."""
    node, depth, line = root, 0, 0
    for part in key_path:
        found = _child(node, part) if node is not None else None
        if found is None:
            break
        depth, line, node = depth + 1, found[0].start_mark.line + 1, found[1]
    return depth, line


class Positions:
    """The configuration files of a run, the later overriding the earlier, and what the command line overrides."""

    def __init__(self, files: Iterable[str | Path], overrides: Mapping[str, Any] | None = None) -> None:
        """Read the files; raises UnreadableFileError for one that is no configuration at all."""
        self._documents: list[Document] = [read_document(Path(file)) for file in files]
        self._overrides: dict[str, Any] = {}
        for key, value in (overrides or {}).items():
            section, name = SHORTCUTS.get(key, (None, None))
            if section is not None:
                self._overrides.setdefault(section, {})[name] = value
            else:
                self._overrides[key] = value

    def _is_overridden(self, key_path: KeyPath) -> bool:
        content: Any = self._overrides
        for part in key_path:
            if isinstance(content, Mapping):
                if part not in content:
                    return False
                content = content[part]
            else:
                # A list or a value of the command line replaces the file's whole.
                return True
        # A map is merged into the file's.
        return not isinstance(content, Mapping)

    def _place(self, key_path: KeyPath) -> tuple[int, int, str]:
        """Number of the file, line and their name; the command line comes last."""
        if self._is_overridden(key_path):
            return len(self._documents), 0, COMMAND_LINE
        depths = [(*_deepest(document.root, key_path), number) for number, document in enumerate(self._documents)]
        depth, line, number = max(depths, key=lambda row: (row[0], row[2]), default=(0, 0, 0))
        if depth:
            return number, line, f"{shown_path(self._documents[number].path)}:{line}"
        files = ", ".join(shown_path(document.path) for document in self._documents)
        return 0, 0, files or "configuration"

    def of(self, key_path: KeyPath) -> str:
        """`file:line` of a key, `--config` for one of the command line; the files where none of them holds it."""
        return self._place(key_path)[2]

    def lines(self, problems: Iterable[Problem]) -> list[str]:
        """One line a problem, in the order in which they stand in the files, with keys that stand twice."""
        found = [(*self._place(path), ": ".join(filter(None, (dotted(path), message)))) for path, message in problems]
        for number, document in enumerate(self._documents):
            name = shown_path(document.path)
            found += [(number, line, f"{name}:{line}", message) for line, message in document.problems]
        found.sort(key=lambda row: row[:2])
        return list(dict.fromkeys(f"{place}: {message}" for _, _, place, message in found))
