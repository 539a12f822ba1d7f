"""Ways of software deployment: what a call says of them before it starts anything, and what it leaves as it was."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tiny_campaign import REPOSITORY

pytestmark = pytest.mark.workflow

APPTAINER = """\
#!/bin/sh
# Stands in for apptainer: no container, but what tells a process that it runs in one.
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
while [ "$1" != bash ]; do shift; done
APPTAINER_CONTAINER=made-up exec "$@"
"""


@pytest.fixture
def in_a_container(finished, tmp_path, monkeypatch):
    """The finished campaign in a copy of the workflow, for which there is an image."""
    project, programs = tmp_path / "project", tmp_path / "bin"
    for name in ("workflow", "profiles", "config", "envs", "engines"):
        shutil.copytree(REPOSITORY / name, project / name)
    shutil.copy(REPOSITORY / "Snakefile", project)
    (project / "target").mkdir()
    (project / "target" / "benchmark-runner.sif").touch()
    programs.mkdir()
    (programs / "apptainer").write_text(APPTAINER)
    (programs / "apptainer").chmod(0o755)
    path = [programs, Path(sys.executable).parent, os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
    campaign = finished.copy_to(tmp_path / "campaign")
    campaign.project = project
    return campaign


def test_a_container_owes_nothing_of_what_is_finished_and_is_not_told_as_the_machine_that_measured(in_a_container):
    assert in_a_container.owed("launches", "--sdm", "apptainer") == {}
    before = json.loads((in_a_container.out / "environment.json").read_text())
    in_a_container.config["analysis"] = {"confidence_level": 0.9}
    done = in_a_container.snakemake("launches", "--sdm", "apptainer")
    assert done.status == 0, done.words
    assert done.jobs()["record_environment"] == 1
    assert json.loads((in_a_container.out / "environment.json").read_text()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sdm", "conda"], "error: --software-deployment-method conda: stages and engines run in the environment"),
        (["--use-conda", "--use-apptainer"], "error: --software-deployment-method apptainer conda: "),
        (["--sdm", "env-modules"], "error: --software-deployment-method env_modules: "),
        (["--sdm", "apptainer"], "benchmark-runner.sif is not there; make it from envs/Containerfile"),
    ],
)
def test_what_would_run_other_programs_is_refused_in_one_line(campaign, words, message):
    refused = campaign.snakemake("-n", *words)
    assert refused.status == 1
    assert message in refused.words
    assert "Traceback" not in refused.words
    assert not campaign.out.exists()
