"""Campaigns of two engines in two blocks on a made-up Slurm: how they are submitted, and what must hold of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.records.collect import main as collect
from benchmark_runner.records.tabulate import main as tabulate
from benchmark_runner.statistics.__main__ import main as summarise
from launch_case import wait_for
from made_up_slurm import Cluster
from tiny_campaign import REPOSITORY, Campaign, Finished
from tiny_model import make_tiny_model

PROFILE = REPOSITORY / "profiles"
BLOCKS = ["--profile", str(PROFILE / "slurm"), "--jobs", "2", "--resources", "gpu=2", "--latency-wait", "5"]
BLOCKS += ["--slurm-init-seconds-before-status-checks", "1"]
ALL = {("slow", 1), ("slow", 2), ("fast", 1), ("fast", 2)}
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "FORGOTTEN")
LONG = 300
"""Seconds for what takes some on an idle machine."""

Records = dict[tuple[str, int], dict[str, Any]]


def tiny(folder: Path) -> Campaign:
    """Two engines, one workload, two blocks."""
    make_tiny_model(folder / "models" / "tiny")
    made = Campaign(folder)
    made.config["benchmark"] |= {"launches": 2, "control": False}
    made.config["workloads"] = made.config["workloads"][:1]
    made.config["workloads"][0] |= {"iterations": 4, "warmup_iterations": 0}
    made.config["system"]["launch_timeout_seconds"] = 120
    return made


def engines(name: str, **options: Any) -> pytest.MarkDecorator:
    """Both engines of a test's campaign have these options."""
    return pytest.mark.parametrize("campaign", [options], indirect=True, ids=[name])


slowly = engines("slowly", token_ms=[5.0, 5.0, 5.0, 300.0])
"""Launches of four seconds, so that something can happen to them."""


def submit(made_up: Cluster, campaign: Campaign, *words: str, target: str = "launches") -> str:
    """Number of the job that runs the campaign's launches in one allocation; words are sbatch's."""
    arguments = campaign.command(target)[1:-2]  # without --cores: the profile's
    output = f"--output={campaign.folder / 'slurm.out'}"
    script = PROFILE / "slurm-node" / "campaign.sbatch"
    command = ["sbatch", "--parsable", "--time=20", f"--chdir={REPOSITORY}", output, *words, str(script), *arguments]
    return made_up.command(*command).strip()


def ended(made_up: Cluster, number: str) -> str | None:
    """State of a job that has ended; None before."""
    state = next((state for job, state, _ in made_up.jobs() if job == number), "FORGOTTEN")
    return state if state in ENDED else None


def end_of(made_up: Cluster, number: str) -> str:
    return wait_for(lambda: ended(made_up, number), f"the end of job {number}", seconds=LONG)


def records(campaign: Campaign) -> Records:
    found = [json.loads(file.read_text()) for file in campaign.out.glob("launches/*/*/*/record.json")]
    return {(record["engine"], record["block"]): record for record in found}


def hosts(campaign: Campaign, *blocks: int) -> set[str]:
    """Where blocks were measured, as their launches tell."""
    return {record["host"]["hostname"] for (_, of), record in records(campaign).items() if of in blocks}


def pairs(campaign: Campaign) -> set[int]:
    """Blocks that are pairs in the comparisons that the analysis makes of the records."""
    out = campaign.out
    plan, raw = f"--plan={out / 'plan.json'}", []
    for engine in (entry["name"] for entry in json.loads((out / "plan.json").read_text())["engines"]):
        raw.append(str(out / "raw_data" / f"{engine}.json"))
        launches = f"--launches={out / 'launches' / engine}"
        assert collect([plan, "--engine", engine, launches, "--out", raw[-1]]) == 0
    table, statistics = out / "analysis" / "iterations.parquet", out / "analysis" / "statistical_summary.json"
    assert tabulate(["--raw", *raw, "--outlier-threshold=3.5", f"--out={table}"]) == 0
    words = ["--raw", *raw, f"--iterations={table}", "--looks", str(out / "looks.json"), f"--out={statistics}"]
    assert summarise([plan, *words]) == 0
    return paired(statistics)


def paired(statistics: Path) -> set[int]:
    """Numbers of blocks in the primary comparisons of an analysis."""
    comparisons = json.loads(statistics.read_text())["comparisons"]
    return {one["launches"]["blocks"] for one in comparisons if one["kind"] == "primary"}


def in_blocks(campaign: Campaign, *words: str) -> Finished:
    return campaign.snakemake("launches", *BLOCKS, *words, cores=2)


def first_record(campaign: Campaign) -> Records:
    wait_for(lambda: records(campaign), "the first record", seconds=LONG)
    return records(campaign)


def assert_whole(campaign: Campaign, before: Records) -> Records:
    """All have records, those of before are as they were, nothing is owed, and blocks of one boot are pairs."""
    after = records(campaign)
    assert after.keys() == ALL
    assert campaign.owed("launches").get("run_launch", 0) == 0
    assert {key: after[key] for key in before} == before
    assert {record["status"] for record in after.values()} == {"ok"}
    boots = {(block, record["host"]["boot_id"]) for (_, block), record in after.items()}
    assert pairs(campaign) == {sum([of for of, _ in boots].count(block) == 1 for block in (1, 2))}
    return after
