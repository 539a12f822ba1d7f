"""Is what a launch runs what its identity was made from? Asked before the engine starts and after it has ended.

Program, sources of a Python adapter, what a script runs beside itself, weights and files that options name are held
against the hashes that the plan, the build record and the manifests tell. A file is read only where its size, times or
inode are not those of the last time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import ABSENT
from benchmark_runner.jsonio import read_json
from benchmark_runner.launch.inputs import LaunchInputs
from benchmark_runner.launch.running import is_running
from benchmark_runner.launch.script import beside
from benchmark_runner.remembered import altered

Hashes = Mapping[str, str]


def _of_program(inputs: LaunchInputs) -> Iterator[tuple[Path, Hashes]]:
    """(folder, hash by name) of what the engine's process runs."""
    build, binary = inputs.build or {}, inputs.binary
    # What the plan says of an adapter is the hash of its source.
    expected = build.get("binary_sha256") if build or inputs.engine["adapter"] else inputs.engine.get("source")
    if expected is not None and not is_running(inputs.engine):
        yield binary.parent, {binary.name: expected}
        yield binary.resolve().parent, inputs.engine.get("beside", {})
    if (copied := build.get("sources")) is not None:
        yield (binary.parent / copied["folder"]).absolute(), copied["files"]


def _of_weights(inputs: LaunchInputs) -> tuple[Path, Hashes]:
    opened: Mapping[str, Any] = inputs.derived.manifest if inputs.derived else inputs.manifest
    return inputs.model_dir, {name: entry["sha256"] for name, entry in opened["files"].items()}


def _added(folder: Path, expected: Hashes) -> Iterator[Path]:
    """Files beside those of a program, which it might import in place of others; Python's caches aside."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(folder).as_posix() not in expected:
            yield path


def _altered_option(inputs: LaunchInputs, cache_file: Path) -> Iterator[Path]:
    """The file that an option names and the user brought: its hash is one of those that options name."""
    brought = inputs.engine.get("brought")
    named = [Path(value) for value in inputs.engine["options"].values() if isinstance(value, str)]
    files = [path for path in named if path.is_absolute()]
    if brought == ABSENT and not any(path.exists() for path in files):
        return  # planned without it, so the adapter says what is missing
    if brought is not None and all(any(altered(path.parent, {path.name: brought}, cache_file)) for path in files):
        yield from files[:1]


def installed_names(environment: Path) -> list[str]:
    """Packages of a Python environment by the names of their folders, which hold the versions: no file is read."""
    return sorted(folder.name for folder in environment.glob("lib/python*/site-packages/*.dist-info"))


def holds(file: Path, content: Any) -> bool:
    """Whether a JSON file has the content that was written to it; one that its reader has removed held it."""
    try:
        # A pipe in its place would be waited for.
        return not file.exists() or (file.is_file() and bool(read_json(file) == content))
    except BenchmarkError:
        return False


def _differences(inputs: LaunchInputs, cache_file: Path) -> Iterator[str]:
    build, engine = inputs.build or {}, inputs.engine
    program, folder, planned = engine["binary_path"], inputs.binary.parent, engine.get("source")
    if build.get("source_sha256", planned) != planned:
        yield f"{program} was built from other source than was planned"
    for place, expected in (*_of_program(inputs), _of_weights(inputs)):
        for path in altered(place, expected, cache_file):
            yield f"{path} is not the file that this launch was planned with: it was changed or removed"
    copied, packages = build.get("sources"), build.get("environment")
    for path in _added(folder / copied["folder"], copied["files"]) if copied else ():
        yield f"{path} does not belong to the source that this launch was planned with"
    if (known := engine.get("beside")) is not None:
        for path in (path for name, path in beside(inputs.binary).items() if name not in known):
            yield f"{path}, which {program} runs, was not there when this launch was planned"
    if packages and installed_names(folder / packages["folder"]) != packages["installed"]:
        yield f"{packages['folder']} has not the packages that the engine was built with"
    for path in _altered_option(inputs, cache_file):
        yield f"{path}, which an option names, is not the file that this launch was planned with"


def altered_file(inputs: LaunchInputs, cache_file: Path) -> str | None:
    """The first file that is not what the launch's identity was made from, in words; None where all are."""
    return next(_differences(inputs, cache_file), None)
