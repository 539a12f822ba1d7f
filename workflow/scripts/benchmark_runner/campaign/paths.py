"""Paths that a person writes: what no part of the workflow could work with, and where results must not lie."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.files import Problem
from benchmark_runner.configuration.names import entries
from benchmark_runner.configuration.plain import unreadable_text
from benchmark_runner.errors import BenchmarkError

OUTPUT_DIR: Final = ("benchmark", "output_dir")
_MODEL_PATH: Final = ("benchmark", "model_path")

JOINED: Final = "joined.json"
"""In the folder of a campaign that was made from others."""

LONGEST_PART_BYTES: Final = 200
"""File systems take 255 bytes; the rest is for what is added to a name (`.build.json`, `.partial`)."""

LONGEST_PATH_BYTES: Final = 2048
"""Linux takes 4096; below an output folder lie paths of several hundred bytes."""

_TAKEN_CHARACTERS: Final = "{}<>"
"""Snakemake's marks of wildcards and path variables."""

_NOTES: Final = (".git", ".snakemake", ".benchmark_runner")
_SYSTEM_FOLDERS: Final = (Path("/dev"), Path("/proc"), Path("/sys"))
_SOURCES: Final = frozenset(
    {".venv", "benchmarks", "config", "docs", "engines", "envs", "profiles", "target", "tests", "workflow"}
)
"""Folders of the workflow itself, which its results must not be mixed with."""


def _unnamed() -> str:
    return (
        f"cannot be named in this shell's encoding ({sys.getfilesystemencoding()}); set LC_ALL=C.UTF-8, or choose "
        "another name"
    )


def _faults_of_form(path: str) -> Iterator[str]:
    parts = Path(path).parts
    if not path.strip():
        yield "the path is blank; write a name"
    if path != path.strip():
        yield f"{path!r} begins or ends with a blank; write {path.strip()!r}"
    if not path.isprintable():
        yield f"{path!a} holds a character that cannot be seen; write the path anew"
    if path.startswith("~"):
        yield f"{path!r}: ~ is not expanded here; write {os.path.expanduser(path)!r}"  # noqa: PTH111
    if "$" in path:
        yield f"{path!r}: $ is not expanded here; write {os.path.expandvars(path)!r}"
    if "://" in path:
        yield f"{path!r} is an address; name a file or folder of this machine"
    if taken := [character for character in _TAKEN_CHARACTERS if character in path]:
        yield f"{path!r} holds {' and '.join(taken)}, which Snakemake takes for a wildcard; choose a path without"
    if os.path.normpath(path).startswith("-"):
        yield f"{path!r} begins with -, as an option does; choose another name"
    try:
        whole, *each = [len(os.fsencode(part)) for part in (path, *parts)]
    except UnicodeEncodeError:
        yield f"{path!a} {_unnamed()}"
        return
    if any(size > LONGEST_PART_BYTES for size in each):
        yield f"{path[:40]!r}... has a part of more than {LONGEST_PART_BYTES} bytes; choose a shorter name"
    if whole > LONGEST_PATH_BYTES:
        yield f"{path[:40]!r}... is longer than {LONGEST_PATH_BYTES} bytes; choose a shorter path"


def unusable(path: str) -> str | None:
    """Why a path cannot be used, and what to write instead; None where nothing is wrong with its form."""
    return next(_faults_of_form(path), None)


def require_usable_root(root: Path) -> None:
    """Raise BenchmarkError where the workflow lies in a folder whose name Snakemake takes for a pattern, or where it or
    the working folder has a name that no text can hold."""
    for place in (root, Path.cwd()):
        if unreadable_text(str(place)) is not None:
            try:
                named = os.fsencode(place).decode()
            except UnicodeDecodeError:
                raise BenchmarkError(
                    f"{str(place)!a} has bytes in its name that are no UTF-8; rename that folder"
                ) from None
            raise BenchmarkError(f"{named!r} {_unnamed()}")
    if any(character in str(root) for character in _TAKEN_CHARACTERS):
        raise BenchmarkError(
            f"the workflow lies in {str(root)!r}, and Snakemake takes what stands in {{}} or <> for a wildcard; "
            "move it into a folder without them"
        )


def _faults_of_place(folder: str, model: str | None, workflow_root: Path) -> Iterator[str]:
    path, own = Path(folder), "choose a folder of its own, as results/mine"
    for part in (path, *path.parents):
        if os.path.islink(part) and not os.access(part, os.F_OK):  # noqa: PTH114  (asks without a right to look)
            yield f"{str(part)!r} is a link that leads nowhere; remove it, or {own}"
    place, root = Path(os.path.realpath(folder)), workflow_root.resolve()
    if any(place.is_relative_to(system) for system in _SYSTEM_FOLDERS) and not place.is_relative_to("/dev/shm"):
        yield f"{folder!r} belongs to the operating system; {own}"
    nearest = next(part for part in (path, *path.parents) if os.access(part, os.F_OK))
    if not nearest.is_dir():
        yield f"{str(nearest)!r} is a file; {own}"
    if not os.access(nearest, os.W_OK | os.X_OK):
        yield f"{str(nearest)!r} cannot be written to; change its rights, or {own}"
    if Path.cwd().is_relative_to(place) or str(place) == os.path.expanduser("~"):  # noqa: PTH111  (never fails)
        yield f"{folder!r} is the working folder, the home folder or one above them; {own}"
    if root.is_relative_to(place) or (place.is_relative_to(root) and place.relative_to(root).parts[0] in _SOURCES):
        yield f"{folder!r} holds the workflow's own files; {own}"
    if any(part in _NOTES for part in place.parts):
        yield f"{folder!r} lies where Git, Snakemake or the workflow keeps its notes; {own}"
    weights = None if model is None else Path(os.path.realpath(model))
    if weights is not None and (weights.is_relative_to(place) or place.is_relative_to(weights)):
        yield f"{folder!r} and the model's folder {model!r} lie in each other; {own}"


def misplaced(folder: str, model: str | None, workflow_root: Path) -> str | None:
    """Why results must not lie in a folder of a usable path, and what to do; None for a good place."""
    return next(_faults_of_place(folder, model, workflow_root), None)


def _joined(folder: str) -> str | None:
    if not os.access(Path(folder, JOINED), os.F_OK):
        return None
    return (
        f"{folder!r} was joined from folders in which it was measured, so nothing is measured there; choose another "
        "folder, and join that too"
    )


def _written(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Key and value of every path of a configuration."""
    for section, key in (OUTPUT_DIR, _MODEL_PATH, ("business", "prices")):
        content = config.get(section)
        yield (section, key), content.get(key) if isinstance(content, Mapping) else None
    for index, engine in entries(config, "engines"):
        yield ("engines", index, "binary_path"), engine.get("binary_path")
    for w, workload in entries(config, "workloads"):
        for c, case in entries(workload, "test_cases"):
            place, load = ("workloads", w, "test_cases", c), case.get("load")
            for key in ("prompt_file", "prompts_file"):
                yield (*place, key), case.get(key)
            if isinstance(load, Mapping):
                yield (*place, "load", "trace_file"), load.get("trace_file")


def path_problems(config: Mapping[str, Any], workflow_root: Path) -> list[Problem]:
    """Paths of a configuration that cannot work; what is no text, or empty, has the schema's message."""
    paths = {key: text for key, text in _written(config) if isinstance(text, str) and text}
    found = {key: complaint for key, text in paths.items() if (complaint := unusable(text))}
    if OUTPUT_DIR in paths and OUTPUT_DIR not in found:
        model = None if _MODEL_PATH in found else paths.get(_MODEL_PATH)
        if complaint := misplaced(paths[OUTPUT_DIR], model, workflow_root) or _joined(paths[OUTPUT_DIR]):
            found[OUTPUT_DIR] = complaint
    return list(found.items())
