"""What a launch keeps of itself: its record, all fields from the start (record.schema.yaml), and its log."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmark_runner.launch.inputs import LaunchInputs
from benchmark_runner.model.formats import format_of
from benchmark_runner.processes.engine import EngineExit
from benchmark_runner.processes.files import HeldFile
from benchmark_runner.status import Status
from benchmark_runner.terminal import visible

SCHEMA_VERSION: Final = 1
"""1: the first format."""

MEASURE_VERSION: Final = 3
"""Says by which protocol a launch was measured; goes up when records made before and after a change must not be pooled.

1: one engine process a launch, monitor beside it, times by the engine on CLOCK_MONOTONIC.
2: the engine's folder and the padding of its environment are drawn for each launch.
3: energy rises evenly between the samples that saw its counter renewed, and a counter that stands tells none.
"""

Record = dict[str, Any]

TIMING_PARTS: Final = (
    "read_ms",
    "machine_wait_ms",
    "cool_down_ms",
    "thermal_wait_ms",
    "preflight_ms",
    "monitor_start_ms",
    "engine_ms",
    "cleanup_ms",
    "monitor_stop_ms",
    "record_ms",
    "total_ms",
)


class Stopwatch:
    """Times of a launch's parts; a part that did not happen took 0 ms."""

    def __init__(self) -> None:
        self.started_ns = time.monotonic_ns()
        self.parts: dict[str, float] = dict.fromkeys(TIMING_PARTS, 0.0)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a part."""
        begin_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self.parts[name] = round(self.parts[name] + (time.monotonic_ns() - begin_ns) / 1e6, 3)

    def total(self) -> int:
        """Set the total and give back the present time, CLOCK_MONOTONIC nanoseconds."""
        now_ns = time.monotonic_ns()
        self.parts["total_ms"] = round((now_ns - self.started_ns) / 1e6, 3)
        return now_ns


def utc_now() -> str:
    """Now, as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_id() -> str:
    """The kernel's name for this boot: monotonic times compare within one boot only."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def describe_model(inputs: LaunchInputs) -> dict[str, Any]:
    """Which model was measured, and with which files: the hashes are those of what the engine was told to open."""
    opened = inputs.derived.manifest if inputs.derived else inputs.manifest
    files = {name: entry["sha256"] for name, entry in opened["files"].items()}
    return {
        "name": inputs.manifest["name"],
        "identity": inputs.manifest["identity"],
        "weights_sha256": files.get(inputs.weights),
        "weights_format": format_of(inputs.engine),
        "converter": inputs.derived.manifest["converter"] if inputs.derived else None,
        "vocab_size": inputs.vocab_size,
        "files": files,
    }


def describe_client(ended: EngineExit, cores: Sequence[int]) -> dict[str, Any]:
    """The record's field `client`."""
    return {"exit": ended.describe(), "usage": ended.usage._asdict(), "cores": list(cores)}


def new_record(inputs: LaunchInputs, attempt: int, stopwatch: Stopwatch) -> Record:
    """Record of a launch of which nothing is known but what it is; status and attempt stand near the file's start."""
    return {
        "schema_version": SCHEMA_VERSION,
        "measure_version": MEASURE_VERSION,
        "identity": inputs.place["identity"],
        "engine": inputs.engine["name"],
        "control_of": inputs.engine["control_of"],
        "workload": inputs.workload["name"],
        **({"not_asked": inputs.not_asked} if inputs.not_asked else {}),
        "block": inputs.place["block"],
        "position": inputs.place["position"],
        **({"pilot": True} if inputs.plan.get("campaign", {}).get("pilot") else {}),
        "attempt": attempt,
        "status": Status.INTERRUPTED,
        "reason": None,
        "remedy": None,
        "started_at": utc_now(),
        "ended_at": None,
        "started_ns": stopwatch.started_ns,
        "ended_ns": None,
        "host": {"hostname": os.uname().nodename, "boot_id": boot_id()},
        "spec": None,
        "hello": None,
        "load": None,
        "iterations": [],
        "error": None,
        "engine_exit": None,
        "engine_window": None,
        "engine_usage": None,
        "engine_environment": None,
        "drawn": None,
        "monitor": None,
        "machine_before": None,
        "machine_after": None,
        "affinity": None,
        "threads": None,
        "device": None,
        "gpu": None,
        "build": inputs.build,
        "model": describe_model(inputs),
        "prompts_sha256": inputs.prompts_sha256,
        "warnings": [],
        "timing": stopwatch.parts,
    }


def out_of_memory_kills() -> int:
    """Processes that the kernel's out-of-memory killer has ended since boot; 0 where the kernel does not count them."""
    with open("/proc/vmstat", "rb") as file:  # noqa: PTH123 - one small read, no path object needed
        for line in file:
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


WRITTEN: Final = ("events.jsonl", "metrics.jsonl", "engine.log")
"""What a launch always leaves beside its record."""


def touch_outputs(folder: Path) -> None:
    """Make the files that a launch always leaves, where it did not come to write them."""
    for name in WRITTEN:
        if not os.path.lexists(folder / name):
            (folder / name).touch()


class Log(HeldFile):
    """The launch's log, a line a step with the time; the monitor complains in it too. A full disk loses lines alone."""

    def add(self, message: str) -> None:
        """Add one line."""
        with contextlib.suppress(OSError):
            os.write(self.descriptor, f"{utc_now()} {visible(message)}\n".encode())


@contextlib.contextmanager
def opened_log(path: Path) -> Iterator[Log]:
    """The log, put back at the end where the engine took it away; an error that ends the launch stands in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = Log(path)
    try:
        yield log
    except BaseException as error:
        log.add(f"error: {error}")
        raise
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            log.put_at(path)
        log.close()
