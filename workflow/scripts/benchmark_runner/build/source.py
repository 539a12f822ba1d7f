"""What an adapter is made from, as one hash: the part of a launch's identity that changes with the engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmark_runner.build.adapter import Adapter
from benchmark_runner.hashes import file_sha256, fingerprint

_UNBUILT_FOLDERS: Final = frozenset({"target", "tests", "__pycache__"})
"""Folders whose content never becomes part of the program; those with a leading dot are caches of tools too."""

_UNBUILT_SUFFIXES: Final = frozenset({".md", ".pyc"})


def _source_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _UNBUILT_FOLDERS and not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix not in _UNBUILT_SUFFIXES:
                yield Path(parent) / name


def copy_sources(adapter: Adapter, root: Path) -> dict[str, Any]:
    """Copy what a Python adapter runs to a folder below root that is named by its content.

    What is measured is so what was hashed, whatever happens to the checkout meanwhile. Gives the record's field
    `sources`: the folder, and the SHA-256 of each file by its name in it.
    """
    files = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for folder in (adapter.folder, *adapter.shared)
        for path in _source_files(folder)
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    target = root / f"{adapter.name}.source-{fingerprint(hashes)}"
    if all((target / name).is_file() and (target / name).read_bytes() == files[name] for name in files):
        return {"folder": str(target), "files": hashes}
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    for name, content in files.items():
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_bytes(content)
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)
    return {"folder": str(target), "files": hashes}


def own_lines(adapter: Adapter) -> int:
    """Lines of the code in the adapter's own folder that are not blank, without tests: what the integration took."""
    code = [path for path in _source_files(adapter.folder) if path.suffix in (".rs", ".py")]
    texts = [path.read_text(encoding="utf-8") for path in code if not path.stem.endswith("_tests")]
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def _settings(adapter: Adapter) -> str:
    """The keys of adapter.yaml that change the program; its words do not."""
    cargo = adapter.cargo
    return json.dumps(
        {
            "language": adapter.language,
            "flags": cargo.flags if cargo else None,
            "cuda_features": cargo.cuda_features if cargo else None,
        },
        sort_keys=True,
    )


def source_hash(adapter: Adapter) -> str:
    """SHA-256 over the adapter's source, its lock, the settings of its build and the shared code that it uses.

    It depends on names and content alone: not on where the checkout lies, times of files, or what a build left.
    """
    lines = [f"settings {_settings(adapter)}", f"lock {file_sha256(adapter.lock)}"]
    for folder in (adapter.folder, *adapter.shared):
        lines.extend(
            f"{folder.name}/{path.relative_to(folder).as_posix()} {file_sha256(path)}"
            for path in _source_files(folder)
            if path != adapter.folder / "adapter.yaml"
        )
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def cuda_request(adapter: Adapter, device: str, asked: str | None) -> str | None:
    """What a build for a GPU depends on beside its source: the toolkit's lock and the compute capability asked for.

    None for a build for the CPU and for an engine that needs no toolkit. As the Rust compiler, neither is part of the
    engine's identity: the build record tells them.
    """
    if device != "cuda" or adapter.cargo is None or adapter.cargo.cuda_toolkit is None:
        return None
    return f"{file_sha256(adapter.cargo.cuda_toolkit)} {asked or ''}"
