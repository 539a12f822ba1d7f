"""Facts of the machine: GPUs from NVIDIA's management library (NVML), all else from /proc and /sys."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pynvml

from benchmark_runner.monitor.gpu import as_text, call, cuda_version, told
from benchmark_runner.processes.cgroup import read_quota
from benchmark_runner.processes.core_kinds import read_kinds

NO_DRIVER_REMEDY: Final = "install the NVIDIA driver and check that nvidia-smi lists the GPU"


def gpu_facts(nvml: Any = pynvml) -> tuple[dict[str, Any] | None, str | None]:
    """(facts, None), or (None, reason) where there is no GPU or no driver; nvml is the module, replaced in tests.

    What the driver or a GPU does not tell is null and stands under its absent with NVML's reason.
    """
    _, reason = call(nvml, "nvmlInit")
    if reason:
        return None, f"no GPU: NVML says {reason}; {NO_DRIVER_REMEDY}"
    try:
        count, reason = call(nvml, "nvmlDeviceGetCount")
        if reason:
            return None, f"the driver does not answer: NVML says {reason}; {NO_DRIVER_REMEDY}"
        if count == 0:
            return None, f"the driver is there and lists no GPU; {NO_DRIVER_REMEDY}"
        facts = told(
            nvml,
            {
                "driver_version": lambda: as_text(nvml.nvmlSystemGetDriverVersion()),
                "cuda_driver_version": lambda: cuda_version(nvml.nvmlSystemGetCudaDriverVersion()),
                "nvml_version": lambda: as_text(nvml.nvmlSystemGetNVMLVersion()),
            },
        )
        return facts | {"devices": [_device(nvml, index) for index in range(count)]}, None
    finally:
        call(nvml, "nvmlShutdown")


def gpu_name(device: Mapping[str, Any]) -> str:
    """Name of an entry of `devices` for people."""
    return str(device["name"] or f"GPU {device['index']} (its name is not told)")


def _device(nvml: Any, index: int) -> dict[str, Any]:
    """One GPU; one that cannot be opened (it is lost) tells nothing but its number."""

    def handle() -> Any:
        return nvml.nvmlDeviceGetHandleByIndex(index)

    return {"index": index} | told(
        nvml,
        {
            "name": lambda: as_text(nvml.nvmlDeviceGetName(handle())),
            "uuid": lambda: as_text(nvml.nvmlDeviceGetUUID(handle())),
            "memory_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle()).total,
            "compute_capability": lambda: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(handle()))),
            "power_limit_watts": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle()) / 1000,
            "clock_sm_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle(), nvml.NVML_CLOCK_SM),
            "clock_memory_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle(), nvml.NVML_CLOCK_MEM),
            "persistence_mode": lambda: bool(nvml.nvmlDeviceGetPersistenceMode(handle())),
            "ecc": lambda: bool(nvml.nvmlDeviceGetEccMode(handle())[0]),
            "mig": lambda: bool(nvml.nvmlDeviceGetMigMode(handle())[0]),
            "vbios": lambda: as_text(nvml.nvmlDeviceGetVbiosVersion(handle())),
            "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle()),
            "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle()),
        },
    )


NO_CPUFREQ: Final = "the kernel has no cpufreq driver here, as is usual in a virtual machine"
NO_DMI: Final = "the kernel shows no DMI tables here, as is usual in a container or a small virtual machine"
KIB_BYTES: Final = 1024
# What runtimes that start no init of their own tell all that they run.
CONTAINER_VARIABLES: Final = {
    "APPTAINER_CONTAINER": "apptainer",
    "SINGULARITY_CONTAINER": "apptainer",
    "CH_RUNNING": "charliecloud",
}
# Names that container runtimes leave in the cgroup path of process 1.
CGROUP_RUNTIMES: Final = {
    "docker": "docker",
    "kubepods": "kubernetes",
    "libpod": "podman",
    "lxc": "lxc",
    "garden": "garden",
}


class MachineFacts:
    """Reader of one machine's files below root ("/" but in tests); collects why a value is absent."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.absent: dict[str, str] = {}

    def _text(self, path: str) -> str | None:
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def _or_absent(self, field: str, value: Any, reason: str) -> Any:
        if value is None:
            self.absent[field] = reason
        return value

    def operating_system(self) -> dict[str, Any]:
        """Distribution, kernel, architecture and C library."""
        release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', self._text("etc/os-release") or "", re.MULTILINE))
        libc_name, libc_version = platform.libc_ver()
        return {
            "name": self._or_absent("operating_system.name", release.get("PRETTY_NAME"), "no /etc/os-release"),
            "kernel": platform.release(),
            "kernel_version": platform.version(),
            "architecture": platform.machine(),
            "c_library": f"{libc_name} {libc_version}".strip() or None,
        }

    def cpu(self) -> dict[str, Any]:
        """Processor: model, flags, microcode, cores, SMT, governor, turbo, frequencies and caches."""
        blocks = [_fields(block) for block in (self._text("proc/cpuinfo") or "").split("\n\n") if block.strip()]
        first = blocks[0] if blocks else {}
        cores = {(block.get("physical id", "0"), block.get("core id", block.get("processor"))) for block in blocks}
        model = first.get("model name") or first.get("Processor") or self._text("proc/device-tree/model")
        return {
            "model": self._or_absent("cpu.model", model, "/proc/cpuinfo does not name the processor"),
            "vendor": first.get("vendor_id") or first.get("CPU implementer"),
            "family": first.get("cpu family"),
            "model_number": first.get("model"),
            "stepping": first.get("stepping"),
            "microcode": self._or_absent("cpu.microcode", first.get("microcode"), "/proc/cpuinfo does not tell it"),
            "sockets": len({block.get("physical id", "0") for block in blocks}) or None,
            "physical_cores": len(cores) or None,
            "logical_cores": len(blocks) or os.cpu_count(),
            "available_cores": sorted(os.sched_getaffinity(0)),
            "control_group_quota_cpus": read_quota(self._root).cpus,
            "core_kinds": read_kinds(self._root / "sys/devices") or None,
            "smt": self._smt(len(cores), len(blocks)),
            **self._frequency(),
            "caches": self._caches(),
            "numa_nodes": len(list((self._root / "sys/devices/system/node").glob("node[0-9]*"))) or None,
            "vulnerability_mitigations": self._mitigations(),
            "flags": " ".join(sorted((first.get("flags") or first.get("Features") or "").split())),
        }

    def _smt(self, cores: int, threads: int) -> str:
        state = self._text("sys/devices/system/cpu/smt/control")
        if state in ("on", "off", "forceoff", "notsupported"):
            return state
        return "on" if threads > cores else "off"

    def _frequency(self) -> dict[str, Any]:
        folder = "sys/devices/system/cpu/cpu0/cpufreq"
        governor = self._text(f"{folder}/scaling_governor")
        values = {
            "governor": governor,
            "frequency_driver": self._text(f"{folder}/scaling_driver"),
            "frequency_min_mhz": _khz_as_mhz(self._text(f"{folder}/cpuinfo_min_freq")),
            "frequency_max_mhz": _khz_as_mhz(self._text(f"{folder}/cpuinfo_max_freq")),
            "turbo": self._turbo(),
        }
        for name, value in values.items():
            self._or_absent(f"cpu.{name}", value, NO_CPUFREQ)
        return values

    def _turbo(self) -> str | None:
        no_turbo = self._text("sys/devices/system/cpu/intel_pstate/no_turbo")
        if no_turbo is not None:
            return "off" if no_turbo == "1" else "on"
        boost = self._text("sys/devices/system/cpu/cpufreq/boost")
        return None if boost is None else ("on" if boost == "1" else "off")

    def _caches(self) -> dict[str, str] | None:
        caches = {}
        for folder in sorted((self._root / "sys/devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
            level, kind = _read(folder / "level"), _read(folder / "type")
            caches[f"L{level} {kind}"] = f"{_read(folder / 'size')} shared by cores {_read(folder / 'shared_cpu_list')}"
        return self._or_absent("cpu.caches", caches or None, "the kernel does not show the caches")  # type: ignore[no-any-return]

    def _mitigations(self) -> dict[str, str]:
        folder = self._root / "sys/devices/system/cpu/vulnerabilities"
        found = {path.name: _read(path) for path in sorted(folder.glob("*"))}
        return {name: state for name, state in found.items() if state != "Not affected"}

    def memory(self) -> dict[str, Any]:
        """Memory and swap in bytes, huge pages, and the limit that a control group sets."""
        fields = _fields(self._text("proc/meminfo") or "")
        huge_pages = re.search(r"\[(\w+)\]", self._text("sys/kernel/mm/transparent_hugepage/enabled") or "")
        return {
            "total_bytes": _kib_as_bytes(fields.get("MemTotal")),
            "swap_total_bytes": _kib_as_bytes(fields.get("SwapTotal")),
            "transparent_huge_pages": self._or_absent(
                "memory.transparent_huge_pages", huge_pages and huge_pages[1], "the kernel has none"
            ),
            "control_group_limit_bytes": read_quota(self._root).memory_bytes,
        }

    def virtualisation(self) -> dict[str, Any]:
        """Hints of a container or a virtual machine, and the cloud's size where its tables tell it."""
        vendor, product = self._text("sys/class/dmi/id/sys_vendor"), self._text("sys/class/dmi/id/product_name")
        self._or_absent("virtualisation.dmi_product", product, NO_DMI)
        flags = (_fields(self._text("proc/cpuinfo") or "").get("flags") or "").split()
        return {
            "virtual_machine": "hypervisor" in flags if flags else None,
            "container": self.container(os.environ),
            "dmi_vendor": vendor,
            "dmi_product": product,
            # EC2 names its size in the product name; the other large clouds do not.
            "cloud_instance": f"AWS/{product}" if vendor == "Amazon EC2" and product else None,
        }

    def container(self, environ: Mapping[str, str]) -> str | None:
        """Runtime of the container that this process runs in; None where nothing tells of one."""
        told = next((runtime for name, runtime in CONTAINER_VARIABLES.items() if environ.get(name)), None)
        if told is not None:
            return told
        if (self._root / ".dockerenv").exists():
            return "docker"
        if (self._root / "run/.containerenv").exists():
            return "podman"
        groups = self._text("proc/1/cgroup") or ""
        return next((runtime for mark, runtime in CGROUP_RUNTIMES.items() if mark in groups), None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"


def _fields(block: str) -> dict[str, str]:
    """Fields of a block of lines "name : value"; the first of equal names counts."""
    fields: dict[str, str] = {}
    for line in block.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def _khz_as_mhz(text: str | None) -> float | None:
    return int(text) / 1000 if text and text.isdigit() else None


def _kib_as_bytes(text: str | None) -> int | None:
    return int(text.split()[0]) * KIB_BYTES if text else None
