"""Measures the machine's own limits once a campaign: memory bandwidth and arithmetic of the cores that engines get.

It holds the machine as a launch does, on the cores and with the threads that engines get. What an engine reaches is
told as a share of these (performance_analysis.json).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.display import plural
from benchmark_runner.environment.machine import MachineFacts
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.cores import Cores, cores_of
from benchmark_runner.launch.machine_lock import lock_path, machine_alone, seconds_left
from benchmark_runner.launch.preflight import busy_processes, take_snapshot
from benchmark_runner.launch.record import utc_now
from benchmark_runner.locks import this_process
from benchmark_runner.monitor.machine import MemoryProbe
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.engine import THREAD_VARIABLES
from benchmark_runner.processes.guard import guarded
from benchmark_runner.processes.watch import Watch
from benchmark_runner.records.whole import is_cut

SCHEMA_VERSION: Final = 1
"""calibration.json: 1 is the first format."""


def machine_here() -> dict[str, Any]:
    """What another machine would not share."""
    cpu = MachineFacts(Path("/")).cpu()
    return {"hostname": os.uname().nodename, "cpu": cpu["model"], "available_cores": cpu["available_cores"]}


def is_elsewhere(path: Path) -> bool:
    """Whether a calibration is there that another machine made; one that was cut is made again anyway."""
    return path.is_file() and not is_cut(path) and read_json(path).get("machine") != machine_here()


def measured(cores: Cores, seconds: float, look: Callable[[], None]) -> dict[str, Any]:
    """Rates on the engine's cores, and the processes that computed beside; look is called after each repeat."""
    os.environ |= dict.fromkeys(THREAD_VARIABLES, str(cores.threads))
    os.sched_setaffinity(0, cores.engine)
    from benchmark_runner.performance.kernels import measure  # BLAS reads the variables when it is loaded

    sample: dict[str, Any] = {}
    MemoryProbe().read(sample)
    before = take_snapshot()
    found = measure(seconds, min(sample["memory_available_bytes"], read_quota().memory_bytes or sys.maxsize), look)
    return found | {"busy_processes": busy_processes(before, take_snapshot(), {os.getpid()})}


@contextmanager
def machine_held(system: Mapping[str, Any], watch: Watch) -> Iterator[str]:
    """Measure alone on the machine as a launch does, after the cool-down; gives when that began."""

    def tell(holder: str) -> None:
        print(f"waiting for {holder}, which measures", flush=True)

    with machine_alone(lock_path(os.environ, os.getuid()), this_process(), watch, tell) as last_end:
        watch.pause(seconds_left(system["cool_down_seconds"], last_end, time.time()))
        yield utc_now()


def calibrate(system: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    """Content of calibration.json; waits until no launch measures and the cool-down is over."""
    machine, cores = machine_here(), cores_of(system)
    with machine_held(system, watch) as begin:
        found = measured(cores, system["calibration_seconds"], lambda: watch.pause(0))
    return {
        "schema_version": SCHEMA_VERSION,
        "measured_at": begin,
        "machine": machine,
        "threads": cores.threads,
        "cores": cores.engine,
        **found,
    }


def main(argv: Sequence[str]) -> int:
    """Measure memory bandwidth and arithmetic of the cores that engines get."""
    arguments = command("performance.calibrate", __doc__, "config", out="calibration.json").parse_args(argv)
    found = calibrate(read_json(arguments.config)["config"]["system"], Watch())
    write_json(arguments.out, found)
    rate, flop = found["bandwidth_bytes_per_s"], found["flop_per_s"]
    threads = plural(found["threads"], "thread")
    print(
        f"{threads} read {rate['point'] / 1e9:.3g} GB/s of memory (median of {rate['repeats']}) and "
        f"compute {flop['point'] / 1e9:.3g} GFLOP/s (median of {flop['repeats']})"
    )
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(guarded(lambda: exit_status(main, sys.argv[1:])))
