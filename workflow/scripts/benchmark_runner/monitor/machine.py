"""The machine's cores, frequencies, temperatures, memory and energy, from /proc and /sys."""

from __future__ import annotations

import glob
import os
from typing import Final, NamedTuple

from benchmark_runner.monitor.probe import KernelFile, Sample, open_kernel_file
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.procfs import TICKS_PER_SECOND

# Drivers of processor sensors, as hwmon and thermal zones call them; others are disks, boards, batteries.
CPU_HWMON_NAMES: Final = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})
CPU_ZONE_TYPES: Final = ("x86_pkg_temp", "cpu", "soc")
# One sensor a package says enough; a read of each core's interrupts that core.
PACKAGE_LABELS: Final = ("Package", "Tctl", "Tdie")
PACKAGE_ENERGY: Final = "package_energy_joules"


class CoreTimes(NamedTuple):
    """Time since boot that a core was busy, was idle, and was taken by the hypervisor; in ticks."""

    busy: int
    idle: int
    stolen: int


def parse_core_times(text: bytes) -> dict[int, CoreTimes]:
    """Times of each core from /proc/stat; guest time is contained in user time already."""
    times = {}
    for line in text.split(b"\n"):
        if not line.startswith(b"cpu") or line.startswith(b"cpu "):
            continue
        fields = line.split()
        user, nice, system, idle, waiting, irq, soft_irq, stolen = (int(field) for field in fields[1:9])
        times[int(fields[0][3:])] = CoreTimes(user + nice + system + irq + soft_irq, idle + waiting, stolen)
    return times


def busy_percent(before: CoreTimes, after: CoreTimes) -> float:
    """Share of the time between two readings that the core was busy."""
    busy, idle, stolen = (now - then for now, then in zip(after, before, strict=True))
    total = busy + idle + stolen
    return round(100.0 * busy / total, 1) if total > 0 else 0.0


class CoresProbe:
    """Utilisation of each core of .cores since the sample before, and the machine's busy time since boot."""

    def __init__(self) -> None:
        self.absent: dict[str, str] = {}
        self._file = KernelFile("/proc/stat")
        self._before = parse_core_times(self._file.read())
        self.cores = list(self._before)

    def read(self, sample: Sample) -> None:
        """Adds cpu_percent_per_core (100 = that core), machine_cpu_percent (100 = all cores) and cumulative times."""
        now = parse_core_times(self._file.read())
        shares = [busy_percent(self._before[core], now.get(core, self._before[core])) for core in self.cores]
        sample["cpu_percent_per_core"] = shares
        sample["machine_cpu_percent"] = round(sum(shares) / len(shares), 1)
        sample["machine_busy_seconds"] = sum(times.busy for times in now.values()) / TICKS_PER_SECOND
        sample["machine_stolen_seconds"] = sum(times.stolen for times in now.values()) / TICKS_PER_SECOND
        self._before.update(now)


class FrequencyProbe:
    """Present frequency of each core given, where the kernel has a driver that knows it."""

    def __init__(self, cores: list[int], system_root: str = "/sys") -> None:
        paths = [f"{system_root}/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq" for core in cores]
        self._files = [file for file in map(open_kernel_file, paths) if file is not None]
        # All or none: the values are told apart by their place in the list.
        if len(self._files) < len(cores) or None in self._values_mhz():
            self._files = []
        reason = "the kernel has no cpufreq driver here, as is usual in a virtual machine"
        self.absent = {} if self._files else {"cpu_frequency_mhz_per_core": reason}

    def _values_mhz(self) -> list[int | None]:
        found = (file.number() for file in self._files)
        return [None if value is None else round(value / 1000) for value in found]

    def read(self, sample: Sample) -> None:
        """Adds cpu_frequency_mhz_per_core, unless a core does not tell it now."""
        values = self._values_mhz()
        if values and None not in values:
            sample["cpu_frequency_mhz_per_core"] = values


def _label(path: str, fallback: str) -> str:
    file = open_kernel_file(path)
    return file.read().decode().strip() if file is not None else fallback


def cpu_sensors(system_root: str = "/sys") -> dict[str, KernelFile]:
    """Temperature files of the processor by label: hwmon's packages, else hwmon's cores, else thermal zones."""
    found: dict[str, KernelFile] = {}
    for path in sorted(glob.glob(f"{system_root}/class/hwmon/hwmon*/temp*_input")):  # noqa: PTH207
        folder = os.path.dirname(path)  # noqa: PTH120
        driver = _label(f"{folder}/name", "")
        file = open_kernel_file(path) if driver in CPU_HWMON_NAMES else None
        if file is not None:
            index = path[len(folder) + 1 : -len("_input")]
            name = f"{driver} {_label(f'{folder}/{index}_label', index)}"
            found[name if name not in found else f"{name} {folder[-1]}"] = file
    packages = {name: file for name, file in found.items() if any(word in name for word in PACKAGE_LABELS)}
    if packages or found:
        return packages or found
    for path in sorted(glob.glob(f"{system_root}/class/thermal/thermal_zone*/temp")):  # noqa: PTH207
        kind = _label(path[: -len("temp")] + "type", "")
        file = open_kernel_file(path) if kind.lower().startswith(CPU_ZONE_TYPES) else None
        if file is not None:
            found[f"{kind} {path.split('thermal_zone')[1].split('/')[0]}"] = file
    return found


class TemperatureProbe:
    """Temperatures of the processor's packages."""

    def __init__(self, sensors: dict[str, KernelFile] | None = None) -> None:
        self._sensors = cpu_sensors() if sensors is None else sensors
        reason = "the kernel shows no processor temperature here, as is usual in a virtual machine"
        self.absent = {} if self._sensors else {"temperatures_celsius": reason, "cpu_temperature_celsius": reason}

    def read(self, sample: Sample) -> None:
        """Adds temperatures_celsius by sensor and cpu_temperature_celsius, the highest of them."""
        found = {name: file.number() for name, file in self._sensors.items()}
        values = {name: value / 1000 for name, value in found.items() if value is not None}
        if values:
            sample["temperatures_celsius"] = values
            sample["cpu_temperature_celsius"] = max(values.values())


def parse_memory(text: bytes) -> dict[str, int]:
    """Bytes by name from /proc/meminfo."""
    lines = (line.split() for line in text.split(b"\n"))
    return {fields[0][:-1].decode(): int(fields[1]) * 1024 for fields in lines if len(fields) == 3}


class MemoryProbe:
    """Memory and swap of the machine."""

    def __init__(self) -> None:
        self.absent: dict[str, str] = {}
        self._file = KernelFile("/proc/meminfo")
        self._quota = read_quota()

    def read(self, sample: Sample) -> None:
        """Adds memory_available_bytes, at most what the control groups leave, and swap_used_bytes."""
        values = parse_memory(self._file.read())
        left_bytes = self._quota.available_bytes
        available_bytes = values["MemAvailable"]
        sample["memory_available_bytes"] = available_bytes if left_bytes is None else min(available_bytes, left_bytes)
        sample["swap_used_bytes"] = values["SwapTotal"] - values["SwapFree"]


def counted_joules(total_joules: float, before_uj: int, now_uj: int, range_uj: int) -> float:
    """Total after a new reading in microjoules of a counter that starts again at 0 past range_uj."""
    step_uj = now_uj - before_uj if now_uj >= before_uj else now_uj + range_uj - before_uj
    return total_joules + step_uj / 1e6


class PackageEnergyProbe:
    """Energy of all processor packages since the monitor began (RAPL; kernel documentation, powercap)."""

    def __init__(self, powercap: str = "/sys/class/powercap") -> None:
        self.absent: dict[str, str] = {}
        self._counters: list[tuple[KernelFile, int]] = []
        self._before_uj: list[int] = []
        self._joules: list[float] = []
        # intel-rapl:0 is a package (AMD's too); intel-rapl:0:1 is a part that the package already contains.
        folders = sorted(path for path in glob.glob(f"{powercap}/intel-rapl:*") if path.count(":") == 1)  # noqa: PTH207
        if not folders:
            self.absent[PACKAGE_ENERGY] = f"{powercap} has no intel-rapl package, as is usual in a virtual machine"
        for folder in folders:
            self._open(folder)
            if self.absent:
                break

    def _open(self, folder: str) -> None:
        path = f"{folder}/energy_uj"
        try:
            counter = KernelFile(path)
            self._before_uj.append(int(counter.read(32)))
            range_uj = int(KernelFile(f"{folder}/max_energy_range_uj").read(32))
        except OSError as error:
            self.absent[PACKAGE_ENERGY] = (
                f"{path}: {os.strerror(error.errno or 0)}; `sudo chmod a+r {path}` makes it readable until a restart"
            )
        except ValueError as error:
            self.absent[PACKAGE_ENERGY] = f"{path}: {error}"
        if self.absent:
            self._counters = []
            return
        self._counters.append((counter, range_uj))
        self._joules.append(0.0)

    def read(self, sample: Sample) -> None:
        """Adds package_energy_joules, cumulative, unless a package does not tell it now."""
        readings = [counter.number() for counter, _ in self._counters]
        for index, now_uj in enumerate(readings):
            if now_uj is not None:
                before_uj, range_uj = self._before_uj[index], self._counters[index][1]
                self._joules[index] = counted_joules(self._joules[index], before_uj, now_uj, range_uj)
                self._before_uj[index] = now_uj
        if readings and None not in readings:
            sample[PACKAGE_ENERGY] = round(sum(self._joules), 6)
