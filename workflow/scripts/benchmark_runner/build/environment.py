"""Makes the locked environment of a Python adapter with uv, and the launcher that starts the adapter in it."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Final

from benchmark_runner.build.adapter import Adapter
from benchmark_runner.build.source import copy_sources
from benchmark_runner.build.tools import (
    BuildError,
    alone,
    install_program,
    reason_of,
    remedy_of,
    required_tool,
    run_tool,
)
from benchmark_runner.environment.machine import MachineFacts
from benchmark_runner.hashes import IDENTITY_DIGITS
from benchmark_runner.jsonio import write_json
from benchmark_runner.launch.identity import installed_names
from benchmark_runner.namedfile import read_named_bytes
from benchmark_runner.terminal import say

STAMP: Final = "complete.json"
"""Written last: an environment without it was left half-made."""

_LAUNCHER: Final = """\
#!/bin/sh
# Starts the adapter {name} in its locked environment; made by benchmark_runner.build. Paths are relative to this file,
# so that a checkout can be moved as a whole. -I: nothing of the user's Python settings or packages takes part.
case $0 in
    */*) here=${{0%/*}} ;;
    *) here=. ;;
esac
exec "$here"/{python} -I "$here"/{main} "$@"
"""


def environment_folder(root: Path, adapter: Adapter) -> Path:
    """Folder of the adapter's environment: one for each lock and Python, so that a changed lock never alters one."""
    key = hashlib.sha256(read_named_bytes(adapter.lock) + platform.python_version().encode()).hexdigest()
    return root / f"{adapter.name}-{key[:IDENTITY_DIGITS]}"


def launcher(adapter: Adapter, environment: Path, sources: Path, binary: Path) -> str:
    """Text of the program that runs the copy of the adapter's main file with the environment's Python."""
    assert adapter.environment is not None
    here = binary.parent.resolve()

    def relative(path: Path) -> str:
        # The environment's python is a link to another installation, which must not be followed.
        return shlex.quote(os.path.relpath(path.parent.resolve() / path.name, here))

    main = sources / adapter.name / adapter.environment.main.relative_to(adapter.folder)
    return _LAUNCHER.format(name=adapter.name, python=relative(environment / "bin" / "python"), main=relative(main))


def installed_packages(folders: Iterable[Path]) -> dict[str, str]:
    """Packages in folders of Python packages with their versions, by name."""
    listed = metadata.distributions(path=[str(folder) for folder in folders])
    found = {package.metadata["Name"]: package.version for package in listed}
    return dict(sorted(found.items()))


def run_uv(uv: Path, arguments: list[str | Path], what: str, log: IO[str]) -> None:
    """Run uv; raises BuildError that says what (a noun) it failed to make."""
    # Never another Python than the one that runs the workflow: no download, no surprise.
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    status, words = run_tool([uv, *arguments], log=log, environment=environment, folder=Path(log.name).parent)
    if status != 0:
        raise BuildError(f"uv failed to make {what}: {reason_of(words)}", remedy_of(words, log))


def _make_environment(uv: Path, adapter: Adapter, folder: Path, log: IO[str]) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    say(f"making the environment of {adapter.name} with uv: {adapter.first_build} the first time")
    what = f"the environment of {adapter.name}"
    run_uv(uv, ["venv", "--no-project", "--python", sys.executable, folder.resolve()], what, log)
    run_uv(
        uv,
        [
            *("pip", "sync", "--require-hashes", "--compile-bytecode", "--strict"),
            *("--python", folder.resolve() / "bin" / "python", adapter.lock.resolve()),
        ],
        what,
        log,
    )
    write_json(folder / STAMP, {"lock": adapter.lock.name, "python": platform.python_version()})


def is_complete(folder: Path) -> bool:
    """Whether the environment was made to its end and its Python still starts (its installation may be gone)."""
    return (folder / STAMP).is_file() and os.access(folder / "bin" / "python", os.X_OK)


def _folder_bytes(folder: Path) -> int:
    """Size of all files below a folder, links not followed."""
    return sum(Path(parent, name).lstat().st_size for parent, _, files in os.walk(folder) for name in files)


def build_python(adapter: Adapter, root: Path, binary: Path, log: IO[str]) -> dict[str, Any]:
    """Make the environment unless it is there, and the launcher; gives the build record's fields of it.

    Raises BuildError where uv is missing or fails.
    """
    uv = required_tool("uv", f"the environment of {adapter.name} is made")
    folder = environment_folder(root, adapter)
    with alone(root / f".{folder.name}.making", adapter.name):
        is_first = not is_complete(folder)
        if is_first:
            _make_environment(uv, adapter, folder, log)
        sources = copy_sources(adapter, root)
    install_program(launcher(adapter, folder, Path(sources["folder"]), binary).encode(), binary)
    # Told from the program's own folder, so that the record holds in whichever folder a campaign works.
    sources["folder"] = os.path.relpath(sources["folder"], binary.parent)
    environment = {
        "folder": os.path.relpath(folder, binary.parent),
        "installed": installed_names(folder),
        "container": MachineFacts(Path("/")).container(os.environ),
    }
    return {
        "python": platform.python_version(),
        "packages": installed_packages(folder.glob("lib/python*/site-packages")),
        "from_nothing": is_first,
        "installed_bytes": _folder_bytes(folder),
        "sources": sources,
        "environment": environment,
    }
