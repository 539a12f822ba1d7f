"""What `-n` and bad input say, before anything runs."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.workflow


def test_a_dry_run_explains_the_jobs_and_makes_nothing(campaign):
    finished = campaign.snakemake("-n")
    assert finished.status == 0, finished.words
    jobs = finished.jobs()
    assert jobs["run_launch"] == 30
    assert jobs["collect_records"] == 3
    assert not campaign.out.exists()


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("engines", None),
        ("launches", "run_launch"),
        ("analysis", "summarise_statistics"),
        ("plots", "plot_latency"),
        ("report", "write_report"),
    ],
)
def test_targets_reach_their_stage(campaign, target, rule):
    jobs = campaign.owed(target)
    assert rule is None or rule in jobs


def test_only_engines_and_output_dir_are_taken_from_the_command_line(campaign):
    jobs = campaign.owed("--config", "only_engines=fast", "output_dir=results/other")
    assert jobs["run_launch"] == 20
    assert jobs["collect_records"] == 2


def test_bad_input_is_one_message_without_a_traceback(campaign):
    campaign.config["benchmark"]["lanches"] = 3
    campaign.config["engines"][0]["dtype"] = "f33"
    finished = campaign.snakemake("-n")
    assert finished.status != 0
    assert "did you mean 'launches'?" in finished.words
    assert "one of f32, f16, bf16" in finished.words
    assert "Traceback" not in finished.words


def test_a_binary_that_is_nowhere_is_named_before_anything_runs(campaign):
    campaign.config["engines"][1]["binary_path"] = "bin/nowhere"
    finished = campaign.snakemake()
    assert finished.status != 0
    assert "'bin/nowhere' is no file" in finished.words
    assert not campaign.out.exists()
