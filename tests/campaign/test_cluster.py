"""What a launch asks a batch system for, and when a call must not begin beside its jobs."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from benchmark_runner.campaign import cluster
from benchmark_runner.campaign.cluster import (
    engine_memory_mb,
    launch_memory_mb,
    launch_minutes,
    require_free,
    require_this_machine,
    working_in,
)
from benchmark_runner.campaign.machine import MachineHere
from benchmark_runner.campaign.planned import PlannedLaunch
from benchmark_runner.environment.__main__ import machine_document
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.machine_lock import VARIABLE
from benchmark_runner.processes.cgroup import MemoryGroup, Quota
from tiny_campaign import SNAKEMAKE

SYSTEM = {
    "launch_timeout_seconds": 600,
    "cool_down_seconds": 30,
    "thermal_limit_celsius": None,
    "device": "cpu",
    "gpu_device": 0,
}


def queue(*rows: tuple[str, str, str, Path], start: str = "2026-01-01T10:00:00") -> str:
    return "".join(
        "|".join((number, state, start, comment, str(folder))) + "\n" for number, state, comment, folder in rows
    )


def numbers(folder: Path, text: str, own: str | None = None) -> list[str]:
    return [job.number for job in working_in(folder, text, own)]


def test_jobs_that_a_killed_snakemake_left_are_found_by_their_folder(tmp_path):
    text = queue(
        ("7", "PENDING", "rule_block_2_run_launch", tmp_path),
        ("8", "RUNNING", "rule_block_1_run_launch", tmp_path),
        ("9", "RUNNING", "rule_block_1_run_launch", tmp_path / "other"),
        ("10", "RUNNING", "(null)", tmp_path),
    )
    assert numbers(tmp_path, text) == ["7", "8"]


def test_a_folder_with_a_link_or_a_bar_in_its_name_is_the_same_folder(tmp_path):
    folder, link = tmp_path / "a|b", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    assert numbers(link, queue(("7", "RUNNING", "rule_block_1_run_launch", folder))) == ["7"]


def test_a_campaign_in_an_allocation_is_at_work_but_neither_itself_nor_the_one_that_waits_behind_it(tmp_path):
    text = queue(
        ("7", "RUNNING", "benchmark-runner", tmp_path),
        ("8", "PENDING", "benchmark-runner", tmp_path),
        ("9", "COMPLETING", "benchmark-runner", tmp_path),
    )
    assert numbers(tmp_path, text) == ["7"]
    assert numbers(tmp_path, text, own="7") == []


def test_of_two_calls_in_allocations_of_one_folder_the_one_that_began_first_goes_on(tmp_path):
    def began(number: str, start: str) -> str:
        return queue((number, "RUNNING", "benchmark-runner", tmp_path), start=start)

    late, early = began("7", "2026-01-01T10:00:05"), began("8", "2026-01-01T10:00:00")
    assert (numbers(tmp_path, late + early, own="8"), numbers(tmp_path, late + early, own="7")) == ([], ["8"])
    at_once = began("9", "2026-01-01T10:00:00") + began("10", "2026-01-01T10:00:00")
    assert (numbers(tmp_path, at_once, own="9"), numbers(tmp_path, at_once, own="10")) == ([], ["9"])


def campaign(device: str = "cpu", owed: int = 1, folder: Path = Path("nowhere")) -> SimpleNamespace:
    launches = [PlannedLaunch(n, n, "x", "w", "0", str(folder)) for n in (1, 2, 3)]
    return SimpleNamespace(
        config={"system": SYSTEM | {"device": device}},
        engines={"x": SimpleNamespace(build_device="cuda")},
        launches=launches,
        owed_launches={launch.key: launch for launch in launches[len(launches) - owed :]},
        output_dir=str(folder),
    )


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Puts a squeue on the PATH that does what a line of shell says."""

    def put(line: str) -> None:
        program = tmp_path / "bin" / "squeue"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return put


def test_a_call_beside_jobs_of_its_folder_is_refused_with_how_to_cancel_them(squeue, tmp_path):
    squeue(f"echo '41|RUNNING|-|rule_block_1_run_launch|{tmp_path}'; echo '42|PENDING|-|rule_block_2|{tmp_path}'")
    with pytest.raises(BenchmarkError, match="wait until they have ended, or cancel them: scancel 41 42"):
        require_free(campaign(), False)


def test_a_queue_that_does_not_answer_is_needed_only_where_launches_run_on_other_machines(squeue):
    squeue("echo 'no controller' >&2; exit 1")
    require_free(campaign(), False)
    with pytest.raises(BenchmarkError, match=r"squeue does not tell .* \(no controller\)"):
        require_free(campaign(), True)


def test_without_a_squeue_another_batch_system_runs_launches_and_a_job_of_slurm_must_ask(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    require_free(campaign(), True)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(BenchmarkError, match="squeue does not tell"):
        require_free(campaign(), False)


def test_what_was_measured_on_a_gpu_under_auto_does_not_go_on_without_one(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(cluster, "this_machine", lambda _: MachineHere((0,), "no driver"))
    begun = campaign("auto", folder=tmp_path)
    record, failed = (Path(launch.record) for launch in begun.launches[:2])
    for one in (record, failed):
        one.parent.mkdir(parents=True)
    failed.write_text(json.dumps({"device": None}))  # it ended before it had loaded, and hides none that did
    for device, is_refused in (("cuda:0", True), ("cpu", False), (None, False)):
        record.write_text(json.dumps({"device": device}))
        with pytest.raises(BenchmarkError, match=r"stays cuda for x.*no driver") if is_refused else nullcontext():
            require_this_machine(begun)
    record.write_text(json.dumps({"device": "cuda:0"}))
    require_this_machine(campaign("auto", owed=0, folder=tmp_path))
    monkeypatch.setattr(cluster, "this_machine", lambda _: MachineHere((0,), None))
    require_this_machine(begun)


def test_a_lock_that_no_launch_could_hold_is_refused_before_anything_is_built(tmp_path, monkeypatch):
    (everybodys := tmp_path / "shared").mkdir()
    everybodys.chmod(0o777)
    monkeypatch.setenv(VARIABLE, str(everybodys / "measuring"))
    with pytest.raises(BenchmarkError, match=rf"shared is not a folder that you alone may write to.*{VARIABLE}"):
        require_this_machine(campaign(folder=tmp_path))
    require_this_machine(campaign(owed=0, folder=tmp_path))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own" / "measuring"))
    require_this_machine(campaign(folder=tmp_path))


def test_a_device_that_a_machine_finds_by_itself_is_not_guessed_for_others(squeue):
    squeue("true")
    with pytest.raises(BenchmarkError, match=r"system\.device: auto .* --config device=cuda, or device=cpu"):
        require_free(campaign("auto"), True)
    require_free(campaign("auto", owed=0), True)
    require_free(campaign("auto", owed=3), False)
    require_free(campaign("cuda"), True)


def test_a_call_on_a_machine_of_another_kind_than_the_campaigns_first_is_refused(tmp_path):
    first = machine_document(Path("/"))
    (tmp_path / "environment.json").write_text(json.dumps(first) + "\n")
    require_this_machine(campaign(folder=tmp_path))
    with pytest.raises(BenchmarkError, match=r"container: apptainer here, \S+ there"):
        require_this_machine(campaign(folder=tmp_path), "apptainer")
    first["cpu"]["model"] = "Another 9000"
    (tmp_path / "environment.json").write_text(json.dumps(first) + "\n")
    with pytest.raises(BenchmarkError, match=r"processor: .* here, Another 9000 there"):
        require_this_machine(campaign(folder=tmp_path))
    require_this_machine(campaign(owed=0, folder=tmp_path))


def test_a_launch_reserves_more_minutes_than_its_limits_allow_it():
    assert launch_minutes(SYSTEM) == 12  # 600 s, 30 s of cool-down, a minute around
    assert launch_minutes(SYSTEM | {"thermal_limit_celsius": 80}) == 14


def test_a_launch_reserves_the_memory_at_which_it_is_ended_or_what_weights_take(tmp_path):
    assert launch_memory_mb(SYSTEM | {"max_memory_gb": 12}, tmp_path) == 14000
    small = launch_memory_mb(SYSTEM | {"max_memory_gb": None}, tmp_path)
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(16_000_000_000)  # takes no room
    assert small >= 4000
    assert launch_memory_mb(SYSTEM, tmp_path) == 50000


def test_an_engine_is_ended_before_the_batch_system_ends_its_launch():
    limited = SYSTEM | {"max_memory_gb": 12}
    proposed = launch_memory_mb(limited, Path("nowhere"))
    assert engine_memory_mb(limited, proposed, proposed) == 12000
    assert engine_memory_mb(SYSTEM, 0, 6000) == 0
    assert 0 < engine_memory_mb(SYSTEM, 1000, 6000) < 1000


@pytest.mark.parametrize(("group_bytes", "expected_mb"), [(None, 0), (6_000_000_000, 4000), (190_000_000_000, 188_000)])
def test_a_guess_of_what_a_launch_takes_ends_no_engine_but_what_holds_its_job_does(
    monkeypatch, group_bytes, expected_mb
):
    groups = () if group_bytes is None else (MemoryGroup(group_bytes, Path("usage"), Path("statistics")),)
    monkeypatch.setattr(cluster, "read_quota", lambda: Quota(memory=groups))
    assert engine_memory_mb(SYSTEM, 9000, 9000) == expected_mb
    assert engine_memory_mb(SYSTEM, 12000, 9000) == 10000


FAILS = """
rule run_launch:
    output: update("record.json")
    shell: "echo 'of another machine' > {output}; exit 1"
"""


@pytest.mark.workflow
@pytest.mark.parametrize(("profile", "stays"), [("slurm", True), ("slurm-node", True), (None, False)])
def test_a_job_that_fails_on_a_cluster_takes_no_record_away(repository, tmp_path, profile, stays):
    (tmp_path / "Snakefile").write_text(FAILS)
    named = "none"
    if profile:  # without what only Snakemake's plugin for Slurm knows
        content = yaml.safe_load((repository / "profiles" / profile / "config.yaml").read_text())
        kept = {key: value for key, value in content.items() if not key.startswith("slurm-")}
        (folder := tmp_path / profile).mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(kept))
        named = str(folder)
    command = [str(SNAKEMAKE), "--profile", named, "--executor", "local", "--cores", "1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "returned non-zero exit status 1" in result.stderr
    assert (tmp_path / "record.json").is_file() is stays
