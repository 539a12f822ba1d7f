"""A model folder that the workflow makes: there whole or not at all, and its source.json, which says what it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import DISK_IS_FULL, BenchmarkError, unwritable
from benchmark_runner.jsonio import read_json, write_json


@contextmanager
def made_whole(out: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of out when the block ends without an error.

    Otherwise what was at out stays; a full disk raises BenchmarkError. The empty folder has a parent of its own for
    what is needed on the way.
    """
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
    fresh = partial / "fresh"
    try:
        fresh.mkdir(parents=True)
        yield fresh
        # What was there goes aside first, so that out is never half of each.
        if out.exists():
            out.rename(partial / "aside")
        fresh.rename(out)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        raise BenchmarkError(unwritable(error, out)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
