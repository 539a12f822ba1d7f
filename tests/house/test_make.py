"""The Makefile's calls of Snakemake."""

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
