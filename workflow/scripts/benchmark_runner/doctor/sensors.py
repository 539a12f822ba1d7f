"""What the monitor can read here: the GPU, hardware counters, energy, temperatures, frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.display import ABSENT, bytes_text, plural
from benchmark_runner.doctor.finding import PHYSICAL_MACHINE, Finding, Lack
from benchmark_runner.environment.machine import NO_DRIVER_REMEDY, gpu_name
from benchmark_runner.monitor.counters import COUNTERS
from benchmark_runner.monitor.gpu import GPU_VALUES, HIDDEN
from benchmark_runner.monitor.machine import PACKAGE_ENERGY

GPU_FACTS: Final = ("name", "memory_bytes", "compute_capability", "power_limit_watts", "persistence_mode")
DRIVER_FACTS: Final = ("driver_version", "cuda_driver_version")
TEMPERATURE: Final = "cpu_temperature_celsius"
FREQUENCY: Final = "cpu_frequency_mhz_per_core"


def _remedy(reason: str) -> str:
    """What to do about a reading: the readers' reasons name a command where one helps."""
    if "`" in reason:
        return "run the command that the reason names"
    if "container" in reason:
        return "start the container with what the reason names"
    return PHYSICAL_MACHINE


def no_gpu(reason: str) -> Finding:
    """The finding where no GPU can be opened."""
    remedy = f"{NO_DRIVER_REMEDY}; a machine without an NVIDIA GPU compares the CPU paths"
    if reason == HIDDEN:
        remedy = "name a GPU that CUDA_VISIBLE_DEVICES gives in system.gpu_device, or set that variable"
    if reason.startswith("GPU "):  # the driver is there, and refuses this one
        remedy = "set system.gpu_device to a GPU that nvidia-smi lists"
    cost = "every engine computes on the CPU; no record holds utilisation, memory, power or clocks of a GPU"
    return Finding.missing("gpu", "GPU", (*GPU_FACTS, *DRIVER_FACTS, *GPU_VALUES), Lack(reason, cost, remedy))


def _gpu_lacks(
    device: Mapping[str, Any], readings: Mapping[str, Any], unread: Mapping[str, str], weights_bytes: int | None
) -> list[Lack]:
    lacks = []
    if unread:
        names = ", ".join(name.removeprefix("gpu_") for name in unread)
        reason = "; ".join(sorted(set(unread.values())))
        lacks.append(Lack(f"{names}: {reason}", "they are absent from every record", PHYSICAL_MACHINE))
    if device["persistence_mode"] is False:
        cost = "the driver lets go of the GPU between launches, and load times hold its return"
        lacks.append(Lack("persistence mode is off", cost, "`sudo nvidia-smi -pm 1`"))
    if held := readings.get("gpu_throttle_reasons"):
        cost = "engines are measured on clocks that are held down"
        lacks.append(Lack(f"clocks are held down: {', '.join(held)}", cost, "let it cool, or raise its power limit"))
    if weights_bytes is not None and device["memory_bytes"] is not None and weights_bytes > device["memory_bytes"]:
        reason = f"the model's weights take {bytes_text(weights_bytes)}, more than the GPU's memory"
        lacks.append(Lack(reason, "engines that load all of it onto the GPU fail", "measure a smaller model"))
    return lacks


def gpu(
    facts: Mapping[str, Any],
    device: Mapping[str, Any],
    readings: Mapping[str, Any],
    unread: Mapping[str, str],
    weights_bytes: int | None,
) -> Finding:
    """The GPU that launches would use: its facts, each reading now, and which readings it refuses."""
    values = {name: device[name] for name in GPU_FACTS} | {name: facts[name] for name in DRIVER_FACTS}
    values |= {name: readings.get(name) for name in GPU_VALUES}
    reasons = {**facts["absent"], **device["absent"], **unread}
    absent = {
        name: reasons.get(name, "the driver did not answer just now") for name, value in values.items() if value is None
    }
    untold = [name for name in (*GPU_FACTS, *DRIVER_FACTS) if values[name] is None]
    found = f"{gpu_name(device)}, {bytes_text(device['memory_bytes'])}, driver {facts['driver_version'] or ABSENT}"
    if len(facts["devices"]) > 1:
        found += f" (number {device['index']} of {plural(len(facts['devices']), 'GPU')})"
    lacks = _gpu_lacks(device, readings, {**{name: absent[name] for name in untold}, **unread}, weights_bytes)
    return Finding("gpu", "GPU", found, values=values, absent=absent, lacks=lacks)


def counters(absent: Mapping[str, str]) -> Finding:
    """Hardware counters, by what CounterProbe cannot open."""
    values = {name: None if name in absent else True for name in COUNTERS}
    there = [name for name in COUNTERS if name not in absent]
    reason = "; ".join(dict.fromkeys(absent.values()))
    cost = "no instructions and cycles a token: a difference can be seen, but not told apart into work and stalls"
    lacks = [Lack(reason, cost, _remedy(reason))] if absent else []
    found = ", ".join(there) or None
    return Finding("counters", "Hardware counters", found, values=values, absent=absent, lacks=lacks)


def package_energy(absent: Mapping[str, str]) -> Finding:
    """Energy of the processor packages, by what PackageEnergyProbe cannot read."""
    if not absent:
        return Finding("package_energy", "Energy of the processor", "RAPL", values={PACKAGE_ENERGY: True})
    reason = absent[PACKAGE_ENERGY]
    cost = "no energy a token on the CPU; cost figures take power from the price that you state"
    lack = Lack(reason, cost, _remedy(reason))
    return Finding.missing("package_energy", "Energy of the processor", [PACKAGE_ENERGY], lack)


def temperature(sample: Mapping[str, Any], absent: Mapping[str, str]) -> Finding:
    """Temperature of the processor, by a sample of TemperatureProbe."""
    celsius = sample.get(TEMPERATURE)
    if celsius is not None:
        return Finding("temperature", "Temperature", f"{celsius:g} °C now", values={TEMPERATURE: celsius})
    reason = absent.get(TEMPERATURE, "the sensor did not answer just now")
    cost = "system.thermal_limit_celsius guards the GPU at most, and a hot processor is not told from a slow engine"
    return Finding.missing("temperature", "Temperature", [TEMPERATURE], Lack(reason, cost, _remedy(reason)))


def frequency(sample: Mapping[str, Any], absent: Mapping[str, str]) -> Finding:
    """Present clock of the cores, by a sample of FrequencyProbe."""
    clocks_mhz = sample.get(FREQUENCY)
    if clocks_mhz is not None:
        found = f"{min(clocks_mhz)} to {max(clocks_mhz)} MHz now"
        return Finding("frequency", "Clock of the processor", found, values={FREQUENCY: clocks_mhz})
    reason = absent[FREQUENCY]
    lack = Lack(reason, "a core that slows down while an engine runs goes unseen", _remedy(reason))
    return Finding.missing("frequency", "Clock of the processor", [FREQUENCY], lack)
