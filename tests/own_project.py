"""A copy of the project in which tests write adapters of their own, such as the stub server as an engine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tiny_campaign import REPOSITORY

PROJECT = ("Snakefile", "workflow", "profiles", "config", "envs")
MAIN = """
import os, sys
sys.path.insert(0, {scripts!r})
from benchmark_runner.load.stub import main
sys.exit(main(sys.argv[1:]))
"""


def copy_project(project: Path, *further: str) -> None:
    """The parts of the project that a campaign needs, and further ones."""
    for name in (*PROJECT, *further):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, project / name)


def write_adapter(project: Path, name: str, main: str, **content: Any) -> None:
    """adapter.yaml of an engine in Python without packages, whose program lies beside it."""
    (project / "envs" / f"{name}.txt").write_text("# nothing is needed\n", encoding="utf-8")
    adapter = {
        "description": "An engine of the tests as an adapter of the project",
        "licence": "Apache-2.0",
        "language": "python",
        "devices": ["cpu"],
        "shared": [],
        "first_build": "about a second",
        "environment": {"lock": f"../../envs/{name}.txt", "main": main},
        **content,
    }
    (project / "engines" / name / "adapter.yaml").write_text(yaml.safe_dump(adapter), encoding="utf-8")


def write_stub(project: Path, name: str, *arguments: str, sampling: Sequence[str] = ("greedy",)) -> None:
    """The stub server as an engine of the project, started with these arguments."""
    folder = project / "engines" / name
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(MAIN.format(scripts=str(project / "workflow" / "scripts")), encoding="utf-8")
    server = {
        "arguments": ["--port={port}", *arguments],
        "engine": "stub",
        "path": "/v1/completions",
        "model": "stub",
        "body": {},
        "ids": {"in": True, "stream": "token_ids", "whole": None},
        "dtypes": {"f32": "f32"},
        "capabilities": {"sampling": list(sampling), "seed": True, "past_eos": "goes_on"},
    }
    write_adapter(project, name, "main.py", server=server)
