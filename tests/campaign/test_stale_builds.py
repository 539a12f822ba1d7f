"""A build that is not of this source, or not there whole, is made again before a launch."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.build.environment import STAMP
from benchmark_runner.campaign.engines import Engine, is_stale
from build_case import build_record

PROGRAM, SOURCE = b"#!/bin/sh\n", b"print('hi')\n"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The record of a build whose files are all there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy").mkdir()
    (tmp_path / "program").write_bytes(PROGRAM)
    (tmp_path / "copy" / "main.py").write_bytes(SOURCE)
    return build_record(
        source_sha256="one",
        binary_sha256=hashlib.sha256(PROGRAM).hexdigest(),
        sources={"folder": str(tmp_path / "copy"), "files": {"main.py": hashlib.sha256(SOURCE).hexdigest()}},
    )


def stale(record: dict[str, Any] | None, source: str = "one", container: str | None = None) -> bool:
    if record is not None:
        Path("program.build.json").write_text(json.dumps(record))
    return is_stale(Engine("e", None, str(Path.cwd() / "program"), "adapter", "cpu", "f32", {}, source), container)


def test_a_build_of_this_source_that_is_whole_stays(built: dict[str, Any]) -> None:
    assert not stale(built)


def test_a_build_is_whole_from_whichever_folder_a_campaign_works(
    built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {**built, "sources": {**built["sources"], "folder": "copy"}}
    (tmp_path / "program.build.json").write_text(json.dumps(record))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert not is_stale(Engine("e", None, str(tmp_path / "program"), "adapter", "cpu", "f32", {}, "one"), None)


def test_a_build_of_other_source_is_made_again(built: dict[str, Any]) -> None:
    assert stale(built, source="two")


@pytest.mark.parametrize("file", ["program", "copy/main.py"])
def test_a_build_whose_file_was_changed_or_removed_is_made_again(built: dict[str, Any], file: str) -> None:
    Path(file).write_text("another")
    assert stale(built)
    Path(file).unlink()
    assert stale(built)


def test_a_build_whose_python_is_not_here_is_made_again(built: dict[str, Any], tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    record = {**built, "environment": {"folder": "environment", "installed": []}}
    (tmp_path / "environment" / STAMP).touch()
    python.symlink_to("/opt/nowhere/bin/python3")
    assert stale(record)
    python.unlink()
    python.symlink_to(sys.executable)
    assert not stale(record)
    (tmp_path / "environment" / STAMP).unlink()
    assert stale(record)


@pytest.mark.parametrize(("made_in", "is_made_again"), [("apptainer", False), ("podman", True), (None, True)])
def test_a_build_is_made_again_where_jobs_run_in_a_container_that_it_was_not_made_in(
    built: dict[str, Any], made_in: str | None, is_made_again: bool
) -> None:
    environment = {"folder": "of a Python that only the image has", "installed": [], "container": made_in}
    assert stale({**built, "environment": environment}, container="apptainer") == is_made_again


def test_what_was_never_built_or_failed_is_no_stale_build(built: dict[str, Any]) -> None:
    assert not stale(None)
    assert not stale({**built, "status": "unavailable"}, source="two")
