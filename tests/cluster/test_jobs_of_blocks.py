"""Campaigns with a job for each block on the made-up Slurm."""

from __future__ import annotations

import json
import subprocess

from slurm_case import BLOCKS, assert_whole, engines, hosts, in_blocks, records


def test_a_job_for_each_block_keeps_the_block_on_one_node_which_is_told(campaign):
    result = in_blocks(campaign)
    assert result.status == 0, result.words
    assert_whole(campaign, {})
    for block in (1, 2):
        (host,) = hosts(campaign, block)
        node = json.loads((campaign.out / "nodes" / f"{block}.json").read_text())
        assert [machine["host"]["hostname"] for machine in node["machines"]] == [host]


@engines("large", allocate_bytes=1_600_000_000)
def test_an_engine_that_takes_more_memory_than_its_job_has_is_a_record_that_says_so(campaign):
    result = in_blocks(campaign, "--set-resources", "run_launch:mem_mb=2400")
    assert result.status == 0, result.words
    told = [(record["status"], record["reason"]) for record in records(campaign).values()]
    assert [status for status, _ in told] == ["memory_limit"] * 4, told
    assert all("above the 1.2 GB of" in reason and "batch system" in reason for _, reason in told)


def test_nodes_with_a_gpu_file_measure_what_a_login_node_without_one_has_planned(campaign):
    campaign.config["system"]["device"] = "cuda"
    result = in_blocks(campaign, "--default-resources", "slurm_partition=gpu", "slurm_extra='--exclusive'", "mem_mb=0")
    assert result.status == 0, result.words
    assert hosts(campaign, 1, 2) == {"g1"}
    assert {record["device"] for record in assert_whole(campaign, {}).values()} == {"cuda:0"}


def test_nodes_without_a_gpu_file_measure_what_a_login_node_with_one_has_planned(made_up, campaign):
    login = made_up.login(["nvidia0"])
    result = subprocess.run([*login, *campaign.command("launches", *BLOCKS)], check=False)
    assert result.returncode == 0
    assert {record["device"] for record in assert_whole(campaign, {}).values()} == {"cpu"}
