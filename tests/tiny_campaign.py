"""Whole campaigns through the real Snakefile, with the scripted engine and a model of a few kilobytes."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
FAKE_ENGINE = REPOSITORY / "tests" / "fake_engine" / "fake-engine"
SNAKEMAKE = Path(sys.executable).parent / "snakemake"

PREFILL_MS = {"slow": 16.0, "fast": 8.0}
TOKEN_MS = {"slow": 4.0, "fast": 2.0}
FACTORS = {"slow": [1.0, 1.01, 0.99, 1.02, 0.98], "fast": [1.01, 0.99, 1.0, 0.98, 1.02]}
"""By block, on all delays of a launch; both engines have the same ones in another order."""


def fake(name: str, **options: Any) -> dict[str, Any]:
    """Entry of a scripted engine in a configuration."""
    return {
        "name": name,
        "binary_path": str(FAKE_ENGINE),
        "options": {
            "clock": "scripted",
            "prefill_ms": PREFILL_MS[name],
            "token_ms": TOKEN_MS[name],
            "per_launch_factor": FACTORS[name],
            **options,
        },
    }


CONFIG: dict[str, Any] = {
    "benchmark": {
        "name": "Tiny campaign",
        "output_dir": "results/tiny",
        "model_path": "models/tiny",
        "launches": 5,
        "allow_underpowered": True,  # some tests take launches away
    },
    "engines": [fake("slow"), fake("fast")],
    "workloads": [
        {
            "name": "latency_test",
            "test_cases": [{"prompt": "Hello", "max_tokens": 11}],
            "iterations": 10,
            "warmup_iterations": 1,
        },
        {
            "name": "throughput_test",
            "test_cases": [{"prompt_tokens": 20, "max_tokens": 21}],
            "iterations": 10,
            "warmup_iterations": 0,
        },
    ],
    "fidelity": {"max_tokens": 4, "prompts": ["Hi"]},
    "system": {"cool_down_seconds": 0, "device": "cpu", "calibration_seconds": 0},
    "monitoring": {"sample_interval_ms": 20},
}


@dataclass
class Finished:
    """A Snakemake call that ended."""

    status: int
    words: str

    def jobs(self) -> dict[str, int]:
        """Number of jobs by rule that the call ran, or would run under -n, from Snakemake's table."""
        table = re.search(r"^job +count\n[- ]+\n(.*?)^total +\d+", self.words, flags=re.MULTILINE | re.DOTALL)
        if table is None:
            return {}
        rows = (line.split() for line in table[1].splitlines() if line.strip())
        return {rule: int(count) for rule, count in rows}

    def launches(self) -> set[tuple[str, str, int]]:
        """Engine, workload and block of the launches that the call ran, or would run under -n."""
        found = re.findall(r"output: \S+/launches/([^/]+)/([^/.]+)\.\w+/(\d+)/record\.json", self.words)
        return {(engine, workload, int(block)) for engine, workload, block in found}


@dataclass
class Campaign:
    """A folder with a configuration, a model and what Snakemake made of them."""

    folder: Path
    config: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CONFIG))
    project: Path = REPOSITORY
    """Where the workflow lies."""

    @property
    def out(self) -> Path:
        return self.folder / self.config["benchmark"]["output_dir"]

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """Snakemake's command line; writes the configuration first."""
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
        fixed = ["-s", str(self.project / "Snakefile"), "--directory", str(self.folder), "--configfile", str(file)]
        return [str(SNAKEMAKE), *arguments, *fixed, "--cores", str(cores)]

    def snakemake(self, *arguments: str, cores: int = 2) -> Finished:
        result = subprocess.run(
            self.command(*arguments, cores=cores),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=os.environ | {"TERM": "dumb"},
        )
        return Finished(result.returncode, result.stdout)

    def owed(self, *arguments: str, cores: int = 2) -> dict[str, int]:
        """Jobs by rule that a call would run now."""
        finished = self.snakemake("-n", *arguments, cores=cores)
        assert finished.status == 0, finished.words
        return finished.jobs()

    def copy_to(self, folder: Path) -> Campaign:
        shutil.copytree(self.folder, folder, symlinks=True)
        project = folder if self.project == self.folder else self.project
        return Campaign(folder, copy.deepcopy(self.config), project)


def join(folder: Path, *arguments: str) -> Finished:
    """The command as the README writes it, in a folder that holds nothing but results."""
    command = [SNAKEMAKE, "-s", REPOSITORY / "Snakefile", "--directory", folder, "--cores", "1", "join"]
    result = subprocess.run(
        [str(part) for part in [*command, "--config", *arguments]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Finished(result.returncode, result.stdout)
