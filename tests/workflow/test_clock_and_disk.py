"""A clock that was set back and a disk that takes nothing cost no measurement and end in words."""

from __future__ import annotations

import os
import time

import pytest

pytestmark = pytest.mark.workflow

DAY_SECONDS = 86_400


def test_what_is_measured_with_a_clock_behind_its_inputs_is_kept(campaign):
    campaign.config["benchmark"].update(launches=1, control=False)
    campaign.config["engines"], campaign.config["workloads"] = (
        campaign.config["engines"][:1],
        [campaign.config["workloads"][0]],
    )
    tomorrow = time.time() + DAY_SECONDS
    os.utime(campaign.folder / "models" / "tiny" / "config.json", (tomorrow, tomorrow))
    told = campaign.snakemake("launches")
    assert told.status == 0, told.words
    assert len(list(campaign.out.glob("launches/*/*/*/record.json"))) == 1
    assert campaign.owed("launches") == {}


def test_a_file_that_cannot_be_written_before_the_first_job_is_told_without_a_traceback(campaign):
    (campaign.folder / ".benchmark_runner").mkdir()
    (campaign.folder / ".benchmark_runner" / "configuration").write_text("no folder")
    told = campaign.snakemake("plan")
    assert told.status != 0
    assert "configuration" in told.words and "cannot be written" in told.words
    assert "Traceback" not in told.words and "jsonio.py" not in told.words


def test_notes_that_snakemake_cannot_keep_are_told_without_a_traceback(campaign):
    (campaign.folder / ".snakemake").write_text("no folder")
    told = campaign.snakemake("plan")
    assert told.status != 0
    assert "error: .snakemake cannot be written: File exists; see to it that it can be written" in told.words
    assert "Traceback" not in told.words and "snakemake/persistence" not in told.words
