"""Campaigns of the scripted engine on a Slurm made up here: in one allocation, and with a job for each block.

`make test-cluster` runs them; the other tests leave this folder out, since it needs root and Debian's Slurm.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch_case import killed_at_last, wait_for
from made_up_slurm import Cluster, cluster, lacks
from tiny_campaign import REPOSITORY, Campaign
from tiny_model import make_tiny_model

BLOCKS = ["--profile", str(REPOSITORY / "profiles" / "slurm"), "--jobs", "2", "--latency-wait", "5"]
BLOCKS += ["--slurm-init-seconds-before-status-checks", "1"]


@pytest.fixture(scope="module")
def made_up() -> Iterator[Cluster]:
    if (missing := lacks()) is not None:
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-runner-cluster-", dir="/var/tmp"))
    environment = (REPOSITORY / ".venv").resolve()
    with cluster(folder / "slurm", [REPOSITORY, environment], {"n1": (), "n2": ()}) as up:
        yield up
    shutil.rmtree(folder)


@pytest.fixture
def campaign(made_up: Cluster, request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Two engines, one workload, two blocks; afterwards nothing of it is left in the queue or on a node."""
    folder = made_up.folder.parent / request.node.name
    make_tiny_model(folder / "models" / "tiny")
    made = Campaign(folder)
    made.config["benchmark"] |= {"launches": 2, "control": False}
    made.config["workloads"] = made.config["workloads"][:1]
    made.config["system"]["launch_timeout_seconds"] = 60
    yield made
    assert made_up.processes() == []


def slower(campaign: Campaign) -> None:
    """Launches that take seconds, so that something can happen to them."""
    for engine in campaign.config["engines"]:
        engine["options"] |= {"token_ms": 200.0}


def in_one_allocation(made_up: Cluster, campaign: Campaign, *words: str) -> str:
    """Number of the job that runs the campaign's launches."""
    arguments = campaign.command("launches", *words)[1:-2]  # without --cores: the profile's
    script = REPOSITORY / "profiles" / "slurm-node" / "campaign.sbatch"
    output = f"--output={campaign.folder / 'slurm.out'}"
    command = ["sbatch", "--parsable", "--time=20", f"--chdir={REPOSITORY}", output, str(script), *arguments]
    return made_up.command(*command).strip()


def ended(made_up: Cluster, number: str) -> str | None:
    """State of a job that has ended; None before."""
    state = next((state for job, state, _ in made_up.jobs() if job == number), "FORGOTTEN")
    return None if state in ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING") else state


def records(campaign: Campaign) -> dict[tuple[str, int], dict[str, Any]]:
    found = [json.loads(file.read_text()) for file in campaign.out.glob("launches/*/*/*/record.json")]
    return {(record["engine"], record["block"]): record for record in found}


def hosts(campaign: Campaign, block: int) -> set[str]:
    """Where a block was measured, as its launches tell."""
    return {record["host"]["hostname"] for (_, of), record in records(campaign).items() if of == block}


ALL = {("slow", 1), ("slow", 2), ("fast", 1), ("fast", 2)}


def test_a_campaign_in_one_allocation_is_measured_on_its_node_with_all_of_its_cores(made_up, campaign):
    number = in_one_allocation(made_up, campaign)
    state = wait_for(lambda: ended(made_up, number), "the end of the job", seconds=300)
    assert state == "COMPLETED", (campaign.folder / "slurm.out").read_text()
    found = records(campaign)
    assert found.keys() == ALL
    assert {record["status"] for record in found.values()} == {"ok"}
    assert len(hosts(campaign, 1) | hosts(campaign, 2)) == 1
    affinity = found["slow", 1]["affinity"]
    assert sorted(affinity["engine_cores"] + affinity["monitor_cores"]) == [0, 1]


def test_a_job_for_each_block_keeps_the_block_on_one_node_which_is_told(campaign):
    result = campaign.snakemake("launches", *BLOCKS, cores=2)
    assert result.status == 0, result.words
    assert records(campaign).keys() == ALL
    for block in (1, 2):
        (host,) = hosts(campaign, block)
        node = json.loads((campaign.out / "nodes" / f"{block}.json").read_text())
        assert [machine["host"]["hostname"] for machine in node["machines"]] == [host]


def test_jobs_of_a_killed_snakemake_go_on_and_no_call_begins_beside_them(made_up, campaign):
    made_up.command("scontrol", "update", "nodename=n2", "state=drain", "reason=test")  # so one block waits
    with killed_at_last(subprocess.Popen(campaign.command("launches", *BLOCKS))) as snakemake:
        wait_for(lambda: list(campaign.out.glob("launches/**/spec.json")), "the first launch", seconds=300)
        waiting = wait_for(lambda: [job for job, state, _ in made_up.jobs() if state == "PENDING"], "the other block")
        snakemake.send_signal(signal.SIGKILL)
        snakemake.wait()
    made_up.command("scontrol", "hold", *waiting)
    again = campaign.snakemake("launches")
    assert again.status == 1
    assert "are still in Slurm's queue; wait until they have ended, or cancel them: scancel" in again.words
    made_up.command("scontrol", "release", *waiting)
    made_up.command("scontrol", "update", "nodename=n2", "state=resume")
    wait_for(lambda: all(ended(made_up, number) for number, *_ in made_up.jobs()), "the end of the jobs", seconds=300)
    found = records(campaign)
    assert found.keys() == ALL
    assert campaign.snakemake("launches").status == 0
    assert records(campaign) == found


def test_what_is_cancelled_is_owed_and_what_was_measured_stays(made_up, campaign):
    slower(campaign)
    number = in_one_allocation(made_up, campaign)
    wait_for(lambda: records(campaign), "the first record", seconds=300)
    made_up.command("scancel", number)
    assert wait_for(lambda: ended(made_up, number), "the end of the job", seconds=100) == "CANCELLED"
    before = records(campaign)
    assert made_up.processes() == []
    again = in_one_allocation(made_up, campaign)
    assert wait_for(lambda: ended(made_up, again), "the end of the next job", seconds=300) == "COMPLETED"
    after = records(campaign)
    assert after.keys() == ALL
    assert {key: after[key] for key in before} == before


def test_a_node_that_dies_has_its_campaign_go_on_on_another(made_up, campaign):
    slower(campaign)
    number = in_one_allocation(made_up, campaign)
    wait_for(lambda: records(campaign), "the first record", seconds=300)
    before = records(campaign)
    ((node, *_), *_) = [hosts(campaign, block) for _, block in before]
    made_up.end_node(node)
    wait_for(lambda: ended(made_up, number) == "COMPLETED", "the end of the job on the other node", seconds=500)
    made_up.start_node(node)
    wait_for(lambda: node in made_up.idle(), "the node that has started again")
    after = records(campaign)
    assert after.keys() == ALL
    assert {key: after[key] for key in before} == before
    assert node not in {record["host"]["hostname"] for key, record in after.items() if key not in before}
