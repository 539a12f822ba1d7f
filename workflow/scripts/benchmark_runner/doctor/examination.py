"""Asks every reader once, and has each answer judged."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.build.adapter import Adapter, find_tool, load_adapter
from benchmark_runner.campaign.campaign import Campaign
from benchmark_runner.configuration.cache import own_cache
from benchmark_runner.display import plural
from benchmark_runner.doctor import load, processor, sensors, tools
from benchmark_runner.doctor.finding import Finding, Lack
from benchmark_runner.environment.machine import MachineFacts, gpu_facts
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import ABSENT
from benchmark_runner.launch import preflight
from benchmark_runner.launch.answering import unreachable
from benchmark_runner.launch.cores import cores_of
from benchmark_runner.launch.device import find_gpu
from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.monitor.counters import CounterProbe
from benchmark_runner.monitor.gpu import Gpu, GpuProbe, call
from benchmark_runner.monitor.machine import CoresProbe, FrequencyProbe, PackageEnergyProbe, TemperatureProbe
from benchmark_runner.monitor.probe import Probe, Sample
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.core_kinds import read_kinds
from benchmark_runner.processes.procfs import ancestors

NOT_LISTED: Final = "NVML does not tell which of the GPUs this one is"
STOLEN: Final = "machine_stolen_seconds"


def _sample_of(probe: Probe) -> Sample:
    sample: Sample = {}
    probe.read(sample)
    return sample


def weights_of(campaign: Campaign) -> tuple[int | None, str]:
    """Bytes of the model's weights, or None and why they are not known."""
    folder = Path(campaign.model.path)
    if not folder.is_dir():
        return None, f"the model is not made yet ({folder})"
    try:
        return read_checkpoint(folder).data_bytes, ""
    except (BenchmarkError, OSError) as error:
        return None, f"the model's weights cannot be read: {error}"


def device_facts(facts: Mapping[str, Any], gpu: Gpu) -> Mapping[str, Any]:
    """The opened GPU's entry among the facts of all; for a part of a GPU (MIG) that of the whole."""
    nvml = gpu.nvml
    index, reason = call(nvml, "nvmlDeviceGetIndex", gpu.handle)
    if reason:
        whole, _ = call(nvml, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", gpu.handle)
        index, _ = call(nvml, "nvmlDeviceGetIndex", whole)
    untold = {
        "index": index,
        **dict.fromkeys(sensors.GPU_FACTS),
        "absent": dict.fromkeys(sensors.GPU_FACTS, NOT_LISTED),
    }
    return next((device for device in facts["devices"] if device["index"] == index), untold)


def examine_gpu(gpu: Gpu | None, gpu_absent: str | None, weights_bytes: int | None) -> Finding:
    """The GPU that a launch would use."""
    if gpu is None:
        return sensors.no_gpu(gpu_absent or "no GPU can be opened")
    facts, no_facts = gpu_facts(gpu.nvml)
    if facts is None:
        return sensors.no_gpu(no_facts or "the driver tells nothing")
    probe = GpuProbe(gpu)
    return sensors.gpu(facts, device_facts(facts, gpu), _sample_of(probe), probe.absent, weights_bytes)


def examine_sensors(cores: CoresProbe) -> list[Finding]:
    """What the monitor reads of the processor."""
    temperature, frequency = TemperatureProbe(), FrequencyProbe(cores.cores)
    return [
        sensors.counters(CounterProbe().absent),
        sensors.package_energy(PackageEnergyProbe().absent),
        sensors.temperature(_sample_of(temperature), temperature.absent),
        sensors.frequency(_sample_of(frequency), frequency.absent),
    ]


def examine_load(
    gpu: Gpu | None, cores: CoresProbe, machine: MachineFacts, weights: tuple[int | None, str], watch_seconds: float
) -> list[Finding]:
    """Other load over the time that is watched, memory and swap at its end."""
    begin, stolen_before = preflight.take_snapshot(), _sample_of(cores)[STOLEN]
    time.sleep(watch_seconds)
    end, stolen_after = preflight.take_snapshot(), _sample_of(cores)[STOLEN]
    elapsed_seconds = (end.time_ns - begin.time_ns) / 1e9
    busy = preflight.busy_processes(begin, end, ancestors(os.getpid()))
    state = preflight.MachineState(gpu).state(busy)
    memory = machine.memory()
    return [
        load.other_load(
            state,
            cores=len(os.sched_getaffinity(0)),
            stolen_percent=100.0 * (stolen_after - stolen_before) / elapsed_seconds,
            has_gpu=gpu is not None,
        ),
        load.memory(state, memory, *weights),
        load.swap(state, memory),
    ]


def examine_tools(adapters: Sequence[Adapter], *, has_gpu: bool) -> list[Finding]:
    """What engines are built with, and the browser of the tests."""
    found = {name: tools.ask_version(find_tool(name)) for name in tools.TITLES}
    return [
        tools.cargo(found["cargo"], adapters),
        tools.c_compiler(found["cc"]),
        tools.cuda_compiler(found["nvcc"], adapters, has_gpu=has_gpu),
        tools.uv(found["uv"], adapters),
        tools.chromium(tools.find_chromium()),
    ]


def examine_brought(campaign: Campaign, adapters: Sequence[Adapter]) -> list[Finding]:
    """The files that users bring for adapters, whether or not the campaign has them."""
    found = []
    for adapter in adapters:
        if adapter.brought is None:
            continue
        engines = [engine for engine in campaign.engines.values() if engine.adapter == adapter.name]
        there = [str(engine.options[adapter.brought.option]) for engine in engines if engine.brought != ABSENT]
        found.append(tools.brought(adapter, adapter.brought, list(dict.fromkeys(there))))
    return found


def examine_servers(campaign: Campaign) -> list[Finding]:
    """The servers that already run: whether each answers a request of one token."""
    found = []
    for engine in campaign.engines.values():
        if engine.is_running and engine.control_of is None:
            check, title = f"server_{re.sub('[^a-z0-9]', '_', engine.name.lower())}", f"Server {engine.name}"
            problem = unreachable(engine.describe())
            cost = "its passes will be unavailable"
            found.append(
                Finding(check, title, f"{engine.binary_path} answers")
                if problem is None
                else Finding(check, title, None, lacks=[Lack(problem[0], cost, problem[1])])
            )
    return found


def configuration(problems: Sequence[str]) -> Finding:
    """Whether a campaign could begin, as far as the configuration goes; each problem is a line with its remedy."""
    if not problems:
        return Finding("configuration", "configuration", "in order")
    return Finding(
        "configuration",
        "configuration",
        f"{plural(len(problems), 'problem')}; the machine is examined for the quick look instead where they matter",
        lacks=[Lack(problem, "no campaign begins", "mend it; `make check` tells what is left") for problem in problems],
    )


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def examine_disk(campaign: Campaign) -> Finding:
    """Free space where results, engines and caches go."""
    folders = {"results": Path(campaign.output_dir), "engines": Path(), "caches": own_cache()}
    free_bytes = {kept: shutil.disk_usage(_existing(folder)).free for kept, folder in folders.items()}
    records = [Path(f"{engine.binary_path}.build.json") for engine in campaign.builds.values()]
    return load.disk(free_bytes, folders, engines_built=all(record.is_file() for record in records))


def examine(campaign: Campaign, watch_seconds: float) -> list[Finding]:
    """All findings, in the order of the table; takes as long as other load is watched, and a second."""
    system = campaign.config["system"]
    gpu, gpu_absent = find_gpu(system)
    machine, cores, weights = MachineFacts(Path("/")), CoresProbe(), weights_of(campaign)
    # First, before the examination itself makes work.
    of_load = examine_load(gpu, cores, machine, weights, watch_seconds)
    cpu = machine.cpu()
    adapters = [load_adapter(path.parent) for path in sorted(campaign.engines_folder.glob("*/adapter.yaml"))]
    return [
        examine_gpu(gpu, gpu_absent, weights[0]),
        *examine_sensors(cores),
        processor.governor(cpu),
        processor.turbo(cpu),
        processor.hardware_threads(cpu),
        processor.division(cores_of(system), read_quota(), read_kinds()),
        *of_load,
        *examine_tools(adapters, has_gpu=gpu is not None),
        *examine_brought(campaign, adapters),
        *examine_servers(campaign),
        examine_disk(campaign),
    ]


def conclusion(findings: Sequence[Finding]) -> str:
    """How many things are there, limited and missing."""
    states = [finding.state for finding in findings]
    counts = {state: states.count(state) for state in ("there", "limited", "missing")}
    return f"{plural(len(findings), 'check')}: " + ", ".join(f"{count} {state}" for state, count in counts.items())
