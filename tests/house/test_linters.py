"""Format, lint and type checks over the whole tree; each one fails the suite as it would fail a reviewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lint

# Clippy compiles what a crate depends on: 511 crates here, for an engine that is built only where the user asks for it.
OPTIONAL_CRATES = ("mistral-rs-crate-bench",)
BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).resolve().parents[2]
CRATES = sorted(path.parent.name for path in REPOSITORY.glob("engines/*/Cargo.toml"))


def run(command: list[str | Path], cwd: Path, environment: dict[str, str] | None = None) -> None:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command[0]} found:\n{result.stdout[-6000:]}\n{result.stderr[-6000:]}"


def test_ruff_finds_nothing(repository):
    run([BIN / "ruff", "check", "--no-cache", "."], repository)


def test_python_is_formatted(repository):
    run([BIN / "ruff", "format", "--no-cache", "--check", "."], repository)


def test_mypy_strict_finds_nothing(repository):
    run([BIN / "mypy"], repository)


@pytest.mark.parametrize("program", sorted(REPOSITORY.glob("engines/*/main.py")), ids=lambda path: path.parent.name)
def test_mypy_strict_finds_nothing_in_an_adapter(repository, program):
    # Each adapter is a program of its own: its modules may have the names of another's.
    sources = [str(path) for path in sorted(program.parent.rglob("*.py"))]
    search = os.pathsep.join([str(program.parent), str(repository / "engines" / "bench-protocol-py")])
    config = ["--config-file", repository / "pyproject.toml"]
    run([BIN / "mypy", *config, *sources], repository, {"MYPYPATH": search})


def test_no_room_of_the_library_imports_upwards(repository):
    run([BIN / "lint-imports", "--no-cache"], repository, {"PYTHONPATH": str(repository / "workflow" / "scripts")})


def test_an_import_that_runs_up_is_seen(repository, tmp_path):
    library = tmp_path / "benchmark_runner"
    shutil.copytree(repository / "workflow" / "scripts" / "benchmark_runner", library)
    (library / "protocol" / "upwards.py").write_text("from benchmark_runner.statistics import power\n")
    found = subprocess.run(
        [BIN / "lint-imports", "--no-cache", "--config", repository / "pyproject.toml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert "benchmark_runner.protocol.upwards -> benchmark_runner.statistics.power" in " ".join(found.stdout.split())


def test_rules_are_formatted(repository):
    run([BIN / "snakefmt", "--check", "Snakefile", "workflow/rules"], repository)


def test_snakemake_lint_finds_nothing(repository):
    run([BIN / "snakemake", "--lint"], repository)


@pytest.mark.parametrize("crate", CRATES)
def test_rust_is_formatted(repository, lacking, crate):
    if shutil.which("cargo") is None:
        lacking("cargo is missing; install Rust from your distribution or rustup")
    run(["cargo", "fmt", "--check"], repository / "engines" / crate)


@pytest.mark.parametrize("crate", sorted(set(CRATES) - set(OPTIONAL_CRATES)))
def test_clippy_finds_nothing(repository, lacking, crate):
    if shutil.which("cargo") is None:
        lacking("cargo is missing; install Rust from your distribution or rustup")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchmark-runner" / "clippy" / crate
    run(
        ["cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings"],
        repository / "engines" / crate,
        {"CARGO_TARGET_DIR": str(cache)},
    )
