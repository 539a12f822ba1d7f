"""Two campaigns that were measured apart become one with its report; the second call has nothing to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.records.checksum import write_record
from tiny_campaign import join

pytestmark = pytest.mark.workflow


def as_of_another_machine(folder: Path) -> None:
    """A results folder as a machine with another name would have left it."""
    environment = read_json(folder / "environment.json")
    write_json(folder / "environment.json", {**environment, "host": {"hostname": "elsewhere"}})
    for path in folder.glob("launches/*/*/*/record.json"):
        record = read_json(path)
        record["host"] = {"hostname": "elsewhere", "boot_id": "another boot"}
        write_record(path, record)


def test_two_campaigns_become_one_with_its_report_and_then_nothing_is_to_be_done(finished, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(finished.out, tmp_path / name)
    as_of_another_machine(tmp_path / "b")
    refused = join(tmp_path, "folders=a,a", "output_dir=both")
    assert refused.status != 0 and "error: folders: a and a are one folder" in refused.words
    assert "Traceback" not in refused.words and not (tmp_path / "both").exists()

    result = join(tmp_path, "folders=a,b", "output_dir=both")
    assert result.status == 0, result.words
    assert "both: 5 blocks of a (" in result.words and "5 blocks of b (elsewhere)" in result.words
    assert "run_launch" not in result.words
    summary = read_json(tmp_path / "both" / "summary.json")
    assert summary["campaign"]["launches"] == 10
    assert len(read_json(tmp_path / "both" / "raw_data" / "fast.json")["launches"]) == 20
    assert "Measured on 2 machines" in (tmp_path / "both" / "report.html").read_text()
    assert "Nothing to be done" in join(tmp_path, "folders=a,b", "output_dir=both").words
