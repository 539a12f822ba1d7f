"""A cache folder that cannot be written is told in one line, with what helps."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmark_runner.configuration.cache import require_cache
from tiny_campaign import REPOSITORY, SNAKEMAKE


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    require_cache({"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert list((tmp_path / "cache").rglob("*")) == [tmp_path / "cache" / "snakemake"]


def test_without_the_variable_it_is_the_home_folder_s(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for environment in ({}, {"XDG_CACHE_HOME": " "}):
        require_cache(environment)
    assert (tmp_path / ".cache" / "snakemake").is_dir()


@pytest.mark.parametrize("root", ["/proc/none", "/dev/null", "file"])
def test_one_that_cannot_is_named_with_the_remedy(tmp_path, root):
    (tmp_path / "file").touch()
    root = str(tmp_path / root)  # an absolute one stays as it is
    with pytest.raises(SystemExit, match=r"error: \S*/snakemake cannot be written \(.*\).*XDG_CACHE_HOME=") as told:
        require_cache({"XDG_CACHE_HOME": root})
    assert root in str(told.value) and "\n" not in str(told.value)


@pytest.mark.workflow
def test_snakemake_with_a_home_that_cannot_be_written_ends_with_that_line(tmp_path):
    command = [SNAKEMAKE, "-s", REPOSITORY / "Snakefile", "--directory", tmp_path, "--cores", "1", "doctor"]
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    environment |= {"HOME": "/proc/none", "TERM": "dumb"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr and "Error" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f"error: {Path('/proc/none/.cache/snakemake')} cannot be written")
