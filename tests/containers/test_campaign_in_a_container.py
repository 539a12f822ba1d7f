"""Campaigns in a container made from envs/Containerfile: whole ones by podman, and jobs by Snakemake's `container:`.

`make test-container` runs them; the other tests leave this folder out, since making the image needs a network.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch_case import killed_at_last, processes_of, wait_for
from made_up_container import PODMAN, image_python, lacks, make_image, mounted_image, podman_run, stand_in
from tiny_campaign import REPOSITORY, Campaign, Finished
from tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder outside of /tmp, which a container has for itself; the image is there."""
    if (missing := lacks()) is not None:
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-runner-container-", dir="/var/tmp"))
    make_image(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def image(place: Path) -> Iterator[Path]:
    """The image as a folder."""
    with mounted_image(place / "image") as merged:
        yield merged


@pytest.fixture
def campaign(place: Path, request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Two engines, one workload, two blocks; afterwards nothing of it runs."""
    folder = place / request.node.name
    make_tiny_model(folder / "models" / "tiny")
    made = Campaign(folder)
    made.config["benchmark"] |= {"launches": 2, "control": False}
    made.config["workloads"] = made.config["workloads"][:1]
    yield made
    assert processes_of(folder) == {}


def command_inside(campaign: Campaign, *words: str, options: tuple[str, ...] = ()) -> list[str]:
    command = ["snakemake", *campaign.command(*words)[1:]]
    return podman_run([REPOSITORY, campaign.folder], command, ["--hostname", os.uname().nodename, *options])


def inside(campaign: Campaign, *words: str, options: tuple[str, ...] = ()) -> Finished:
    command = command_inside(campaign, *words, options=options)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Finished(done.returncode, done.stdout)


def records(campaign: Campaign) -> dict[tuple[str, int], dict[str, Any]]:
    found = [json.loads(file.read_text()) for file in campaign.out.glob("launches/*/*/*/record.json")]
    return {(record["engine"], record["block"]): record for record in found}


def environment(campaign: Campaign) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((campaign.out / "environment.json").read_text())
    return found


ALL = {("slow", 1), ("slow", 2), ("fast", 1), ("fast", 2)}


def test_a_whole_campaign_is_measured_inside_as_it_was_planned_outside_and_does_not_go_on_there(campaign):
    planned = campaign.snakemake(str(campaign.out.relative_to(campaign.folder) / "plan.json"))
    assert planned.status == 0, planned.words
    plan = json.loads((campaign.out / "plan.json").read_text())
    done = inside(campaign)
    assert done.status == 0, done.words
    found = records(campaign)
    assert found.keys() == ALL and {record["status"] for record in found.values()} == {"ok"}
    assert {record["identity"] for record in found.values()} == {row["identity"] for row in plan["order"]}
    assert environment(campaign)["virtualisation"]["container"] == "podman"
    assert all(package["as_locked"] for package in environment(campaign)["workflow"]["packages"])
    assert "lies inside of this container (podman)" in done.words
    next(campaign.out.glob("launches/fast/*/2/record.json")).unlink()
    outside = campaign.snakemake("launches")
    assert outside.status == 1 and re.search(r"container: \S+ here, podman there", outside.words)
    assert inside(campaign, "launches").status == 0
    assert records(campaign).keys() == ALL


def test_an_engine_of_wheels_is_built_inside_without_a_network(campaign):
    entry = {"name": "ctranslate2", "binary_path": "./target/release/ctranslate2-bench"}
    campaign.config["engines"] = [entry]
    campaign.config["benchmark"] |= {"launches": 1}
    done = inside(campaign, "launches")
    assert done.status == 0, done.words
    (record,) = records(campaign).values()
    assert record["status"] == "ok", record["reason"]
    assert record["build"]["from_nothing"]
    lock = (REPOSITORY / "envs" / "ctranslate2-bench.txt").read_text()
    assert all(f"{name.lower()}=={version}" in lock for name, version in record["build"]["packages"].items())


def test_jobs_run_in_the_image_and_find_nothing_of_the_hosts_python(image, campaign, monkeypatch):
    project = campaign.folder / "project"
    project.mkdir()
    for name in ("Snakefile", "workflow", "profiles", "config", "envs", "engines", "tests"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, project / name)
    (project / "target").mkdir()
    (project / "target" / "benchmark-runner.sif").symlink_to(image)
    monkeypatch.setenv("PATH", f"{stand_in(campaign.folder / 'bin')}:{os.environ['PATH']}")
    campaign.project = project
    for engine in campaign.config["engines"]:
        engine["binary_path"] = str(project / "tests" / "fake_engine" / "fake-engine")
    done = campaign.snakemake("--sdm", "apptainer")
    assert done.status == 0, done.words
    found = records(campaign)
    assert found.keys() == ALL and {record["status"] for record in found.values()} == {"ok"}
    told = environment(campaign)
    assert told["virtualisation"]["container"] == "apptainer"
    assert told["python"]["version"] == image_python()
    assert campaign.snakemake("--sdm", "apptainer", "-n").jobs() == {}
    next(campaign.out.glob("launches/fast/*/2/record.json")).unlink()
    outside = campaign.snakemake("launches")
    assert outside.status == 1 and re.search(r"container: \S+ here, apptainer there", outside.words)


def test_launches_inside_and_outside_wait_for_each_other_where_they_share_the_lock(campaign, monkeypatch):
    shared = campaign.folder / "lock"
    shared.mkdir(mode=0o700)
    monkeypatch.setenv("BENCHMARK_RUNNER_LOCK", str(shared / "measuring"))
    other = Campaign(campaign.folder / "outside", campaign.config)
    make_tiny_model(other.folder / "models" / "tiny")
    command = command_inside(campaign, "launches", options=("--env", "BENCHMARK_RUNNER_LOCK"))
    with killed_at_last(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ) as first:
        outside = other.snakemake("launches")
        words = first.communicate()[0]
    assert first.returncode == 0, words
    assert outside.status == 0, outside.words
    windows = sorted(
        (record["engine_window"]["start_ns"], record["engine_window"]["end_ns"])
        for one in (campaign, other)
        for record in records(one).values()
    )
    assert len(windows) == 8
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(windows))
    assert "lies inside of this container" not in words


@pytest.mark.parametrize("word", ["TERM", "KILL"])
def test_a_container_that_ends_leaves_nothing_and_the_next_measures_the_rest(campaign, word):
    for engine in campaign.config["engines"]:
        engine["options"] |= {"token_ms": 200.0}
    name = f"benchmark-runner-{word.lower()}"
    with killed_at_last(subprocess.Popen(command_inside(campaign, options=("--name", name)))) as running:
        wait_for(lambda: list(campaign.out.glob("launches/**/spec.json")), "the first launch", seconds=120)
        subprocess.run([*PODMAN, "kill", "--signal", word, name], check=True, stdout=subprocess.DEVNULL)
        running.wait(60)
    assert processes_of(campaign.folder) == {}
    before = records(campaign)
    again = inside(campaign, "launches")
    assert again.status == 0, again.words
    after = records(campaign)
    assert after.keys() == ALL and {record["status"] for record in after.values()} == {"ok"}
    assert {key: after[key] for key in before} == before


def test_the_limits_of_a_container_are_told_and_kept(campaign):
    done = inside(campaign, "launches", options=("--cpuset-cpus", "0", "--memory", "3g"))
    assert done.status == 0, done.words
    told = environment(campaign)
    assert told["cpu"]["available_cores"] == [0]
    assert told["memory"]["control_group_limit_bytes"] == 3 * 2**30
    next(campaign.out.glob("launches/fast/*/2/record.json")).unlink()
    wider = inside(campaign, "launches")
    assert wider.status == 1 and "cores: 2 here, 1 there" in wider.words
