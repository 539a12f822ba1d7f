"""Campaigns with a job for each block, where a job, its node or Snakemake ends before the block does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from launch_case import killed_at_last, wait_for
from made_up_slurm import Cluster
from slurm_case import (
    ALL,
    BLOCKS,
    LONG,
    assert_whole,
    end_of,
    ended,
    engines,
    first_record,
    hosts,
    in_blocks,
    records,
    slowly,
)
from tiny_campaign import Campaign


def begun(campaign: Campaign) -> set[Path]:
    """Launches that have begun."""
    return {file.parent for file in campaign.out.glob("launches/*/*/*/spec.json")}


def snakemakes(made_up: Cluster, *nodes: str) -> set[int]:
    """Processes of Snakemake on nodes, which run the jobs of blocks."""
    return {pid for pid, words in made_up.processes(*nodes).items() if "--mode remote" in words}


@slowly
def test_jobs_of_a_killed_snakemake_go_on_and_no_call_begins_beside_them(made_up, campaign):
    made_up.command("scontrol", "update", "nodename=n2", "state=drain", "reason=test")  # so one block waits
    with killed_at_last(subprocess.Popen(campaign.command("launches", *BLOCKS))) as snakemake:
        wait_for(lambda: begun(campaign), "the first launch", seconds=LONG)
        waiting = wait_for(lambda: [job for job, state, _ in made_up.jobs() if state == "PENDING"], "the other block")
        snakemake.send_signal(signal.SIGKILL)
        snakemake.wait()
    made_up.command("scontrol", "hold", *waiting)
    again = campaign.snakemake("launches")
    assert again.status == 1
    assert "are still in Slurm's queue; wait until they have ended, or cancel them: scancel" in again.words
    made_up.command("scontrol", "release", *waiting)
    made_up.command("scontrol", "update", "nodename=n2", "state=resume")
    wait_for(lambda: all(ended(made_up, number) for number, *_ in made_up.jobs()), "the end of the jobs", seconds=LONG)
    found = assert_whole(campaign, {})
    assert campaign.snakemake("launches").status == 0
    assert records(campaign) == found


@engines("for_minutes", token_ms=[5.0, 5.0, 5.0, 8000.0])
def test_a_block_that_runs_into_its_time_limit_or_loses_its_snakemake_is_interrupted_and_owed(made_up, campaign):
    with killed_at_last(subprocess.Popen(campaign.command("launches", *BLOCKS))) as snakemake:
        wait_for(lambda: len(begun(campaign)) == 2, "a launch of both blocks", seconds=LONG)
        limited, robbed = made_up.running()
        made_up.command("scontrol", "update", f"jobid={limited}", "endtime=now+1")
        at_its_limit, without = made_up.node_of(limited), made_up.node_of(robbed)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in snakemakes(made_up, without):
                os.kill(pid, number)
            time.sleep(1)
        wait_for(lambda: made_up.processes(without) == {}, "the end of what Snakemake had begun")
        assert end_of(made_up, robbed) == "FAILED"
        assert end_of(made_up, limited) == "TIMEOUT"
        assert snakemake.wait(LONG) == 1
    # What is left is Snakemake's own on the node, which this cluster's proctrack/linuxproc loses.
    left = snakemakes(made_up, "n1", "n2")
    assert made_up.processes().keys() == left
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: made_up.processes() == {}, "the end of what was left")
    stopped = [json.loads(file.read_text()) for file in campaign.out.glob("launches/*/*/*/interrupted.json")]
    # The other one may have been ended with its job, before it could tell.
    assert {record["host"]["hostname"]: record["status"] for record in stopped}[at_its_limit] == "interrupted"
    assert records(campaign) == {}
    assert campaign.owed("launches")["run_launch"] == 4


@slowly
def test_a_node_that_dies_without_requeue_loses_its_block_to_the_next_call(made_up, campaign):
    words = campaign.command("launches", *BLOCKS, "--slurm-no-requeue")
    with killed_at_last(subprocess.Popen(words)) as snakemake:
        before = first_record(campaign)
        ((node, *_), *_) = [hosts(campaign, block) for _, block in before]
        made_up.end_node(node)
        assert snakemake.wait(LONG) == 1
    made_up.start_node(node)
    wait_for(lambda: node in made_up.idle(), "the node that has started again")
    before = records(campaign)
    assert before.keys() < ALL
    result = in_blocks(campaign)
    assert result.status == 0, result.words
    assert_whole(campaign, before)
