"""How the processor is set up: governor, turbo, hardware threads, and a core for the monitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.display import plural
from benchmark_runner.doctor.finding import PHYSICAL_MACHINE, Finding, Lack
from benchmark_runner.environment.machine import NO_CPUFREQ
from benchmark_runner.launch.cores import Cores
from benchmark_runner.processes.cgroup import Quota

STEADY_GOVERNOR: Final = "performance"


def governor(cpu: Mapping[str, Any]) -> Finding:
    """The frequency governor, by the processor's facts of environment.json."""
    name = cpu["governor"]
    if name is None:
        lack = Lack(NO_CPUFREQ, "how the clock follows the load is neither known nor set", PHYSICAL_MACHINE)
        return Finding.missing("governor", "Frequency governor", ["governor"], lack)
    lacks = []
    if name != STEADY_GOVERNOR:
        cost = "clocks rise only after work has begun: short iterations vary more, and more launches are needed"
        lacks.append(Lack(f"it is {name}", cost, f"`sudo cpupower frequency-set -g {STEADY_GOVERNOR}`"))
    return Finding("governor", "Frequency governor", name, values={"governor": name}, lacks=lacks)


def turbo(cpu: Mapping[str, Any]) -> Finding:
    """Turbo or boost, by the processor's facts of environment.json."""
    state = cpu["turbo"]
    if state is None:
        lack = Lack(NO_CPUFREQ, "clocks may follow heat and neighbours, unseen", PHYSICAL_MACHINE)
        return Finding.missing("turbo", "Turbo", ["turbo"], lack)
    lacks = []
    if state == "on":
        cost = "the clock depends on heat and on how many cores work; the balanced random order keeps that out"
        remedy = (
            "leave it on to measure what users get; for steadier figures write 1 to "
            "/sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to /sys/devices/system/cpu/cpufreq/boost"
        )
        lacks.append(Lack("it is on", cost, remedy))
    return Finding("turbo", "Turbo", state, values={"turbo": state}, lacks=lacks)


def hardware_threads(cpu: Mapping[str, Any]) -> Finding:
    """Whether physical cores run two threads, by the processor's facts of environment.json."""
    state, physical, logical = cpu["smt"], cpu["physical_cores"], cpu["logical_cores"]
    values = {"smt": state, "physical_cores": physical, "logical_cores": logical}
    absent = {name: "/proc/cpuinfo does not tell it" for name, value in values.items() if value is None}
    cores = plural(physical or logical, "physical core")
    if state != "on":
        return Finding("smt", "Hardware threads", f"one a core, {cores}", values=values, absent=absent)
    cost = "what runs on the other thread of an engine's core slows it; engines get one thread a physical core"
    lack = Lack("two threads share a core", cost, "`echo off | sudo tee /sys/devices/system/cpu/smt/control`")
    found = f"{plural(logical, 'thread')} on {cores}"
    return Finding("smt", "Hardware threads", found, values=values, absent=absent, lacks=[lack])


NO_QUOTA: Final = Quota()


def division(cores: Cores, quota: Quota = NO_QUOTA, kinds: Mapping[str, list[int]] | None = None) -> Finding:
    """Which cores engine and monitor would get, as a launch divides them, within which quota and of which kinds."""
    values = {
        "engine_cores": cores.engine,
        "monitor_cores": cores.monitor,
        "threads": cores.threads,
        "cpu_quota": quota.cpus,
        "core_kinds": kinds or None,
    }
    absent = {"cpu_quota": "no control group limits it", "core_kinds": "all cores are alike"}
    found = f"engine {_listed(cores.engine)}, monitor {_listed(cores.monitor)}, {plural(cores.threads, 'thread')}"
    found += "" if quota.cpus is None else f", CPU quota {quota.cpus:g}"
    found += "".join(f"; {kind}: {_listed(members)}" for kind, members in (kinds or {}).items())
    cost = "the monitor's samples, threads in turn, slow cores or pauses take time from the engine: all engines alike"
    remedy = (
        "set system.threads and system.cpu_affinity so that the engine's cores are alike and within the quota, and a "
        "physical core is left; a quota below one CPU holds any thread back: raise it"
    )
    lacks = [Lack(note, cost, remedy) for note in cores.notes]
    told = {name: reason for name, reason in absent.items() if values[name] is None}
    return Finding("cores", "Cores of a launch", found, values=values, absent=told, lacks=lacks)


def _listed(cores: list[int]) -> str:
    return f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, cores))}"
