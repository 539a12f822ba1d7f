"""The limits of the machine in a campaign: measured once, beside the launches, and again where the file is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.schemas import require_valid
from tiny_campaign import Campaign

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
