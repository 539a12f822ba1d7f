"""`snakemake plan` and `snakemake doctor`: they answer each time they are asked, and change nothing else."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.schemas import violations

pytestmark = pytest.mark.workflow


def test_the_plan_is_told_before_anything_is_measured_and_again_when_it_is_up_to_date(campaign):
    first = campaign.snakemake("plan")
    assert first.status == 0, first.words
    assert first.jobs() == {"plan": 1, "write_plan": 1, "write_part": 1}
    written = (campaign.out / "plan.json").read_bytes()
    other = {"host": {"hostname": "node1"}, "cpu": {"model": "Another 9000", "logical_cores": 1}, "gpu": None}
    began = other | {"virtualisation": {"container": None}}  # as a login node, or the one at a desk, is told of it
    (campaign.out / "environment.json").write_text(json.dumps(began) + "\n")
    second = campaign.snakemake("plan")
    assert second.jobs() == {"plan": 1}
    for result in (first, second):
        words = " ".join(result.words.split())
        assert "Select jobs" not in words and "Execute" not in words
        assert "30 owed" in words
        assert "no launch of this campaign has finished yet" in words
        assert "block 1 of 5" in words
    assert (campaign.out / "plan.json").read_bytes() == written
    assert not (campaign.out / "launches").exists()
    assert "a machine of another kind than node1" in campaign.snakemake("launches").words


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


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full", "| true"])
def test_a_stage_that_shows_its_words_does_its_work_where_nobody_takes_them(campaign, redirection):
    command = campaign.command("plan", "doctor")
    line = f'cd "$0"; ("$@" 2> err; echo $? > status) {redirection}'
    subprocess.run(["bash", "-c", line, campaign.folder, *command], env=os.environ | {"TERM": "dumb"}, check=False)
    assert (campaign.folder / "status").read_text() == "0\n", (campaign.folder / "err").read_text()
    assert read_json(campaign.out / "plan.json")["order"]
    assert "What this machine lets us measure" in (campaign.out / "logs" / "stages" / "doctor.log").read_text()


def test_the_doctor_examines_the_machine_whatever_is_wrong_with_the_configuration(campaign):
    campaign.config["benchmark"]["model_path"] = "models/nowhere"
    campaign.config["engines"][0]["threads"] = 2
    campaign.config["system"] |= {"strict": True, "cpu_affinity": [4000]}
    result = campaign.snakemake("doctor")
    assert result.status == 0, result.words
    assert result.jobs() == {"doctor": 1}
    findings = {finding["check"]: finding for finding in read_json(campaign.out / "doctor.json")["findings"]}
    assert len(findings) > 15
    reasons = " ".join(lack["reason"] for lack in findings["configuration"]["lacks"])
    assert len(findings["configuration"]["lacks"]) == 3, reasons
    for problem in ("'models/nowhere' is no folder", "unknown key 'threads'", "core 4000 cannot be used here"):
        assert problem in reasons


def test_no_other_target_runs_beside_the_doctor_when_the_configuration_is_not_in_order(campaign):
    campaign.config["benchmark"]["model_path"] = "models/nowhere"
    result = campaign.snakemake("doctor", "launches")
    assert result.status != 0
    assert not campaign.out.exists()


def test_the_plan_says_when_launches_do_as_many_iterations_as_those_that_are_there(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    campaign.config["benchmark"]["launches"] = 10
    words = " ".join(campaign.snakemake("plan").words.split())
    assert "latency_test: 2 and 1 to warm up, as in the launches that are there, 20 in all" in words
