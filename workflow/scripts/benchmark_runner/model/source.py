"""source.json in a model folder that the workflow made: where it comes from, and the hashes of what was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, write_json

SCHEMA_VERSION: Final = 1
FILE: Final = "source.json"


def write_source(
    folder: Path, identity: str, source: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write where a finished folder comes from; files is what manifest.describe_files says of it."""
    content = {"schema_version": SCHEMA_VERSION, "identity": identity, "source": source, "files": files}
    write_json(folder / FILE, content)


def _is_ours(content: Any) -> bool:
    files = content.get("files") if isinstance(content, dict) else None
    return (
        isinstance(files, dict)
        and all(isinstance(entry, dict) and "sha256" in entry for entry in files.values())
        and isinstance(content.get("identity"), str)
        and isinstance(content.get("source"), dict)
        and "kind" in content["source"]
    )


def read_source(folder: Path) -> dict[str, Any] | None:
    """Content of source.json; None for a folder that the workflow did not make, whatever it holds under that name."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = read_json(path)
    except BenchmarkError:
        return None  # not as it was written: the folder is one of the user's
    return content if _is_ours(content) else None


def carried_source(folder: Path, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Source of a user's folder with files of these SHA-256: that of an unchanged copy of a made one, or a folder."""
    stored = read_source(folder)
    if stored is not None and {name: entry["sha256"] for name, entry in stored["files"].items()} == dict(hashes):
        return dict(stored["source"])
    return {"kind": "folder"}


def require_made(folder: Path, identity: str, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Source of a folder that the workflow made under identity; raises BenchmarkError where it holds anything else."""
    stored = read_source(folder)
    if stored is None:
        raise BenchmarkError(
            f"{folder} was not made by this workflow (it holds no sound {FILE}), but its name or benchmark."
            "hugging_face asks for a model that is; name another model_path, or move the folder away and run again"
        )
    if stored["identity"] != identity:
        raise BenchmarkError(f"{folder} holds another model than is asked for; delete it and run again")
    changed = [name for name in {**stored["files"], **files} if stored["files"].get(name) != files.get(name)]
    if changed:
        raise BenchmarkError(
            f"{folder / changed[0]} is not what was written: the folder was changed; delete {folder} and run again"
        )
    source: dict[str, Any] = stored["source"]
    return source
