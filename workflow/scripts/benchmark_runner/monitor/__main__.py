"""`python -m benchmark_runner.monitor`: samples beside one launch and ends the engine if the launch command dies."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.monitor.counters import CounterProbe
from benchmark_runner.monitor.engine_tree import Conduct, EngineProbe
from benchmark_runner.monitor.events_file import EventsFileProbe
from benchmark_runner.monitor.gpu import GPU_VALUES, POWER_VALUES, GpuProbe, open_gpu
from benchmark_runner.monitor.loop import Commands, Loop
from benchmark_runner.monitor.machine import (
    PACKAGE_ENERGY,
    CoresProbe,
    FrequencyProbe,
    MemoryProbe,
    PackageEnergyProbe,
    TemperatureProbe,
)
from benchmark_runner.monitor.probe import SWITCHED_OFF, SWITCHES, Limits, Probe
from benchmark_runner.processes.orphans import Members, end_launch, of_launch

MEMORY_VALUES: Final = frozenset({"memory_available_bytes", "swap_used_bytes", "engine_rss_bytes"})


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.monitor", description=__doc__)
    parser.add_argument("--interval-ms", type=int, required=True, help="time between samples")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.jsonl to write")
    parser.add_argument("--events", type=Path, required=True, help="the engine's events file, whose growth is noted")
    parser.add_argument("--limits", required=True, help="JSON: engine_rss_bytes, temperature_celsius, or null each")
    parser.add_argument("--marker", required=True, help="value of the variable that marks the launch's processes")
    parser.add_argument("--members", type=Path, default=os.devnull, help="file that notes the processes that were seen")
    parser.add_argument("--launch", type=int, help="the launch command, below which all but this monitor belongs to it")
    parser.add_argument("--engine-cores", default="", help="cores that the engine was given; empty: any")
    parser.add_argument("--cores", default="", help="cores to run on, comma-separated; empty: any")
    parser.add_argument("--gpu", default="", help="index or UUID of the GPU to sample; empty: none")
    parser.add_argument("--gpu-absent", default="no GPU was asked for", help="why there is none")
    parser.add_argument("--off", default="", help=f"parts switched off, comma-separated: {', '.join(SWITCHES)}")
    return parser.parse_args(argv)


def gpu_part(selector: str, absent_reason: str, off: frozenset[str]) -> tuple[list[Probe], dict[str, str]]:
    """The GPU's probe, if there is one, and what of it is absent."""
    if "gpu_metrics" in off:
        return [], dict.fromkeys(GPU_VALUES, SWITCHED_OFF.format(key="gpu_metrics"))
    gpu, reason = open_gpu(selector) if selector else (None, absent_reason)
    if gpu is None:
        return [], dict.fromkeys(GPU_VALUES, reason or absent_reason)
    switched_off = POWER_VALUES if "power_monitoring" in off else frozenset()
    probe = GpuProbe(gpu, switched_off, SWITCHED_OFF.format(key="power_monitoring"))
    return [probe], probe.absent


def build_loop(arguments: argparse.Namespace, off: frozenset[str], metrics: TextIO, members: TextIO) -> Loop:
    """All parts that the machine and the configuration allow; writes the first line of metrics.jsonl."""
    cores, counters = CoresProbe(), CounterProbe()
    given = Conduct.given(arguments.engine_cores)
    engine = EngineProbe(Members(members), launch=arguments.launch, spared={os.getpid()}, given=given)
    growth = EventsFileProbe(arguments.events)
    machine: list[Probe] = [cores, FrequencyProbe(cores.cores), TemperatureProbe(), MemoryProbe()]
    probes = [*machine, engine, counters, growth]
    absent = {name: reason for probe in probes for name, reason in probe.absent.items()}
    if "power_monitoring" in off:
        absent[PACKAGE_ENERGY] = SWITCHED_OFF.format(key="power_monitoring")
    else:
        energy = PackageEnergyProbe()
        probes.append(energy)
        absent.update(energy.absent)
    gpu_probes, gpu_absent = gpu_part(arguments.gpu, arguments.gpu_absent, off)
    probes.extend(gpu_probes)
    absent.update(gpu_absent)
    unrecorded = MEMORY_VALUES if "memory_tracking" in off else frozenset()
    absent.update(dict.fromkeys(unrecorded, SWITCHED_OFF.format(key="memory_tracking")))
    limits = Limits(**json.loads(arguments.limits))
    loop = Loop(
        probes,
        engine,
        counters,
        metrics=metrics,
        alerts=sys.stdout,
        interval_ms=arguments.interval_ms,
        limits=limits,
        unrecorded=unrecorded,
    )
    start = {"event": "start", "time_ns": time.monotonic_ns(), "interval_ms": arguments.interval_ms}
    loop.write({**start, "cores": cores.cores, "absent": dict(sorted(absent.items()))})
    return loop


def main(argv: Sequence[str]) -> int:
    """Sample until `stop`; exit 0. Without it (the launch command died) end all that the launch started; exit 1."""
    arguments = parse_arguments(argv)
    off = frozenset(filter(None, arguments.off.split(",")))
    if unknown := off.difference(SWITCHES):
        raise BenchmarkError(f"--off: {', '.join(sorted(unknown))}: not one of {', '.join(SWITCHES)}")
    if arguments.cores:
        os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    loop = None
    told_to_stop = False
    try:
        with (
            arguments.metrics.open("w", encoding="utf-8") as metrics,
            arguments.members.open("a", encoding="ascii", buffering=1) as members,
        ):
            loop = build_loop(arguments, off, metrics, members)
            told_to_stop = loop.run(Commands(sys.stdin.fileno()))
    finally:
        # Also after an error of the monitor's own: an engine that nobody watches must not go on.
        if not told_to_stop:
            pid, seen = (loop.engine.pid, loop.engine.members.seen) if loop is not None else (None, ())
            end_launch(of_launch(pid, arguments.marker, seen))
    return 0 if told_to_stop else 1


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
