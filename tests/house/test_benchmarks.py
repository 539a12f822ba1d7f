"""Each benchmark runs, with arguments so small that its figures say nothing: what is not run rots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ARGUMENTS = {
    "adapter_overhead": (["--tokens", "50", "--iterations", "1"], "Python: push"),
    "analysis_scale": (["--iterations", "200"], "the table's analysis"),
    "client_error": (["--streams", "2", "--tokens", "5", "--answers", "1"], "own              2   busy"),
    "launch_overhead": (["--launches", "1"], "monitor, to its first sample"),
    "report_scale": (["--iterations", "100"], "report.html"),
}
"""By folder: the arguments, and a line of what is printed."""


def test_every_benchmark_is_run_here(repository):
    assert {path.parent.name for path in (repository / "benchmarks").glob("*/measure.py")} == set(ARGUMENTS)


@pytest.mark.workflow
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_benchmark_runs_and_prints_its_figures(repository: Path, name: str, tmp_path):
    arguments, line = ARGUMENTS[name]
    command = [sys.executable, str(repository / "benchmarks" / name / "measure.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout
