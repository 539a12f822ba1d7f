"""Limits of machine and load client in a campaign: measured once, beside the launches, again where the file is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.schemas import require_valid
from tiny_campaign import Campaign
from tiny_model import make_tiny_model

pytestmark = pytest.mark.workflow


def test_limits_are_measured_once_and_owe_no_launch(finished: Campaign, tmp_path: Path) -> None:
    campaign = finished.copy_to(tmp_path / "copy")
    campaign.config["system"]["calibration_seconds"] = 0.01
    owed = campaign.owed()
    assert owed["calibrate"] == owed["analyse_performance"] == 1 and "run_launch" not in owed
    result = campaign.snakemake("results/tiny/calibration.json")
    assert result.status == 0, result.words
    file = campaign.out / "calibration.json"
    require_valid("calibration", read_json(file), str(file))
    assert "calibrate" not in campaign.owed()
    file.write_text(file.read_text()[:-9])
    assert campaign.owed()["calibrate"] == 1


def test_the_load_client_is_calibrated_where_a_workload_has_load_at_its_highest_level(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")
    campaign.config["system"]["calibration_seconds"] = 0.2
    assert "calibrate_load" not in campaign.owed()
    levels = {"mode": "closed", "concurrency": [1, 3], "requests": 4}
    case = {"prompt_tokens": 20, "max_tokens": 4, "load": levels}
    campaign.config["workloads"] = [{"name": "served", "description": "levels", "test_cases": [case]}]
    owed = campaign.owed()
    assert owed["calibrate_load"] == owed["summarise_statistics"] == 1
    result = campaign.snakemake("results/tiny/load_calibration.json")
    assert result.status == 0, result.words
    file = campaign.out / "load_calibration.json"
    require_valid("load_calibration", read_json(file), str(file))
    assert read_json(file)["streams"] == 3
    assert "calibrate_load" not in campaign.owed()
