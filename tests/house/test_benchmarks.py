"""Each benchmark runs, with arguments so small that its figures say nothing: what is not run rots."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ARGUMENTS = {
    "adapter_overhead": (["--tokens", "50", "--iterations", "1"], "Python: push"),
    "analysis_scale": (["--iterations", "200"], "the table's analysis"),
    "client_error": (["--streams", "2", "--tokens", "5", "--answers", "1"], "own              2   busy"),
    "launch_overhead": (["--launches", "1"], "monitor, to its first sample"),
    "scale": (["--sizes", "2x1x2", "--gaps", "1"], "| report.html |"),
    "report_scale": (["--iterations", "100"], "report.html"),
}
"""By folder: the arguments, and a line of what is printed."""


def test_every_benchmark_is_run_here(repository):
    assert {path.parent.name for path in (repository / "benchmarks").glob("*/measure.py")} == set(ARGUMENTS)


@pytest.fixture
def scale(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of benchmarks/scale, whose folder has others by the names of modules elsewhere."""
    monkeypatch.syspath_prepend(str(repository / "benchmarks" / "scale"))
    monkeypatch.syspath_prepend(str(repository / "benchmarks" / "analysis_scale"))
    file = repository / "benchmarks" / "scale" / "measure.py"
    spec = importlib.util.spec_from_file_location("measure_scale", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_campaign_that_is_made_up_says_so_wherever_its_records_lie(scale: ModuleType, tmp_path: Path):
    scale.write_records(tmp_path, scale.Size(1, 1, 1), [])
    assert "made it up" in (tmp_path / "MADE_UP").read_text()


@pytest.mark.parametrize("words", ["1x1x3", "3x1x1", "5x2", "axbxc", "0x5x5", "-2x-2x9"])
def test_a_size_of_which_no_pause_can_be_measured_is_refused(scale: ModuleType, words: str):
    assert scale.size_of("2x1x2").all_launches == 4
    with pytest.raises(argparse.ArgumentTypeError, match=r"no pause|is not ENGINES"):
        scale.size_of(words)


def test_the_table_says_what_a_launch_more_costs_and_how_straight_the_line_is(scale: ModuleType):
    sizes = [scale.Size(1, 1, launches) for launches in (100, 1000, 10_000)]
    found = {
        size: {
            "dry run": (1.0 + 0.003 * size.launches, 1e8 + 3e4 * size.launches),
            scale.PAUSE: (0.4, 0.01),
            "report.html": (0.0, 1000.0 * size.launches**2),
        }
        for size in sizes
    }
    _, _, dry, pause, page = scale.table(found)
    assert "| 3 ms (R² 1.000); 30 kB (R² 1.000) | n^0.89 | 25 s |" in dry
    assert pause.endswith("|  |  | 0.4 s on the clock |")
    assert "n^2.00" in page and " ms" not in page and "R² 0.9" in page


PEER = """#!/bin/sh
for last in "$@"; do [ "$before" = --result-dir ] && cd "$last"; before=$last; done
echo '{"p50_ttft_ms": 60, "p99_ttft_ms": 70, "p99_itl_ms": 6}' > vllm.json
"""


@pytest.mark.workflow
def test_a_peer_is_run_in_turn_with_the_own_client(repository: Path, tmp_path: Path):
    program = tmp_path / "peers" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text(PEER)
    program.chmod(0o755)
    small = ["--streams", "2", "--tokens", "5", "--answers", "1", "--rounds", "2"]
    command = [sys.executable, str(repository / "benchmarks" / "client_error" / "measure.py"), *small]
    command += ["--peers", str(tmp_path / "peers"), "--tokenizer", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = [words[0] for line in done.stdout.splitlines()[2:] if (words := line.split())]
    assert names == [*["own", "vllm"] * 2, "chunks"] * 2
    assert "chunks a core" in done.stdout


@pytest.mark.workflow
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_benchmark_runs_and_prints_its_figures(repository: Path, name: str, tmp_path):
    arguments, line = ARGUMENTS[name]
    command = [sys.executable, str(repository / "benchmarks" / name / "measure.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout
