"""Snakemake's ways of software deployment: what a call says of them before it starts anything."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.workflow


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
