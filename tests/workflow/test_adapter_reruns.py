"""What an edited adapter makes owed: a campaign of two adapters that a copy of the project builds by its rule."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest

from benchmark_runner.jsonio import read_json
from own_project import PROJECT, copy_project, write_adapter
from rerun_stages import ANALYSIS, jobs_by_stage, launches
from tiny_campaign import CONFIG, REPOSITORY, Campaign, fake
from tiny_model import make_tiny_model

pytestmark = pytest.mark.workflow

BLOCKS = (1, 2)
SHARED = "engines/bench-protocol-py"


def write_fake(project: Path, name: str) -> None:
    folder = project / "engines" / name
    shutil.copytree(REPOSITORY / "tests" / "fake_engine", folder, ignore=shutil.ignore_patterns("__pycache__"))
    write_adapter(project, name, "fake-engine", shared=["../bench-protocol-py"])


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Campaign:
    """A finished campaign in a copy of the project, its engines slow and fast built from engines/."""
    project = tmp_path_factory.mktemp("project")
    copy_project(project, SHARED)
    for name in ("slow", "fast"):
        write_fake(project, f"{name}-bench")
    make_tiny_model(project / "models" / "tiny")
    config = copy.deepcopy(CONFIG)
    config["benchmark"] |= {"launches": len(BLOCKS)}
    config["analysis"] = {"generate_plots": False}
    config["engines"] = [{**fake(name), "binary_path": f"target/release/{name}-bench"} for name in ("slow", "fast")]
    config["workloads"] = config["workloads"][:1]
    campaign = Campaign(project, config, project)
    result = campaign.snakemake()
    assert result.status == 0, result.words
    assert {read_json(path)["status"] for path in campaign.out.glob("launches/*/*/*/record.json")} == {"ok"}
    assert campaign.owed() == {}
    return campaign


def of(*engines: str) -> set[tuple[str, str, int]]:
    return launches(engines, ["latency_test"], BLOCKS)


@pytest.mark.parametrize(
    ("file", "owed", "checks"),
    [
        ("engines/fast-bench/fake_core.py", of("fast"), 1),
        ("envs/fast-bench.txt", of("fast"), 1),
        ("engines/slow-bench/fake-engine", of("slow", "slow_control"), 3),
        ("engines/bench-protocol-py/bench_protocol/run.py", of("slow", "fast", "slow_control"), 3),
    ],
)
def test_source_or_lock_of_an_adapter_makes_its_build_and_launches_owed_alone(
    built, tmp_path, rerun_effects, file, owed, checks
):
    campaign = built.copy_to(tmp_path / "copy")
    with (campaign.folder / file).open("a", encoding="utf-8") as source:
        source.write("# edited\n")
    dry_run = campaign.snakemake("-n")
    assert dry_run.status == 0, dry_run.words
    jobs = dry_run.jobs()
    builds = jobs.pop("build_engine")
    rerun_effects.append((file, jobs_by_stage(jobs)))
    assert dry_run.launches() == owed
    assert builds == len(owed - of("slow_control")) // len(BLOCKS)
    assert jobs["check_fidelity"] == checks
    assert set(jobs_by_stage(jobs)) == ANALYSIS - {"plots"} | {"launches", "fidelity"}


def test_a_description_in_an_adapter_makes_nothing_owed(built, tmp_path):
    campaign = built.copy_to(tmp_path / "copy")
    file = campaign.folder / "engines" / "fast-bench" / "adapter.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("The scripted", "A scripted"), encoding="utf-8")
    assert "run_launch" not in campaign.owed()


def test_a_template_makes_the_report_owed_alone(built, tmp_path, rerun_effects):
    campaign = built.copy_to(tmp_path / "copy")
    with (campaign.folder / "workflow" / "report" / "style.css").open("a", encoding="utf-8") as file:
        file.write("/* edited */\n")
    jobs = campaign.owed()
    rerun_effects.append(("a template of the report", jobs_by_stage(jobs)))
    assert jobs == {"write_report": 1, "all": 1}


def test_a_fresh_checkout_makes_nothing_owed(built, tmp_path, rerun_effects):
    campaign = built.copy_to(tmp_path / "copy")
    for name in (*PROJECT, SHARED):
        for path in (campaign.folder / name, *(campaign.folder / name).rglob("*")):
            path.touch()
    jobs = campaign.owed()
    rerun_effects.append(("all files of the project written anew", jobs_by_stage(jobs)))
    assert jobs == {}


def test_a_build_asked_for_by_name_is_of_the_present_source_whatever_snakemake_remembers(built, tmp_path):
    campaign = built.copy_to(tmp_path / "copy")
    shutil.rmtree(campaign.folder / ".snakemake")
    record = "target/release/fast-bench.build.json"
    assert "build_engine" not in campaign.owed(record)
    with (campaign.folder / "engines/fast-bench/fake_core.py").open("a", encoding="utf-8") as source:
        source.write("# edited\n")
    assert campaign.owed(record)["build_engine"] == 1
    assert campaign.owed("engines")["build_engine"] == 1
