"""What all tests share: the repository's folder, the option that forbids skipping, and the real engines and model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmark_runner.model.derived import MANIFEST, derived_folder
from benchmark_runner.model.recipes import RECIPES

REPOSITORY = Path(__file__).resolve().parents[1]
MODEL = "models/smollm2-135m-instruct"
GGUF_MODEL = derived_folder({"name": Path(MODEL).name, "identity": RECIPES[Path(MODEL).name].identity}, "gguf", "f32")
ENGINES = "tests/real/engines.yaml"

Lacking = Callable[[str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-all", action="store_true", help="a tool that a test lacks is a failure, not a skip (for CI)"
    )


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def lacking(request: pytest.FixtureRequest) -> Lacking:
    """Skip a test that lacks a tool, with the remedy; under --require-all fail it."""

    def lack(reason: str) -> None:
        if request.config.getoption("--require-all"):
            pytest.fail(f"{reason} (--require-all)", pytrace=False)
        pytest.skip(reason)

    return lack


@pytest.fixture(scope="session")
def prepared() -> Path:
    """The repository with the real engines built and the embedded model made in all formats, as a campaign would."""
    snakemake = Path(sys.executable).parent / "snakemake"
    command = [snakemake, "engines", f"{MODEL}/config.json", GGUF_MODEL / MANIFEST, "--cores", "2"]
    command += ["--configfile", ENGINES]
    made = subprocess.run(
        [str(part) for part in command],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-6000:]
    return REPOSITORY


@pytest.fixture(scope="session")
def embedded_model(prepared: Path) -> Path:
    return prepared / MODEL


@pytest.fixture(scope="session")
def opened_by(prepared: Path) -> Callable[[str], tuple[Path, str]]:
    """Folder and weights that a real engine is told to open, as in a campaign."""

    def find(engine: str) -> tuple[Path, str]:
        if engine == "llama_cpp":
            return prepared / GGUF_MODEL, "model.gguf"
        return prepared / MODEL, "model.safetensors"

    return find


@pytest.fixture(scope="session")
def program(prepared: Path, lacking: Lacking) -> Callable[[str], Path]:
    """The built adapter of a real engine; a machine that cannot build it skips the test."""

    config = yaml.safe_load((prepared / ENGINES).read_text(encoding="utf-8"))
    binaries = {engine["name"]: prepared / engine["binary_path"] for engine in config["engines"]}

    def find(engine: str) -> Path:
        path = binaries[engine]
        build = json.loads(path.with_name(f"{path.name}.build.json").read_text(encoding="utf-8"))
        if build["status"] != "built":
            lacking(f"{engine} could not be built: {build['reason']}; {build['remedy']}")
        return path

    return find
