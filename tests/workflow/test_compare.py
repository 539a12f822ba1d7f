"""The target compare through the real Snakefile: what it owes, what it finds, what it refuses."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from benchmark_runner.comparison.gate import main as gate
from benchmark_runner.jsonio import read_json
from tiny_campaign import CONFIG, REPOSITORY, SNAKEMAKE, Campaign, Finished, fake

pytestmark = pytest.mark.workflow

JUDGING = {"collect_before": 3, "tabulate_before": 1, "summarise_before": 1, "compare_campaigns": 1, "compare": 1}
"""Jobs of a comparison besides what the campaign owes; three engines with the control."""


def compare(campaign: Campaign, *arguments: str, against: str = "results/tiny") -> Finished:
    return campaign.snakemake("compare", *arguments, "--config", f"against={against}")


@pytest.fixture(scope="module")
def slower(finished, tmp_path_factory) -> Campaign:
    """A campaign of one workload in which `fast` has become slower, compared with the finished one."""
    campaign = finished.copy_to(tmp_path_factory.mktemp("slower") / "copy")
    campaign.config["benchmark"] |= {"output_dir": "results/after", "control": False}
    campaign.config["engines"] = [fake("slow"), fake("fast", token_ms=3.0)]
    campaign.config["workloads"] = CONFIG["workloads"][:1]
    campaign.config["comparison"] = {"margin": 0.05}
    result = compare(campaign)
    assert result.status == 0, result.words
    return campaign


def folder_of(campaign: Campaign):
    return campaign.out / "comparison" / "results+tiny"


def test_what_became_slower_is_a_regression_and_the_rest_is_not(slower):
    document = read_json(folder_of(slower) / "comparison.json")
    found = {(one["engine"], one["workload"]): one for one in document["comparisons"] if one["gates"]}
    assert {key: one["verdict"] for key, one in found.items()} == {
        ("slow", "latency_test"): "no_regression",
        ("fast", "latency_test"): "regression",
        ("slow", "throughput_test"): "cannot_tell",
        ("fast", "throughput_test"): "cannot_tell",
    }
    # 8 ms and 10 gaps of 2 ms became 8 ms and 10 gaps of 3 ms.
    assert found["fast", "latency_test"]["ratio"]["point"] == pytest.approx(28 / 38, rel=0.03)
    assert found["fast", "throughput_test"]["reason"] == "throughput_test is not part of the campaign after"
    assert ("spec.options", "fast") in {(one["fact"], one["engine"]) for one in document["differences"]}
    assert gate([str(folder_of(slower) / "comparison.json")]) == 1
    page = (folder_of(slower) / "comparison.md").read_text(encoding="utf-8")
    assert page.index("## What differs") < page.index("## The answer: regression of more than 5 %")


def test_a_second_comparison_has_nothing_to_do(slower):
    assert "Nothing to be done" in compare(slower).words


def test_another_margin_compares_anew_and_measures_nothing(slower, tmp_path):
    changed = slower.copy_to(tmp_path / "copy")
    changed.config["comparison"]["margin"] = 0.10
    owed = changed.owed("compare", "--config", "against=results/tiny")
    assert {rule: count for rule, count in owed.items() if not rule.startswith("write_")} == JUDGING


def test_two_recorded_campaigns_are_compared_without_starting_an_engine(slower, tmp_path):
    copy = slower.copy_to(tmp_path / "copy")
    (copy.out / "comparison" / "results+tiny" / "comparison.json").unlink()
    words = ["compare", "--config", "analyze_only=true", "output_dir=results/after", "against=results/tiny"]
    command = [part for part in copy.command(*words) if part not in ("--configfile", str(copy.folder / "config.yaml"))]
    owed = Finished(*run(command))
    assert owed.status == 0, owed.words
    assert "run_launch" not in owed.jobs() and "check_fidelity" not in owed.jobs()
    assert read_json(folder_of(copy) / "comparison.json") == read_json(folder_of(slower) / "comparison.json")
    assert "Nothing to be done" in Finished(*run(command)).words
    margin = command.index("analyze_only=true")
    changed = Finished(*run([*command[:margin], "comparison={margin: 0.10}", *command[margin:], "-n"]))
    assert changed.status == 0, changed.words
    assert {rule: count for rule, count in changed.jobs().items() if not rule.startswith("write_")} == JUDGING


def run(command: list[str]) -> tuple[int, str]:
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return ended.returncode, ended.stdout


def test_a_finished_campaign_owes_nothing_but_the_comparison(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    shutil.copytree(campaign.out, campaign.folder / "results" / "other")
    owed = campaign.owed("compare", "--config", "against=results/other")
    assert owed == {**JUDGING, "write_terms": 1}


def test_two_engines_of_one_campaign_are_compared_in_its_blocks(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    result = campaign.snakemake("compare", "--config", "before=fast", "after=slow")
    assert result.status == 0, result.words
    assert "run_launch" not in result.jobs()
    file = campaign.out / "comparison" / "slow-against-fast" / "comparison.json"
    document = read_json(file)
    assert document["kind"] == "engines"
    # Five blocks are one too few for sign flips.
    assert {one["reason"] for one in document["comparisons"] if one["gates"]} == {
        "too few launches: 5 cannot reach significance over 2 comparisons, 7 can"
    }
    assert gate([str(file)]) == 2
    assert "Nothing to be done" in campaign.snakemake("compare", "--config", "before=fast", "after=slow").words


def test_the_quick_look_can_be_compared_without_naming_its_configuration(tmp_path):
    command = [SNAKEMAKE, "compare", "-n", "-s", REPOSITORY / "Snakefile", "--directory", tmp_path, "--cores", "1"]
    status, words = run([*map(str, command), "--config", "against=results/gone"])
    assert status != 0
    assert "error: against: results/gone is no results folder of a campaign" in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: against: compare needs a campaign to compare with; name the folder of the campaign before"),
        (
            ("--config", "against=models/tiny"),
            "error: against: models/tiny is no results folder of a campaign: plan.json",
        ),
        (
            ("--config", "before=slow", "after=gone"),
            "error: after: gone is none of its engines; name them with --config before=… after=…, of slow, fast",
        ),
    ],
)
def test_without_a_campaign_to_compare_with_nothing_begins(campaign, arguments, message):
    result = campaign.snakemake("compare", *arguments)
    assert result.status != 0
    assert message in result.words
    assert "--config against=results/…" in result.words or "before=… after=…" in result.words
    assert "Traceback" not in result.words and "rule " not in result.words
    assert not campaign.out.exists()
