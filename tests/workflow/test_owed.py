"""What a finished campaign loses, the same command measures or makes again; it never ends well without it."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.workflow


def cut(file) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def test_what_was_cut_moved_or_deleted_is_owed_by_the_targets_that_show_it_and_healed_by_one_call(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    record = next((campaign.out / "launches" / "slow").glob("latency_test.*/3/record.json"))
    cut(record)
    damaged = next((campaign.out / "launches" / "slow").glob("throughput_test.*/4/record.json"))
    text = damaged.read_bytes()
    damaged.write_bytes(text[: len(text) // 2] + bytes(512) + text[len(text) // 2 + 512 :])
    shutil.move(next((campaign.out / "launches" / "fast").glob("throughput_test.*/2")), tmp_path / "away")
    for name in ("analysis/iterations.parquet", "plots/memory_usage.png", "fidelity/fast.json", "logs/benchmark.log"):
        cut(campaign.out / name)
    for name in ("environment.json", "comparison_table.md", "reproduction.md", "plan.json"):
        (campaign.out / name).unlink()

    owed = campaign.owed("launches")
    assert owed["run_launch"] == 3 and "write_logs" not in owed and "check_fidelity" not in owed
    owed = campaign.owed("plots")
    assert owed["run_launch"] == 3 and "write_logs" not in owed
    assert campaign.owed("report")["write_logs"] == 1  # it tabulates the samples that the page shows
    assert record.stat().st_size > 0  # a dry run moves nothing

    healed = campaign.snakemake()
    assert healed.status == 0, healed.words
    assert "record.json.broken" in healed.words
    assert (record.parent / "record.json.broken").is_file()
    assert (damaged.parent / "record.json.broken").is_file()
    assert len(list(campaign.out.glob("launches/*/*/*/record.json"))) == 30
    for name in ("environment.json", "comparison_table.md", "reproduction.md", "plan.json", "report.html"):
        assert (campaign.out / name).is_file()
    assert campaign.owed() == {}


def test_a_stage_that_failed_behind_a_pipe_fails_the_command_and_fails_it_again(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    broken = campaign.out / "fidelity" / "slow.json"
    broken.write_text("[1,")
    for _ in range(2):
        told = campaign.snakemake("fidelity")
        assert told.status != 0 and str(broken.relative_to(campaign.folder)) in told.words
    broken.unlink()
    assert campaign.snakemake("fidelity").status == 0
