"""Where a key stands in the files that a user wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

KeyPath = Sequence[str | int]


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _line_of(root: yaml.Node | None, key_path: KeyPath) -> int | None:
    """Line of the deepest part of key_path that the document has; None where it has not even the first."""
    node, line = root, None
    for part in key_path:
        found = _child(node, part) if node is not None else None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


class Positions:
    """The configuration files of a run, the later overriding the earlier."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._documents = [(path, yaml.compose(path.read_text(encoding="utf-8"))) for path in files]

    def of(self, key_path: KeyPath) -> str:
        """`file:line` of a key, or `configuration` where no file holds it (an override or a default)."""
        for path, root in reversed(self._documents):
            line = _line_of(root, key_path)
            if line is not None:
                return f"{path}:{line}"
        return "configuration"
