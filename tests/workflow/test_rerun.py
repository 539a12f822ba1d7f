"""A second run does only what is owed: jobs by rule after each kind of change, counted from one finished campaign.

The table of the effects is printed at the end of a test run (conftest.py).
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.jsonio import read_json
from rerun_stages import ADVICE, ANALYSIS, NOTHING, WORKLOADS, Launches, jobs_by_stage, launches
from tiny_campaign import FAKE_ENGINE, REPOSITORY, Campaign, fake

pytestmark = pytest.mark.workflow

Change = Callable[[Campaign], object]


def setting(*path: str | int, value: Any) -> Change:
    """Change of one key of the configuration."""

    def change(campaign: Campaign) -> None:
        node: Any = campaign.config
        for key in path[:-1]:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        node[path[-1]] = value

    return change


def nothing(_campaign: Campaign) -> None:
    """The same command again."""


def edited_binary(campaign: Campaign) -> None:
    """The program of `fast` is another one now."""
    program = campaign.folder / "bin" / "fake-engine"
    program.parent.mkdir()
    program.write_text(f"{FAKE_ENGINE.read_text(encoding='utf-8')}# edited\n", encoding="utf-8")
    program.chmod(0o755)
    campaign.config["engines"][1]["binary_path"] = "bin/fake-engine"


def edited_prices(campaign: Campaign) -> None:
    """The user's own price catalogue, with which a first run has ended, is edited."""
    catalogue = campaign.folder / "prices.yaml"
    shutil.copyfile(REPOSITORY / "config" / "prices.yaml", catalogue)
    campaign.config["business"] = {"prices": "prices.yaml"}
    first = campaign.snakemake()
    assert first.status == 0, first.words
    assert campaign.owed() == {}
    with catalogue.open("a", encoding="utf-8") as file:
        file.write("# edited\n")


def new_engine(campaign: Campaign) -> None:
    campaign.config["engines"].append({**fake("fast"), "name": "third"})


def new_workload(campaign: Campaign) -> None:
    campaign.config["workloads"].append({**campaign.config["workloads"][0], "name": "third_test"})


def more_launches(campaign: Campaign, *, times_iterations: int) -> None:
    campaign.config["benchmark"]["launches"] = 10
    for workload in campaign.config["workloads"]:
        workload["iterations"] *= times_iterations


def fewer_launches(campaign: Campaign) -> None:
    campaign.config["benchmark"]["launches"] = 4
    for workload in campaign.config["workloads"]:
        workload["iterations"] = 8


def touch(campaign: Campaign) -> None:
    """All files of results, model and configuration get new times, in no order."""
    files = sorted(path for path in campaign.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts)
    random.Random(1).shuffle(files)
    latest_ns = max(path.stat().st_mtime_ns for path in files)
    for index, path in enumerate(files):
        os.utime(path, ns=(latest_ns + index * 10**6,) * 2)


def without_notes(campaign: Campaign) -> None:
    """Only the results and the model, as they are copied elsewhere: Snakemake knows nothing of what it did."""
    for name in (".snakemake", ".benchmark_runner"):
        shutil.rmtree(campaign.folder / name)


def both(first: Change, second: Change) -> Change:
    def change(campaign: Campaign) -> None:
        first(campaign)
        second(campaign)

    return change


@dataclass(frozen=True)
class Effect:
    """What a change makes owed."""

    change: str
    apply: Change
    stages: frozenset[str] = NOTHING
    launches: Launches = field(default_factory=set)
    fidelity: int = 0
    """Fidelity checks, the reference not counted."""
    cores: int = 2


ALL = launches()
OPTION = ("options", "token_ms")
EFFECTS = [
    Effect("nothing", nothing),
    Effect("another number of cores", nothing, cores=7),
    Effect("all files touched", touch),
    Effect("results and model copied elsewhere", without_notes),
    Effect("analysis.confidence_level", setting("analysis", "confidence_level", value=0.9), ANALYSIS),
    Effect("analysis.outlier_threshold", setting("analysis", "outlier_threshold", value=3.0), ANALYSIS),
    Effect("benchmark.headline", setting("benchmark", "headline", value={"latency_workload": WORKLOADS[1]}), ANALYSIS),
    Effect("business.usd_per_hour", setting("business", "usd_per_hour", value=2.0), ADVICE),
    Effect("a price in the user's catalogue", edited_prices, ADVICE - {"plan"}),
    Effect(
        "fidelity.prompts", setting("fidelity", "prompts", value=["Ho"]), ANALYSIS | {"model", "fidelity"}, fidelity=3
    ),
    Effect(
        "options of an engine",
        setting("engines", 1, *OPTION, value=3.0),
        ANALYSIS | {"launches", "fidelity"},
        launches(["fast"]),
        fidelity=1,
    ),
    Effect(
        "options of the baseline",
        setting("engines", 0, *OPTION, value=3.0),
        ANALYSIS | {"launches", "fidelity"},
        launches(["slow", "slow_control"]),
        fidelity=3,
    ),
    Effect(
        "program of an engine",
        edited_binary,
        ANALYSIS | {"launches", "fidelity"},
        launches(["fast"]),
        fidelity=1,
    ),
    Effect(
        "a prompt",
        setting("workloads", 0, "test_cases", 0, "prompt", value="Goodbye"),
        ANALYSIS | {"launches", "model"},
        launches(workloads=["latency_test"]),
    ),
    Effect("a description", setting("workloads", 0, "description", value="Another"), ANALYSIS),
    Effect(
        "system.threads", setting("system", "threads", value=1), ANALYSIS | {"launches", "fidelity"}, ALL, fidelity=3
    ),
    Effect(
        "monitoring.sample_interval_ms",
        setting("monitoring", "sample_interval_ms", value=50),
        ANALYSIS | {"launches"},
        ALL,
    ),
    Effect("a new engine", new_engine, ANALYSIS | {"launches", "fidelity"}, launches(["third"]), fidelity=1),
    Effect("a new workload", new_workload, ANALYSIS | {"launches", "model"}, launches(workloads=["third_test"])),
    Effect(
        "launches 5 to 10, iterations doubled",
        lambda campaign: more_launches(campaign, times_iterations=2),
        ANALYSIS | {"launches", "model"},
        launches(blocks=range(6, 11)),
    ),
    Effect(
        "launches 5 to 10, iterations as before",
        lambda campaign: more_launches(campaign, times_iterations=1),
        ANALYSIS | {"launches", "model"},
        launches(blocks=range(6, 11)),
    ),
    # Two iterations in each of two launches are fewer than the ten that are asked for.
    Effect(
        "launches 5 to 2",
        setting("benchmark", "launches", value=2),
        ANALYSIS | {"launches", "model"},
        launches(blocks=[1, 2]),
    ),
    Effect("launches 5 to 4, as many iterations each", fewer_launches, ANALYSIS),
    Effect(
        "copied elsewhere, confidence_level",
        both(without_notes, setting("analysis", "confidence_level", value=0.9)),
        ANALYSIS,
    ),
    Effect(
        "copied elsewhere, usd_per_hour", both(without_notes, setting("business", "usd_per_hour", value=2.0)), ADVICE
    ),
    Effect(
        "copied elsewhere, a prompt",
        both(without_notes, setting("workloads", 0, "test_cases", 0, "prompt", value="Goodbye")),
        ANALYSIS | {"launches", "model"},
        launches(workloads=["latency_test"]),
    ),
]


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.change)
def test_a_change_makes_only_that_owed_which_depends_on_it(finished, tmp_path, rerun_effects, effect):
    campaign = finished.copy_to(tmp_path / "copy")
    effect.apply(campaign)
    dry_run = campaign.snakemake("-n", cores=effect.cores)
    assert dry_run.status == 0, dry_run.words
    jobs = dry_run.jobs()
    stages = jobs_by_stage(jobs)
    rerun_effects.append((effect.change, stages))
    assert dry_run.launches() == effect.launches
    assert set(stages) == effect.stages
    assert jobs.get("check_fidelity", 0) == effect.fidelity


def test_a_copy_with_new_times_owes_no_launch(finished, tmp_path, rerun_effects):
    campaign = finished.copy_to(tmp_path / "copy")
    without_notes(campaign)
    touch(campaign)
    dry_run = campaign.snakemake("-n")
    assert dry_run.status == 0, dry_run.words
    rerun_effects.append(("copied elsewhere, all files touched", jobs_by_stage(dry_run.jobs())))
    assert dry_run.launches() == set()


def test_the_report_depends_on_its_templates(finished):
    words = finished.snakemake("-n", "--forcerun", "write_report").words
    templates = [path for path in (REPOSITORY / "workflow" / "report").rglob("*") if path.is_file()]
    assert len(templates) > 5
    assert [path.name for path in templates if str(path) not in words] == []


def contents(campaign: Campaign) -> dict[Path, tuple[int, bytes]]:
    """Time and content of every file of every launch."""
    files = [path for path in (campaign.out / "launches").rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def run(campaign: Campaign) -> None:
    result = campaign.snakemake()
    assert result.status == 0, result.words


def test_superseded_launches_stay_are_listed_and_serve_again_when_the_setting_is_back(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    first, old = contents(campaign), campaign.config["engines"][1]["options"]["token_ms"]
    setting("analysis", "generate_plots", value=False)(campaign)
    setting("engines", 1, *OPTION, value=3.0)(campaign)
    run(campaign)
    second = contents(campaign)
    assert {path: second[path] for path in first} == first
    assert len(list((campaign.out / "launches" / "fast").glob("*/*/record.json"))) == 20
    raw = read_json(campaign.out / "raw_data" / "fast.json")
    assert len(raw["launches"]) == 10
    listed = {(other["workload"], other["launches"]) for other in raw["not_part_of_campaign"]}
    assert listed == {("latency_test", 5), ("throughput_test", 5)}
    page = (campaign.out / "report.html").read_text(encoding="utf-8")
    assert all(other["identity"] in page for other in raw["not_part_of_campaign"])

    setting("engines", 1, *OPTION, value=old)(campaign)
    assert "run_launch" not in campaign.owed()
    run(campaign)
    assert contents(campaign) == second
    assert campaign.owed() == {}
    assert {record["identity"] for record in read_json(campaign.out / "raw_data" / "fast.json")["launches"]} == {
        record["identity"] for record in read_json(finished.out / "raw_data" / "fast.json")["launches"]
    }
