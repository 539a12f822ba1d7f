"""A campaign on a batch system: what a launch asks it for, and when a call must not begin beside its jobs."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.campaign.campaign import Campaign
from benchmark_runner.campaign.machine import this_machine
from benchmark_runner.display import BYTES_PER_GB
from benchmark_runner.environment.__main__ import machine_document
from benchmark_runner.environment.kind import require_alike
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json
from benchmark_runner.launch.machine_lock import THERMAL_WAIT_LIMIT_SECONDS, lock_path, require_lock
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.records.whole import is_cut
from benchmark_runner.terminal import printable

OWN_JOB: Final = "SLURM_JOB_ID"

_QUEUE: Final = ("squeue", "--me", "--noheader", "--format=%A|%T|%S|%k|%Z")
"""%A is what SLURM_JOB_ID is, also of an element of a job array."""
_ANSWER_WITHIN_SECONDS: Final = 30
"""Chosen: a busy controller answers in seconds."""

_PLUGIN: Final = "rule_"
"""How the comment of a job begins that Snakemake's plugin has submitted."""
_SCRIPT: Final = "benchmark-runner"
"""Comment of the job that profiles/slurm-node/campaign.sbatch asks for."""
_AT_REST: Final = ("PENDING", "COMPLETING", "CONFIGURING")

_AROUND_A_LAUNCH_SECONDS: Final = 60
"""Chosen: start of Snakemake on the node, start and end of the monitor, what a launch writes."""
_BESIDE_THE_ENGINE_MB: Final = 2000
"""Chosen: Snakemake on the node, the launch's command and its monitor."""
_COPIES_OF_WEIGHTS: Final = 3
"""Chosen: 16 bit weights that are opened as f32 take twice their file, beside the file itself while they are read."""
_LEAST_MB: Final = 4000
"""Chosen: runtimes of engines, and caches of small models."""


class Job(NamedTuple):
    """A job of this user as squeue tells it."""

    number: str
    state: str
    start: str
    """When it began, as text that sorts."""
    comment: str
    folder: str


def _jobs(text: str) -> Iterator[Job]:
    for line in text.splitlines():
        if line.count("|") >= 4:
            yield Job(*line.split("|", 4))


def working_in(folder: Path, text: str, own: str | None) -> list[Job]:
    """Jobs of squeue's text that measure in a folder, or will as the plugin's do; own is the job that asks.

    A campaign.sbatch that waits for its turn begins as this call does, so it is none of them, and one that has begun
    after the job that asks is refused by its own look.
    """
    jobs = list(_jobs(text))
    here = [job for job in jobs if Path(job.folder).resolve() == folder.resolve() and job.number != own]
    asking = next((job for job in jobs if job.number == own), None)

    def is_before(job: Job) -> bool:
        return asking is None or (job.start, int(job.number)) < (asking.start, int(asking.number))

    return [
        job
        for job in here
        if job.comment.startswith(_PLUGIN)
        or (job.comment.startswith(_SCRIPT) and job.state not in _AT_REST and is_before(job))
    ]


def _queue(elsewhere: bool, own: str | None) -> str:
    """What squeue says; nothing where it does not answer, unless its answer is needed: then BenchmarkError.

    Other batch systems have none, and a machine of no cluster neither; own is the job of Slurm that asks."""
    try:
        asked = subprocess.run(_QUEUE, capture_output=True, text=True, check=True, timeout=_ANSWER_WITHIN_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        if own is None and (not elsewhere or isinstance(error, FileNotFoundError)):
            return ""  # no Slurm is in reach, so no job of one is at work
        said = getattr(error, "stderr", None) or str(error)
        raise BenchmarkError(
            f"squeue does not tell whether jobs of this campaign are in the queue ({printable(said.strip())}); run the "
            "same command again when Slurm answers"
        ) from None
    return asked.stdout


def _require_gpu(campaign: Campaign) -> None:
    """Raise BenchmarkError where engines that `auto` has measured on a GPU would go on without one on this machine."""
    system, owed = campaign.config["system"], campaign.owed_launches
    if system["device"] != "auto":
        return
    began: dict[str, list[Path]] = {}
    for launch in campaign.launches:
        if launch.key not in owed and campaign.engines[launch.engine].build_device == "cuda":
            began.setdefault(launch.engine, []).append(Path(launch.record))
    going_on = {launch.engine for launch in owed.values()} & began.keys()
    if not going_on or (reason := this_machine(system).gpu_absent_reason) is None:
        return
    # One that failed before it had loaded tells no device.
    devices = {name: (device for one in began[name] if (device := read_json(one)["device"])) for name in going_on}
    on_gpu = sorted(name for name, found in devices.items() if next(found, "").startswith("cuda"))
    if on_gpu:
        raise BenchmarkError(
            f"system.device: auto stays cuda for {', '.join(on_gpu)}, as it was when they were measured, and the GPU "
            f"is not here ({reason}); go on where it is, or measure anew: --config device=cpu"
        )


def require_this_machine(campaign: Campaign, container: str | None = None) -> None:
    """Raise BenchmarkError where launches are owed and a call would measure on a machine that the campaign cannot go on
    on: without the GPU that it began with, of another kind than its first, or where its lock cannot be held.

    container is the one that launches are run in, if this process does not run in it itself.
    """
    _require_gpu(campaign)
    if not campaign.owed_launches:
        return
    require_lock(lock_path(os.environ, os.getuid()))
    first = Path(campaign.output_dir, "environment.json")
    if not first.is_file() or is_cut(first):
        return
    here = machine_document(Path("/"))
    if container is not None:
        here["virtualisation"]["container"] = container
    require_alike(here, read_json(first))


def require_free(campaign: Campaign, elsewhere: bool) -> None:
    """Raise BenchmarkError where this call must not begin; elsewhere where its launches run on other machines.

    Jobs of this folder in Slurm's queue, as a killed Snakemake leaves them, would measure beside this call what it owes
    too. What device a machine finds by itself, this one cannot know of others.
    """
    if elsewhere and campaign.config["system"]["device"] == "auto" and campaign.owed_launches:
        raise BenchmarkError(
            "system.device: auto is what a machine finds, and the launches run on others; write what those have: "
            "--config device=cuda, or device=cpu"
        )
    own = os.environ.get(OWN_JOB)
    found = working_in(Path.cwd(), _queue(elsewhere, own), own)
    if found:
        numbers = " ".join(job.number for job in found)
        raise BenchmarkError(
            f"jobs of the campaign in {Path.cwd()} are still in Slurm's queue; wait until they have ended, or cancel "
            f"them: scancel {numbers}"
        )


def launch_minutes(system: Mapping[str, Any]) -> int:
    """Minutes to reserve for a launch: its own limits, so that a batch system never ends one that may go on."""
    waits = system["cool_down_seconds"] + (THERMAL_WAIT_LIMIT_SECONDS if system["thermal_limit_celsius"] else 0.0)
    seconds: float = system["launch_timeout_seconds"] + waits + _AROUND_A_LAUNCH_SECONDS
    return math.ceil(seconds / 60)


def engine_memory_mb(system: Mapping[str, Any], reserved_mb: int, proposed_mb: int) -> int:
    """What an engine may take of a launch's memory on this node; 0 where nothing holds it to a number.

    So it is ended by name before the batch system ends the launch, which would then be owed for ever. What
    launch_memory_mb proposes without system.max_memory_gb is a guess, which ends no engine: what the control group of
    the job has in its place does, where there is one."""
    if system.get("max_memory_gb") is None and reserved_mb == proposed_mb:
        reserved_mb = (read_quota().memory_bytes or 0) // 1_000_000
    return max(reserved_mb - _BESIDE_THE_ENGINE_MB, reserved_mb // 2)


def launch_memory_mb(system: Mapping[str, Any], model_folder: Path) -> int:
    """Megabytes to reserve for a launch: system.max_memory_gb, which ends an engine, or what the weights may take."""
    limit_gb: float | None = system.get("max_memory_gb")
    if limit_gb is not None:
        return math.ceil(limit_gb * BYTES_PER_GB / 1e6) + _BESIDE_THE_ENGINE_MB
    weights_bytes = sum(file.stat().st_size for file in model_folder.glob("*.safetensors"))
    return max(_LEAST_MB, math.ceil(_COPIES_OF_WEIGHTS * weights_bytes / 1e6)) + _BESIDE_THE_ENGINE_MB
