"""`snakemake plan` and `snakemake doctor`: they answer each time they are asked, and change nothing else."""

from __future__ import annotations

import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.schemas import violations

pytestmark = pytest.mark.workflow


def test_the_plan_is_told_before_anything_is_measured_and_again_when_it_is_up_to_date(campaign):
    first = campaign.snakemake("plan")
    assert first.status == 0, first.words
    assert first.jobs() == {"plan": 1, "write_plan": 1, "write_part": 1}
    written = (campaign.out / "plan.json").read_bytes()
    second = campaign.snakemake("plan")
    assert second.jobs() == {"plan": 1}
    for result in (first, second):
        words = " ".join(result.words.split())
        assert "30 owed" in words
        assert "no launch of this campaign has finished yet" in words
        assert "block 1 of 5" in words
    assert (campaign.out / "plan.json").read_bytes() == written
    assert not (campaign.out / "launches").exists()


def test_the_plan_of_a_finished_campaign_knows_its_minutes_and_leaves_nothing_to_do(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    words = " ".join(campaign.snakemake("plan").words.split())
    assert "none owed" in words
    assert "by 30 finished launches of the same kind" in words
    assert "The report:" not in words
    assert "Nothing to be done" in campaign.snakemake().words


def test_the_doctor_answers_each_time_and_owes_no_other_job(campaign):
    for _ in range(2):
        result = campaign.snakemake("doctor")
        assert result.status == 0, result.words
        assert result.jobs() == {"doctor": 1}
        assert "What this machine lets us measure" in result.words
        assert violations("doctor", read_json(campaign.out / "doctor.json")) == []
        (campaign.out / "doctor.json").unlink()
    assert not (campaign.out / "plan.json").exists()
