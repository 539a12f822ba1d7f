"""A campaign until decided through Snakemake: one command, killed twice on its way, comes to its end and stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from benchmark_runner.jsonio import read_json
from tiny_campaign import Campaign, fake

pytestmark = pytest.mark.workflow

WAIT_SECONDS = 240
"""How long the test waits for what must come; nothing is judged by it."""

NEAR = [1.03, 1.02, 1.03, 1.02, 1.01, 1.03, 1.045, 1.015]
"""By block: about 2.5 % slower than `slow`, which four launches do not show and eight do."""


def records(campaign: Campaign, engine: str) -> dict[int, float]:
    """Time of last change of an engine's records, by block."""
    return {
        int(path.parent.name): path.stat().st_mtime for path in campaign.out.glob(f"launches/{engine}/*/*/record.json")
    }


def killed_when(campaign: Campaign, condition) -> None:
    """Start the campaign and kill all of it at once as soon as the condition holds."""
    with (campaign.folder / "said").open("w") as said:
        process = subprocess.Popen(campaign.command(), stdout=said, stderr=said, start_new_session=True)
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None and condition(), (campaign.folder / "said").read_text()
        below = psutil.Process(process.pid).children(recursive=True)
        for one in (*below, process):
            os.kill(one.pid, signal.SIGKILL)
        process.wait()


def looks(campaign: Campaign) -> list[Path]:
    return sorted(campaign.out.glob("until/*.json"))


def test_one_command_goes_on_until_all_is_decided_also_after_kill_9(campaign: Campaign) -> None:
    campaign.config["benchmark"] |= {"launches": {"until": "decided", "at_most": 12}, "allow_underpowered": False}
    campaign.config["engines"].append(fake("slow", per_launch_factor=NEAR) | {"name": "near"})
    campaign.config["workloads"] = [campaign.config["workloads"][0] | {"iterations": 36}]
    campaign.config["analysis"] = {"significance_test": "paired_t", "generate_plots": False}

    killed_when(campaign, lambda: looks(campaign))  # between two groups
    first = records(campaign, "near")
    assert set(first) == {1, 2, 3, 4}
    killed_when(campaign, lambda: 5 in records(campaign, "near"))  # within the second one
    finished = campaign.snakemake()

    assert finished.status == 0, finished.words
    said = "Decided after 8 of at most 12 launches: 20 of 48 launches not needed."
    assert said in finished.words
    assert said in read_json(campaign.out / "summary.json")["summary"]["recommendation"]
    assert {block: records(campaign, "near")[block] for block in first} == first
    assert {name: len(records(campaign, name)) for name in ("slow", "near", "fast", "slow_control")} == {
        "slow": 8,
        "near": 8,
        "fast": 4,
        "slow_control": 8,
    }
    assert [path.name.split(".")[1] for path in looks(campaign)] == ["4", "8"]
    assert set(campaign.owed()) <= {"all"}
