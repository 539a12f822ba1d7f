"""The Makefile's calls of Snakemake and of pytest."""

from __future__ import annotations

import subprocess

import pytest

from benchmark_runner.processes.cgroup import usable_cores


def commands(repository, target: str) -> str:
    made = subprocess.run(["make", "-n", target], cwd=repository, capture_output=True, text=True, check=True)
    return made.stdout


@pytest.mark.parametrize("target", ["plan", "doctor", "report"])
def test_the_target_stands_before_the_options_that_take_every_word_that_follows(repository, target):
    words = commands(repository, target).split()
    call = words[words.index(".venv/bin/snakemake") :]
    assert call[1] == target
    assert call.index(target) < call.index("--configfile")


def test_run_makes_everything_with_one_launch_at_a_time(repository):
    text = commands(repository, "run")
    assert "--resources gpu=1" in text
    assert "--configfile config/config.yaml" in text
    assert f"--cores {usable_cores()} " in text


def make_test(repository, folder, *, beside: int, rest: int) -> tuple[bool, list[list[str]]]:
    """Whether `make test` ends well, with a pytest that ends so, and the arguments of its calls."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\necho "$*" >> "{folder}/calls"\ncase "$*" in *--ignore*) exit {rest} ;; *) exit {beside} ;; esac\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    call = ["make", "-o", f"{folder}/test.stamp", "test", f"VENV={folder}", "PYTEST_FLAGS=-x"]
    made = subprocess.run(call, cwd=repository, capture_output=True, text=True, check=False)
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return made.returncode == 0, [line.split() for line in calls]


def test_what_runs_beside_the_tests_is_left_out_of_the_rest_and_nothing_else_is(repository, tmp_path):
    ended_well, calls = make_test(repository, tmp_path, beside=0, rest=0)
    beside, rest = sorted(calls, key=lambda call: "--ignore" in " ".join(call))
    assert ended_well and beside[-1] == rest[-1] == "-x"
    files = [word for word in beside if word.startswith("tests/")]
    assert [f"--ignore={file}" for file in files] == rest[2:-1]
    simulations = {str(path.relative_to(repository)) for path in repository.glob("tests/*/test_simul*.py")}
    assert set(files) == simulations | {"tests/house/test_linters.py"}


@pytest.mark.parametrize(
    ("beside", "rest", "ended_well"), [(1, 0, False), (0, 1, False), (5, 0, True), (0, 5, True), (5, 5, False)]
)
def test_tests_end_well_where_both_parts_do_or_one_is_empty(repository, tmp_path, beside, rest, ended_well):
    assert make_test(repository, tmp_path, beside=beside, rest=rest)[0] == ended_well
