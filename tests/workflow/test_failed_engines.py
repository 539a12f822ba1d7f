"""Campaigns whose engines fail: the report is made and says first what failed; nothing measured is no success."""

from __future__ import annotations

import pytest

from benchmark_runner.display import TIMES
from benchmark_runner.jsonio import read_json
from tiny_campaign import Campaign, fake

pytestmark = pytest.mark.workflow

CRASH = {"crash_at": {"stage": "load", "exit_code": 7}}


def small(campaign: Campaign, *engines: dict[str, object]) -> None:
    """Two launches of one workload: enough to say who failed."""
    campaign.config["benchmark"] |= {"launches": 2, "control": False}
    campaign.config["engines"] = list(engines)
    campaign.config["workloads"] = campaign.config["workloads"][:1]
    campaign.config["analysis"] = {"generate_plots": False}


def test_where_no_engine_was_measured_the_report_is_made_and_the_command_fails(campaign: Campaign) -> None:
    small(campaign, fake("slow", **CRASH), fake("fast", **CRASH))
    ended = campaign.snakemake()
    assert ended.status != 0, ended.words
    answer = read_json(campaign.out / "summary.json")["answer"]
    assert answer["measured"] is False
    assert answer["sentence"].startswith("Nothing was measured")
    assert answer["sentence"] in ended.words
    assert answer["sentence"].split(".")[0] in (campaign.out / "report.html").read_text(encoding="utf-8")


def test_a_baseline_that_crashed_is_told_first_and_nothing_is_held_against_it(campaign: Campaign) -> None:
    small(campaign, fake("slow", **CRASH), fake("fast"))
    ended = campaign.snakemake()
    assert ended.status == 0, ended.words
    answer = read_json(campaign.out / "summary.json")["answer"]
    assert answer["sentence"].startswith("The baseline slow was not measured")
    assert "times as fast" not in ended.words
    assert f"1.00{TIMES}" not in (campaign.out / "comparison_table.md").read_text(encoding="utf-8")
