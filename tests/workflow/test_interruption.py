"""kill -9 of any part in mid-campaign: nothing is left running, what was measured stays, the same command finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from benchmark_runner.jsonio import read_json
from benchmark_runner.locks import HeldFolder
from tiny_campaign import Campaign

pytestmark = pytest.mark.workflow

ALL = 8
"""Launches of the campaign: 4 blocks of 2 engines."""

WAIT_SECONDS = 240
"""How long the tests wait for what must come; nothing is judged by it."""


def belonging(campaign: Campaign) -> list[psutil.Process]:
    """Processes that work for the campaign: they have its folder on their command line, or run in it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if str(campaign.folder) in words or process.cwd().startswith(str(campaign.folder)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return [process for process in found if process.pid != os.getpid()]


def wait_for(what, condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"waited {WAIT_SECONDS} s in vain for {what}")


def part_of(campaign: Campaign, word: str) -> psutil.Process | None:
    """The process of a running launch whose command line holds the word, once the engine has begun to generate."""
    for process in belonging(campaign):
        try:
            words = process.cmdline()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if any(word in part for part in words) and not any("snakemake" in part for part in words[1:2]):
            return process
    return None


@contextmanager
def running(campaign: Campaign, *target: str) -> Iterator[subprocess.Popen[bytes]]:
    """A campaign in its third launch or later."""
    log = (campaign.folder / "snakemake.log").open("wb")
    with subprocess.Popen(campaign.command(*target), stdout=log, stderr=subprocess.STDOUT) as snakemake:
        try:
            wait_for("two finished launches", lambda: len(records(campaign)) >= 2)
            yield snakemake
        finally:
            snakemake.kill()
    log.close()


def records(campaign: Campaign) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (campaign.out / "launches").glob("*/*/*/record.json")}


def finish(campaign: Campaign, kept: dict[Path, int], *target: str) -> None:
    """The same command finishes the rest, and what was there stays untouched."""
    result = campaign.snakemake(*target)
    assert result.status == 0, result.words
    after = records(campaign)
    assert len(after) == ALL
    assert {path: after[path] for path in kept} == kept


@pytest.fixture
def slow_campaign(campaign: Campaign) -> Campaign:
    campaign.config["benchmark"] |= {"launches": 4, "control": False}
    campaign.config["workloads"] = campaign.config["workloads"][:1]
    campaign.config["analysis"] = {"generate_plots": False}
    for engine in campaign.config["engines"]:
        engine["options"]["load_ms"] = 300.0
    return campaign


@pytest.mark.parametrize("word", ["benchmark_runner.launch", "benchmark_runner.monitor"])
def test_a_killed_launch_or_monitor_leaves_nothing_and_is_measured_again(slow_campaign, word):
    with running(slow_campaign, "launches") as snakemake:
        victim = wait_for(word, lambda: part_of(slow_campaign, word))
        victim.send_signal(signal.SIGKILL)
        assert snakemake.wait(timeout=4 * WAIT_SECONDS) != 0
        wait_for("the end of all processes", lambda: not belonging(slow_campaign))
        kept = records(slow_campaign)
    assert 2 <= len(kept) < ALL
    finish(slow_campaign, kept, "launches")


def test_a_killed_engine_is_a_failed_launch_and_the_campaign_goes_on(slow_campaign):
    with running(slow_campaign, "launches") as snakemake:
        wait_for("an engine", lambda: part_of(slow_campaign, "fake-engine")).send_signal(signal.SIGKILL)
        assert snakemake.wait(timeout=4 * WAIT_SECONDS) == 0
    wait_for("the end of all processes", lambda: not belonging(slow_campaign))
    read = [read_json(path) for path in records(slow_campaign)]
    assert len(read) == ALL
    (failed,) = [record for record in read if record["status"] != "ok"]
    assert failed["status"] == "failed"
    assert "SIGKILL" in failed["reason"]


def test_a_killed_snakemake_leaves_nothing_running_and_no_lock(slow_campaign):
    with running(slow_campaign) as snakemake:
        wait_for("an engine", lambda: part_of(slow_campaign, "fake-engine"))
        snakemake.send_signal(signal.SIGKILL)
        snakemake.wait(WAIT_SECONDS)
        wait_for("the end of all processes", lambda: not belonging(slow_campaign))
        kept = records(slow_campaign)
    assert 2 <= len(kept) < ALL
    finish(slow_campaign, kept)
    assert (slow_campaign.out / "report.html").is_file()


def test_ctrl_c_leaves_nothing_running_and_loses_nothing(slow_campaign):
    with running(slow_campaign, "launches") as snakemake:
        wait_for("an engine", lambda: part_of(slow_campaign, "fake-engine"))
        snakemake.send_signal(signal.SIGINT)
        assert snakemake.wait(timeout=WAIT_SECONDS) != 0
        wait_for("the end of all processes", lambda: not belonging(slow_campaign))
        kept = records(slow_campaign)
    assert 2 <= len(kept) < ALL
    finish(slow_campaign, kept, "launches")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_at_any_moment_lets_what_runs_end_and_begins_nothing_else(slow_campaign, sent):
    log, command = slow_campaign.folder / "snakemake.log", slow_campaign.command("launches")
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as snakemake:
        # Behind this job Snakemake imports pandas and holds the lock that its own handler would take.
        wait_for("the plan's job", lambda: part_of(slow_campaign, "benchmark_runner.planning.plan"))

        def shuts_down() -> bool:
            snakemake.send_signal(sent)
            return b"Shutting down" in log.read_bytes()

        try:
            wait_for("Snakemake to shut down", shuts_down)
            assert snakemake.wait(timeout=WAIT_SECONDS) != 0
        finally:
            snakemake.kill()
    wait_for("the end of all processes", lambda: not belonging(slow_campaign))
    assert not records(slow_campaign)
    finish(slow_campaign, {}, "launches")


def test_a_second_snakemake_in_the_folder_is_refused(slow_campaign):
    with running(slow_campaign, "launches"):
        second = slow_campaign.snakemake()
    assert second.status != 0
    assert "another Snakemake" in second.words
    wait_for("the end of all processes", lambda: not belonging(slow_campaign))


def test_a_snakemake_whose_lock_is_removed_ends_before_its_next_launch(slow_campaign):
    with running(slow_campaign, "launches") as snakemake:
        (slow_campaign.out / ".benchmark_runner" / "lock").unlink()
        assert snakemake.wait(timeout=WAIT_SECONDS) != 0
        kept = records(slow_campaign)
    words = (slow_campaign.folder / "snakemake.log").read_text(encoding="utf-8")
    assert "lock, by which this Snakemake kept others out, was removed or replaced; it ends here" in words
    wait_for("the end of all processes", lambda: not belonging(slow_campaign))
    assert 2 <= len(kept) < ALL
    finish(slow_campaign, kept, "launches")


def test_who_is_refused_by_slurms_queue_has_not_asked_for_the_lock(slow_campaign, monkeypatch):
    squeue = slow_campaign.folder / "bin" / "squeue"
    squeue.parent.mkdir()
    line = f"41|RUNNING|2026-01-01T10:00:00|benchmark-runner|{slow_campaign.folder}"
    squeue.write_text(f"#!/bin/sh\necho '{line}'\n", encoding="utf-8")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    with closing(HeldFolder(slow_campaign.folder / ".benchmark_runner" / "lock")):
        second = slow_campaign.snakemake("launches")
    assert second.status != 0
    assert "are still in Slurm's queue" in second.words
