"""What Snakemake may do about the software and the files of jobs: a launch measures the programs that were planned."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Final

from benchmark_runner.errors import BenchmarkError

APPTAINER: Final = "apptainer"
"""The one way of software deployment that is taken: the image holds all that the environment of Snakemake holds."""

IMAGE_BIN: Final = "/opt/benchmark-runner/bin"
"""Where envs/Containerfile puts the environment of the stages."""

_WORDS: Final = "docs/executors.md"


def require_deployment(methods: Collection[str], image: Path, shares_files: bool) -> None:
    """Raise BenchmarkError where jobs would run other software than what is planned with, or in another folder.

    methods are those of --software-deployment-method; shares_files tells whether jobs see this folder.
    """
    said = f"--software-deployment-method {' '.join(sorted(methods))}"
    if set(methods) - {APPTAINER}:
        raise BenchmarkError(
            f"{said}: stages and engines run in the environment that runs Snakemake, made from envs/workflow.txt, or "
            f"in the container made from the same locks; leave it out, or name {APPTAINER} alone ({_WORDS})"
        )
    if methods and not image.exists():
        raise BenchmarkError(f"{said}: {image} is not there; make it from envs/Containerfile ({_WORDS})")
    if not shares_files:
        raise BenchmarkError(
            "the executor's jobs do not share this folder, and a launch reads and writes more of it than Snakemake "
            f"carries; run Snakemake itself where the launches are to run ({_WORDS})"
        )


def container_arguments(project: Path, device: str) -> str:
    """Words for `apptainer exec`: the workflow's folder and, unless the campaign is for the CPU, the GPU's driver."""
    return f" --bind {shlex.quote(str(project))}" + ("" if device == "cpu" else " --nv")
