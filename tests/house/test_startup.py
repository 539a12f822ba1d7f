"""What a stage loads before it begins: every stage of every campaign waits for that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from launch_case import SCRIPTS

HEAVY = ("scipy", "pandas", "matplotlib", "altair", "pyarrow", "numpy")


@pytest.mark.parametrize(
    ("stage", "needed"),
    [
        ("launch", set()),
        ("monitor", set()),
        ("fidelity", set()),
        ("environment", set()),
        ("report.reproduction", set()),
        ("summary", {"numpy"}),
        ("business", set()),
        ("records.tabulate", {"numpy", "pyarrow"}),
        ("plots.memory", {"numpy", "matplotlib"}),
        ("plots.gpu", {"numpy", "matplotlib"}),
        ("report", {"numpy", "pyarrow", "pandas", "altair", "matplotlib"}),
    ],
)
def test_a_stage_loads_no_library_that_it_has_no_use_for(stage, needed):
    command = [sys.executable, "-X", "importtime", "-m", f"benchmark_runner.{stage}", "--help"]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert loaded.intersection(HEAVY) == needed
