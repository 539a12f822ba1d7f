"""Configuration files as text: are they UTF-8 and YAML, a map of keys, each key once? And where a key stands in them.

Snakemake reads a file given with --configfile before any code of the workflow, and its words for a broken one name
neither file nor line. profiles/default calls require_readable before that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from benchmark_runner.configuration.plain import DEEPEST, NOT_WHAT_THE_TAG_SAYS, require_bounded
from benchmark_runner.configuration.shortcuts import SHORTCUTS, entry_problem
from benchmark_runner.errors import BenchmarkError, shown
from benchmark_runner.namedfile import read_named_bytes
from benchmark_runner.terminal import in_line

_LOADER: Final = yaml.FullLoader("")
"""As Snakemake's, which reads the files of --configfile."""

_OTHER_BASE: Final = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers that YAML 1.1 reads as nobody means them today: 010 and 1:30."""

LONGEST_KEY_CHARACTERS: Final = 100
"""Of a key in a message: above any that there is (chosen)."""

_MAP: Final = "tag:yaml.org,2002:map"
_SEQUENCE: Final = "tag:yaml.org,2002:seq"
_MERGE: Final = "tag:yaml.org,2002:merge"


class FileProblem(NamedTuple):
    """What is wrong at a line of a file."""

    line: int
    message: str


class Document(NamedTuple):
    """A configuration file that can be read."""

    path: Path
    root: yaml.Node | None
    """None for JSON that is no YAML: its keys have no lines then."""
    problems: list[FileProblem]
    """Keys that stand twice."""


def shown_path(path: Path) -> str:
    """Path as a user would type it: relative where it lies below the present folder."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  (links stay as the user wrote them)
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)


class UnreadableFileError(BenchmarkError):
    """A file that is no configuration at all."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        super().__init__(in_line(f"{shown_path(path)}{f':{line}' if line else ''}: {message}"))


def _text(path: Path) -> str:
    try:
        content = read_named_bytes(path)
    except BenchmarkError as error:
        raise UnreadableFileError(path, None, str(error)) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise UnreadableFileError(path, line, f"{wrong}; save the file in the encoding UTF-8") from None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):  # digits or brackets without end are none that anybody reads
        return False
    return True


def _not_yaml(path: Path, text: str, error: yaml.YAMLError) -> UnreadableFileError:
    if isinstance(error, yaml.reader.ReaderError):
        wrong = f"character U+{error.character:04X} is none that YAML allows"
        remedy = "leave it out, or write it as an escape (\\x1b) in double quotes"
        return UnreadableFileError(path, text.count("\n", 0, error.position) + 1, f"{wrong}; {remedy}")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return UnreadableFileError(path, None, f"this is not YAML: {error}; config/config.yaml is one to start from")
    line = error.problem_mark.line + 1
    begun = f" {error.context} (line {error.context_mark.line + 1})" if error.context and error.context_mark else ""
    remedy = (
        "indent with spaces, not tabs"
        if "'\\t'" in str(error.problem)
        else "check brackets, quotes, colons and the indentation here and just above"
    )
    return UnreadableFileError(path, line, f"this is not YAML: {error.problem}{begun}; {remedy}")


def _part(key: object) -> str:
    """A key in the place that a message names."""
    return in_line(key, LONGEST_KEY_CHARACTERS)


def repeated_keys(node: yaml.Node | None, above: str = "") -> Iterator[FileProblem]:
    """Keys below a node, bounded by require_bounded, that stand twice in one map: the loader takes the last."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from repeated_keys(item, f"{above}[{index}]")
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        dotted = f"{above}.{_part(name)}".removeprefix(".")
        if name in first and name != "<<":
            message = f"{dotted}: the key stands twice, first in line {first[name]}; remove one of the two"
            yield FileProblem(line, message)
        first.setdefault(name, line)
        yield from repeated_keys(value, dotted)


def _merged_nodes(node: yaml.Node) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else [node]


def _unloadable(node: yaml.Node, seen: set[int]) -> Iterator[FileProblem]:
    """What Snakemake's loader does not take, or reads as nobody means it: tags, impossible dates, lists as keys."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield from _unloadable_value(node)
    elif node.tag != (_MAP if isinstance(node, yaml.MappingNode) else _SEQUENCE):
        line = node.start_mark.line + 1
        yield FileProblem(line, f"{shown(node.tag)} is a tag that has no meaning here; leave it out")
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                yield FileProblem(key.start_mark.line + 1, "a key is a list or a map; write a text")
            elif key.tag != _MERGE:
                yield from _unloadable(key, seen)
            elif not all(isinstance(merged, yaml.MappingNode) for merged in _merged_nodes(value)):
                yield FileProblem(key.start_mark.line + 1, "<< takes keys over from a map; name one by *")
            yield from _unloadable(value, seen)
    else:
        for item in node.value:
            yield from _unloadable(item, seen)


def _unloadable_value(node: yaml.ScalarNode) -> Iterator[FileProblem]:
    line = node.start_mark.line + 1
    try:
        value = _LOADER.construct_object(node, deep=True)  # a collection's is made late otherwise
    except NOT_WHAT_THE_TAG_SAYS:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        yield FileProblem(line, f"{shown(node.value)} is no value of YAML's type {kind}; write it in quotes")
        return
    if type(value) in (int, float) and (told := _OTHER_BASE.fullmatch(node.value)):
        counts = "by sixties" if ":" in told[0] else "in octal"
        yield FileProblem(
            line, f"{shown(told[0])} is {value:g} to YAML, which reads it {counts}; write decimals, or text in quotes"
        )


def _require_bounded(path: Path, root: yaml.MappingNode) -> None:
    for key, value in root.value:
        try:
            require_bounded(value)
        except BenchmarkError as error:
            raise UnreadableFileError(path, key.start_mark.line + 1, f"{key.value}: {error}") from None


def _composed(path: Path, text: str) -> yaml.Node | None:
    """Its nodes; raises UnreadableFileError for what is neither YAML nor JSON, YAMLError for JSON that is no YAML."""
    try:
        return yaml.compose(text)
    except yaml.YAMLError as error:
        if not _is_json(text):
            raise _not_yaml(path, text, error) from None
    return yaml.compose(text.replace("\t", " "))  # JSON may be indented so, and has none within its texts


def read_document(path: Path) -> Document:
    """Document of a file; raises UnreadableFileError with line and remedy where it is no map of keys in UTF-8 YAML."""
    text = _text(path)
    try:
        root = _composed(path, text)
    except yaml.YAMLError:
        return Document(path, None, [])
    except RecursionError:
        raise UnreadableFileError(
            path, None, f"it is nested more than {DEEPEST} levels deep; write it flatter"
        ) from None
    if not isinstance(root, yaml.MappingNode):
        found = "nothing" if root is None else "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        wanted = "a map of keys belongs here"
        raise UnreadableFileError(path, 1, f"the file holds {found}; {wanted}")
    _require_bounded(path, root)
    for problem in _unloadable(root, set()):
        raise UnreadableFileError(path, *problem)
    return Document(path, root, list(repeated_keys(root)))


def _require_entry(entry: str) -> None:
    """Raise BenchmarkError for a word behind --config that would end in a traceback or never end, or mean another."""
    if problem := entry_problem(entry):
        raise BenchmarkError(problem)
    key, _, value = entry.partition("=")
    try:
        node = yaml.compose(value)
        require_bounded(node)
    except yaml.YAMLError:
        return  # a text, as Snakemake takes it
    except (BenchmarkError, RecursionError) as error:
        raise BenchmarkError(f"--config: {key}: {error}") from None
    if isinstance(node, yaml.CollectionNode):
        for wrong in _unloadable(node, set()):
            raise BenchmarkError(f"--config: {key}: {wrong.message}")
        for found in repeated_keys(node, key):
            place, _, _ = found.message.partition(":")
            raise BenchmarkError(f"--config: {place}: the key stands twice; remove one of the two")


def require_readable(argv: Sequence[str]) -> None:
    """End the process with one message where Snakemake could not take a command line's configuration at all.

    That is a file that is none, or a KEY=VALUE that Snakemake does not take. argv lacks the program's name. What stands
    in a readable file is judged by the workflow, all problems at once.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", dest="files", type=Path, nargs="+", action="extend")
    parser.add_argument("--config", "-C", dest="entries", nargs="*", action="extend")
    words = parser.parse_known_args(argv)[0]
    try:
        for path in words.files or ():
            read_document(path)
        for entry in words.entries or ():
            _require_entry(entry)
    except BenchmarkError as error:
        sys.exit(f"error: {in_line(error)}")


KeyPath = Sequence[str | int]
Problem = tuple[KeyPath, str]
"""A key and what is wrong with it, with the remedy."""

COMMAND_LINE = "--config"


def dotted(key_path: KeyPath) -> str:
    """Key path as a user would say it: engines[1].name."""
    text = ""
    for part in key_path:
        text += f"[{part}]" if isinstance(part, int) else f".{_part(part)}"
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
