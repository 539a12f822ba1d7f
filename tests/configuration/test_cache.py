"""A cache folder that cannot be written, or a umask that takes one's own rights, is told in one line with a remedy."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from benchmark_runner.configuration.cache import require_cache, require_own_rights
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


def test_one_in_which_only_a_few_bytes_can_be_written_is_named_with_the_limit(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(
            SystemExit, match=r"^error: \S*/snakemake cannot be written: .*; raise the limit \(ulimit -f\)"
        ):
            require_cache({"XDG_CACHE_HOME": str(tmp_path)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def masked(request):
    before = os.umask(request.param)
    yield f"{request.param:04o}"
    os.umask(before)


@pytest.mark.parametrize("masked", [0o777, 0o277, 0o122], indirect=True)
def test_a_umask_that_takes_one_s_own_rights_is_refused_and_stays(masked, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1234)
    for _ in range(2):
        with pytest.raises(SystemExit, match=rf"^error: umask {masked} takes from you .*; type umask 022 and the same"):
            require_own_rights()


@pytest.mark.parametrize(("masked", "user"), [(0o077, 1234), (0o022, 1234), (0o777, 0)], indirect=["masked"])
def test_any_other_umask_is_none_of_our_business(masked, user, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: user)
    require_own_rights()
    assert f"{os.umask(0):04o}" == masked


@pytest.mark.workflow
def test_snakemake_with_a_home_that_cannot_be_written_ends_with_that_line(tmp_path):
    command = [SNAKEMAKE, "-s", REPOSITORY / "Snakefile", "--directory", tmp_path, "--cores", "1", "doctor"]
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    environment |= {"HOME": "/proc/none", "TERM": "dumb"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr and "Error" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f"error: {Path('/proc/none/.cache/snakemake')} cannot be written")
