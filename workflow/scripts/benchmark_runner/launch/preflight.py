"""What else uses the machine, before and after an engine runs; warnings are data, not errors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmark_runner.launch.device import CPU, Device
from benchmark_runner.monitor.gpu import Gpu
from benchmark_runner.monitor.machine import MemoryProbe, TemperatureProbe
from benchmark_runner.monitor.probe import Sample
from benchmark_runner.processes.adapter import AdapterRun
from benchmark_runner.processes.cgroup import Quota
from benchmark_runner.processes.procfs import Process, scan
from benchmark_runner.processes.shared_memory import LeftBehind, Shared
from benchmark_runner.protocol.events import EventReport
from benchmark_runner.status import Status
from benchmark_runner.terminal import printable

# Chosen: a fifth of a core is more than an idle desktop uses in one process.
BUSY_PERCENT: Final = 20.0
# Three ticks of the kernel's 10 ms: less is rounding.
BUSY_LEAST_SECONDS: Final = 0.03
# Candle and burn peaked at 2.0 and 2.2 times their f32 weights; with less free memory the machine may swap.
MEMORY_PER_WEIGHTS: Final = 2.2
# Chosen: a tenth of a core over a whole launch is more than the services of an idle system use.
FOREIGN_PERCENT: Final = 10.0

# Chosen: a monitor that is held up for a quarter of a second beyond its interval was not merely late.
GAP_MS: Final = 250.0
# Chosen: the two clocks are read some microseconds apart.
SUSPENDED_MS: Final = 10.0

# Chosen: as many as a line can be read with.
TOLD: Final = 5

REMEDIES: Final = {
    "busy_process": "End them and rerun",
    "client_late": "Leave a core for the client (system.threads, system.cpu_affinity), or lower the level",
    "cores": "Set system.threads and system.cpu_affinity so that the engine's cores are alike and within the control "
    "group's quota, and a physical core is left for the monitor",
    "cores_widened": "Let the adapter leave its CPU affinity as it is",
    "ended_late": "Let the adapter end when it is done",
    "file_replaced": Status.FAILED.remedy,
    "foreign_gpu_process": "End them and rerun",
    "foreign_load": "End what else runs on this machine and rerun",
    "gpu_not_used": "Set system.device: cuda",
    "high_load": "End what else runs on this machine",
    "ids_untold": "Let the adapter tell the ids of each answer, or say in hello that it has none (token_ids: false)",
    "lingering_process": "Let the adapter wait for all that it starts",
    "low_memory": "End other programs or measure a smaller model",
    "server_changed": "Measure all passes of one server; after a change begin in another output_dir",
    "other_model": "Name the model as the answers do (openai_server.model), or start the server with the right one",
    "clock_ahead": "Prove the engine: snakemake conformance; until then take its time to first token with care",
    "prefix_cached": "Switch the engine's prefix cache off",
    "priority_raised": "Let the adapter leave its priority as it is",
    "requests_failed": "See each status in the record and the engine's log; lower the level or raise timeout_seconds",
    "sampling_gap": "End what else runs on this machine and rerun",
    "places_empty": "Let the adapter begin a request as another ends; where the client is late, lower the level",
    "load_sank": "Ask for fewer requests or less time, or for longer answers",
    "shared_memory_left": "Let the adapter free what it shares, also when it is ended",
    "stage_cut": "Lower the level, or ask for fewer requests or less time",
    "stdout_not_empty": "Let the adapter write words to stderr",
    "stolen_time": "Measure on a machine of your own",
    "stopped": "Let the launch run without stopping its processes, and rerun",
    "suspended": "Keep the machine awake (systemd-inhibit) and rerun",
    "threads_exceeded": "Let the adapter hold its thread pools to the threads of the spec",
    "throttled": "Raise the control group's quota, or let fewer threads compute",
    "unkillable_process": "Restart the machine; a driver is likely to hang",
    "usage_differs": "Prove the engine: snakemake conformance; until then take its tokens per second with care",
}
"""What helps against each kind of warning."""

Warnings = Iterator[dict[str, str]]


def warning(kind: str, message: str) -> dict[str, str]:
    """One entry of the record's field `warnings`."""
    return {"kind": kind, "message": message, "remedy": REMEDIES[kind]}


class Snapshot(NamedTuple):
    """The process table at a moment."""

    time_ns: int
    table: dict[int, Process]


def take_snapshot() -> Snapshot:
    """The process table now."""
    return Snapshot(time.monotonic_ns(), scan())


def busy_processes(before: Snapshot, after: Snapshot, ours: Collection[int]) -> list[dict[str, Any]]:
    """Processes not of ours that computed for a good part of the time between the snapshots; the busiest first."""
    seconds = max((after.time_ns - before.time_ns) / 1e9, 1e-9)
    found = []
    for pid, process in after.table.items():
        earlier = before.table.get(pid)
        known = earlier is not None and earlier.start_ticks == process.start_ticks
        used_seconds = process.cpu_seconds - (earlier.cpu_seconds if earlier is not None and known else 0.0)
        percent = 100 * used_seconds / seconds
        if pid not in ours and used_seconds >= BUSY_LEAST_SECONDS and percent >= BUSY_PERCENT:
            found.append({"name": process.name, "cpu_percent": round(percent, 1)})
    return sorted(found, key=lambda entry: -entry["cpu_percent"])


def describe_gpu(device: Device, gpu: Gpu | None) -> dict[str, Any] | None:
    """The record's field `gpu`; None for a launch on the CPU, and where NVML shows no GPU."""
    return gpu.describe() if gpu is not None and device.name != CPU else None


class MachineState:
    """The parts of the machine that a launch looks at itself, opened once."""

    def __init__(self, gpu: Gpu | None) -> None:
        self.gpu = gpu
        self._memory = MemoryProbe()
        self._temperature = TemperatureProbe()

    def celsius(self) -> float | None:
        """The highest temperature of processor and GPU; None where neither can be read."""
        sample: Sample = {}
        self._temperature.read(sample)
        readings = (sample.get("cpu_temperature_celsius"), self.gpu.celsius() if self.gpu is not None else None)
        return max((value for value in readings if value is not None), default=None)

    def state(self, busy: list[dict[str, Any]]) -> dict[str, Any]:
        """The record's field `machine_before` or `machine_after`."""
        sample: Sample = {}
        self._memory.read(sample)
        self._temperature.read(sample)
        return {
            "load_average_1m": round(os.getloadavg()[0], 2),
            "memory_available_bytes": sample["memory_available_bytes"],
            "swap_used_bytes": sample["swap_used_bytes"],
            "cpu_temperature_celsius": sample.get("cpu_temperature_celsius"),
            "foreign_gpu_processes": self._foreign(),
            "busy_processes": busy,
        }

    def _foreign(self) -> list[dict[str, Any]] | None:
        """Processes that hold the GPU; None where the driver does not tell."""
        found = self.gpu.processes() if self.gpu else []
        return None if found is None else [process._asdict() for process in found]


def _listed(busy: list[dict[str, Any]]) -> str:
    return ", ".join(f"{entry['name']} ({entry['cpu_percent']:.0f} % of a core)" for entry in busy)


def warnings_before(
    state: Mapping[str, Any], *, cores: int, weights_bytes: int, when: str = "before the launch"
) -> Warnings:
    """What of the machine's state before a launch can disturb it; when says in words of which moment the state is."""
    if state["foreign_gpu_processes"]:
        names = ", ".join(f"{entry['name']} (pid {entry['pid']})" for entry in state["foreign_gpu_processes"])
        yield warning("foreign_gpu_process", f"other processes hold the GPU: {names}")
    if state["load_average_1m"] > cores:
        yield warning("high_load", f"load average {state['load_average_1m']} on {cores} cores {when}")
    available_bytes, needed_bytes = state["memory_available_bytes"], MEMORY_PER_WEIGHTS * weights_bytes
    if available_bytes < needed_bytes:
        yield warning(
            "low_memory",
            f"{available_bytes / 1e9:.1f} GB of memory are free; engines take up to {needed_bytes / 1e9:.1f} GB "
            "for this model and may be swapped out",
        )
    if state["busy_processes"]:
        yield warning("busy_process", f"other processes computed {when}: {_listed(state['busy_processes'])}")


def warnings_during(monitor: Mapping[str, Any], busy: list[dict[str, Any]]) -> Warnings:
    """What disturbed the engine while it ran, by the monitor's summary and the processes seen after it."""
    percent, stolen = monitor["foreign_cpu_percent_mean"], monitor["stolen_cpu_percent_mean"]
    if percent is not None and percent > FOREIGN_PERCENT:
        names = f" (of those still there: {_listed(busy)})" if busy else ""
        message = f"other processes used {percent:.0f} % of a core while the engine ran{names}"
        yield warning("foreign_load", message)
    if stolen is not None and stolen > FOREIGN_PERCENT:
        message = f"the hypervisor gave {stolen:.0f} % of the processor's time to other machines"
        yield warning("stolen_time", message)


def warnings_of_quota(quota: Quota, throttled_seconds: float) -> Warnings:
    """Pauses that a control group's quota made while the engine ran."""
    if throttled_seconds > 0:
        held_back = f"held the launch back for {throttled_seconds:.3g} s in all"
        yield warning("throttled", f"the CPU quota of {quota.cpus or 0:g} CPUs {held_back}")


def warnings_of_standstill(monitor: Mapping[str, Any], suspended_ms: float) -> Warnings:
    """Whether the engine, the monitor or the machine stood still while the engine ran."""
    for what, stopped_ms in (monitor["stopped_ms"] or {}).items():
        yield warning("stopped", f"{what} was stopped (SIGSTOP, or a debugger) for about {stopped_ms / 1e3:.1f} s")
    gap_ms = monitor["longest_gap_ms"]
    if gap_ms is not None and gap_ms > monitor["interval_ms"] + GAP_MS:
        yield warning(
            "sampling_gap",
            f"the monitor took no sample for {gap_ms / 1e3:.1f} s where one is due every {monitor['interval_ms']} ms: "
            "it, the launch or the machine stood still, or the machine was too busy",
        )
    if suspended_ms > SUSPENDED_MS:
        yield warning("suspended", f"the machine was suspended for {suspended_ms / 1e3:.1f} s while the engine ran")


def warnings_of_conduct(monitor: Mapping[str, Any]) -> Warnings:
    """What the engine took beyond the cores and the priority that it was given."""
    if cores := monitor["cores_beyond_given"]:
        message = f"threads of the engine might run on cores that it was not given: {', '.join(map(str, cores))}"
        yield warning("cores_widened", message)
    if priorities := monitor["priorities_raised"]:
        yield warning("priority_raised", f"threads of the engine raised their priority: {', '.join(priorities)}")


def suspended_ns() -> int:
    """Time since boot in which the machine was suspended: CLOCK_BOOTTIME goes on then, CLOCK_MONOTONIC does not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


def warnings_of_threads(monitor: Mapping[str, Any], load: Mapping[str, Any] | None, allowed: int) -> Warnings:
    """More threads than the spec allows: set up, as the engine says, or computing at once, by the kernel's account."""
    told, busy = load["threads"] if load is not None else 0, monitor["engine_busy_threads"] or 0
    if told > allowed:
        message = f"the engine says that it set up {told} threads where {allowed} are allowed"
        yield warning("threads_exceeded", message)
    if busy > allowed:
        computed = f"{busy} threads of the engine computed at once where {allowed} are allowed"
        yield warning("threads_exceeded", f"{computed}; one that only spins counts too")


def _told(left: Sequence[Shared], tell: Callable[[Shared], str], between: str) -> str:
    """The largest of them; an engine may leave thousands."""
    largest = sorted(left, key=lambda one: -one.size_bytes)
    more = [f"{len(left) - TOLD} more"] if len(left) > TOLD else []
    return between.join([*(printable(tell(one)) for one in largest[:TOLD]), *more])


def warnings_of_shared_memory(left: LeftBehind) -> Warnings:
    """What holds memory though no process uses it any more: the next launches have that much less."""
    if left.removed:
        told = _told(left.removed, str, ", ")
        yield warning("shared_memory_left", f"the engine left shared memory behind, which was removed: {told}")
    if left.unknown:
        size = f"{sum(one.size_bytes for one in left.unknown)} bytes of shared memory"
        words = f"{size} came while the engine ran and nothing uses them now: {_told(left.unknown, str, ', ')}"
        free = _told(left.unknown, lambda one: one.remedy, "; ")
        yield warning("shared_memory_left", f"{words}; unless another program of yours needs it, free it: {free}")


def warnings_of_engine(run: AdapterRun, report: EventReport, *, may_use_gpu: bool, device: str) -> Warnings:
    """What the engine did beside its work."""
    if run.printed_bytes:
        printed = f"the engine printed {run.printed_bytes} bytes on stdout, which the protocol keeps empty"
        yield warning("stdout_not_empty", f"{printed} (see engine.log)")
    if run.cause == "after_done":
        yield warning("ended_late", f"{run.message}; it was ended")
    if run.lingering:
        message = f"the engine left processes running, which were ended: {', '.join(run.lingering)}"
        yield warning("lingering_process", message)
    if run.survivors:
        message = f"processes could not be ended and may disturb what follows: {', '.join(run.survivors)}"
        yield warning("unkillable_process", message)
    usable = report.hello["capabilities"].get("devices", []) if report.hello is not None else []
    if may_use_gpu and device == CPU and "cuda" in usable:
        message = "the engine could have used the GPU, but this workflow did not build it for one: it ran on the CPU"
        yield warning("gpu_not_used", message)
