"""What differs between before and after beside the times: listed first, with what it means for a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from benchmark_runner.comparison.side import Side
from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import value_at
from benchmark_runner.statistics.inputs import EngineData
from benchmark_runner.statistics.settings import compared_settings, joined

Consequence = Literal["not_comparable", "other_model", "other_machine", "part_of_the_change"]

MEANING: Final[Mapping[Consequence, str]] = {
    "not_comparable": "something else was measured: no verdict",
    "other_model": "the ratio is that of two models, not of the engine alone",
    "other_machine": "the ratio is that of two machines and of all else in this list together",
    "part_of_the_change": "the ratio is that of all in this list together",
}
"""What each kind of difference means for a verdict, in the order of its weight."""


@dataclass(frozen=True)
class Difference:
    """One fact that differs; engine and workload are None where it is of the whole campaign."""

    fact: str
    label: str
    before: Any
    after: Any
    consequence: Consequence
    engine: str | None = None
    workload: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry of comparison.json."""
        return {
            "fact": self.fact,
            "label": self.label,
            "engine": self.engine,
            "workload": self.workload,
            "before": self.before,
            "after": self.after,
            "consequence": self.consequence,
            "meaning": MEANING[self.consequence],
        }


ENVIRONMENT_FACTS: Final[Sequence[tuple[str, str, Consequence]]] = (
    ("model.identity", "model (hash of its files)", "other_model"),
    ("host.hostname", "machine", "other_machine"),
    ("cpu.model", "processor", "other_machine"),
    ("cpu.physical_cores", "physical cores", "other_machine"),
    ("cpu.logical_cores", "logical cores", "other_machine"),
    ("cpu.control_group_quota_cpus", "CPU quota (CPUs)", "other_machine"),
    ("cpu.core_kinds", "kinds of cores", "other_machine"),
    ("memory.total_bytes", "memory (bytes)", "other_machine"),
    ("virtualisation.container", "container", "other_machine"),
    ("virtualisation.cloud_instance", "cloud instance", "other_machine"),
    ("operating_system.name", "operating system", "part_of_the_change"),
    ("operating_system.kernel", "kernel", "part_of_the_change"),
    ("operating_system.kernel_version", "kernel build", "part_of_the_change"),
    ("operating_system.c_library", "C library", "part_of_the_change"),
    ("cpu.microcode", "microcode", "part_of_the_change"),
    ("cpu.smt", "SMT", "part_of_the_change"),
    ("cpu.governor", "frequency governor", "part_of_the_change"),
    ("cpu.turbo", "turbo", "part_of_the_change"),
    ("cpu.frequency_max_mhz", "highest frequency (MHz)", "part_of_the_change"),
    ("cpu.vulnerability_mitigations", "mitigations", "part_of_the_change"),
    ("memory.transparent_huge_pages", "huge pages", "part_of_the_change"),
    ("memory.control_group_limit_bytes", "memory limit (bytes)", "part_of_the_change"),
    ("gpu.driver_version", "GPU driver", "part_of_the_change"),
    ("gpu.cuda_driver_version", "CUDA driver", "part_of_the_change"),
    ("python.version", "Python", "part_of_the_change"),
    ("workflow.git.commit", "commit of the workflow", "part_of_the_change"),
)
"""(key in environment.json, its name for people, consequence)."""

DEVICE_FACTS: Final[Sequence[tuple[str, str, Consequence]]] = (
    ("name", "GPU", "other_machine"),
    ("memory_bytes", "GPU memory (bytes)", "other_machine"),
    ("power_limit_watts", "GPU power limit (W)", "part_of_the_change"),
    ("clock_sm_max_mhz", "highest GPU clock (MHz)", "part_of_the_change"),
    ("persistence_mode", "GPU persistence mode", "part_of_the_change"),
    ("ecc", "GPU ECC", "part_of_the_change"),
    ("mig", "GPU MIG", "part_of_the_change"),
    ("vbios", "GPU VBIOS", "part_of_the_change"),
    ("pcie_generation", "PCIe generation", "part_of_the_change"),
    ("pcie_width", "PCIe width", "part_of_the_change"),
)
"""The same of each entry of gpu.devices."""

LAUNCH_FACTS: Final[Sequence[tuple[str, str, Consequence]]] = (
    ("measure_version", "version of the measurement", "not_comparable"),
    ("model.weights_sha256", "weights (SHA-256)", "other_model"),
    ("model.weights_format", "format of the weights", "part_of_the_change"),
    ("model.converter", "converter of the weights", "part_of_the_change"),
    ("hello.version", "engine version", "part_of_the_change"),
    ("build.binary_sha256", "binary (SHA-256)", "part_of_the_change"),
    ("build.source_sha256", "source of the adapter (SHA-256)", "part_of_the_change"),
    ("build.lock_sha256", "lock of the adapter (SHA-256)", "part_of_the_change"),
    ("spec.dtype", "type asked for", "part_of_the_change"),
    ("spec.options", "options", "part_of_the_change"),
    ("spec.iterations", "iterations a launch", "part_of_the_change"),
    ("spec.warmup_iterations", "warm-ups a launch", "part_of_the_change"),
    ("host.hostname", "machine of the launches", "other_machine"),
)
"""The same of an engine's launches."""


def plain(value: Any) -> Any:
    """A value as it is shown: mappings and lists as JSON text, so that any two can be held against each other."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def unlike(
    facts: Iterable[tuple[str, str, Any, Any, Consequence]], engine: str | None = None, workload: str | None = None
) -> Iterator[Difference]:
    """Those of (key, name for people, before, after, consequence) whose two values differ."""
    for fact, label, before, after, consequence in facts:
        if plain(before) != plain(after):
            yield Difference(fact, label, plain(before), plain(after), consequence, engine, workload)


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys((*before, *after)))


def _devices(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    own, other = (value_at(one, "gpu.devices") or [] for one in (before, after))
    for index in range(max(len(own), len(other))):
        first, second = (devices[index] if index < len(devices) else {} for devices in (own, other))
        yield from unlike(
            (f"gpu.devices.{index}.{key}", f"{label} {index}", first.get(key), second.get(key), consequence)
            for key, label, consequence in DEVICE_FACTS
        )


def _variables(environment: Mapping[str, Any]) -> dict[str, Any]:
    return dict(environment.get("environment_variables") or {})


def _locks(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {lock["file"]: lock["sha256"] for lock in value_at(environment, "workflow.locks") or []}


def _packages(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {package["name"]: package["installed"] for package in value_at(environment, "workflow.packages") or []}


NAMED: Final[Sequence[tuple[str, str, Callable[[Mapping[str, Any]], dict[str, Any]]]]] = (
    ("environment_variables", "variable", _variables),
    ("workflow.locks", "lock (SHA-256)", _locks),
    ("workflow.packages", "package of the workflow", _packages),
)
"""(key in environment.json, its name for people, its entries by name)."""


def _named(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for key, label, entries in NAMED:
        own, other = entries(before), entries(after)
        yield from unlike(
            (f"{key}.{name}", f"{label} {name}", own.get(name), other.get(name), "part_of_the_change")
            for name in _keys(own, other)
        )


def environment_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Differences between two environment.json."""
    whole = unlike(
        (key, label, value_at(before, key), value_at(after, key), consequence)
        for key, label, consequence in ENVIRONMENT_FACTS
    )
    return [*whole, *_devices(before, after), *_named(before, after)]


def configuration_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Differences between what two plans say of the machine's use and of monitoring."""
    found: list[Difference] = []
    for section in ("system", "monitoring"):
        own, other = (plan["config"].get(section, {}) for plan in (before, after))
        found += unlike(
            (f"config.{section}.{key}", f"{section}.{key}", own.get(key), other.get(key), "part_of_the_change")
            for key in _keys(own, other)
        )
    return found


def told(engine: EngineData, key: str) -> Any:
    """What an engine's launches tell of themselves under a key; all of it where they differ."""
    return joined(plain(value_at(launch.record, key)) for launch in engine.ok() or engine.launches)


def engine_differences(name: str, before: EngineData, after: EngineData, workloads: Sequence[str]) -> list[Difference]:
    """Differences between what an engine's launches tell of themselves, settings by workload."""
    facts = ((key, label, told(before, key), told(after, key), kind) for key, label, kind in LAUNCH_FACTS)
    found = list(unlike(facts, engine=name))
    for workload in workloads:
        for entry in compared_settings([before, after], workload):
            if entry["differs"]:
                values = (entry["values"][before.name], entry["values"][after.name])
                found.append(
                    Difference(entry["setting"], entry["label"], *values, "part_of_the_change", name, workload)
                )
    return found


def request_differences(before: Side, after: Side) -> list[Difference]:
    """Test cases whose requests differ: prompt ids, tokens asked for, drawing."""
    found: list[Difference] = []
    for workload in (name for name in before.workloads if name in after.workloads):
        own, other = before.requests(workload), after.requests(workload)
        found += unlike(
            (
                (f"request.{case}", f"request of {case} (hash)", fingerprint(own[case]), fingerprint(other[case]), kind)
                for case in own
                if case in other
                for kind in ("not_comparable",)
            ),
            workload=workload,
        )
    return found


def surrounding_differences(before: Side, after: Side) -> list[Difference]:
    """What differs of machine, system and configuration, which surround every engine."""
    return [
        *environment_differences(before.environment, after.environment),
        *configuration_differences(before.inputs.plan, after.inputs.plan),
    ]


def all_differences(before: Side, after: Side) -> list[Difference]:
    """All that differs between two campaigns, what forbids a comparison first."""
    found = [*request_differences(before, after), *surrounding_differences(before, after)]
    for name, engine in before.engines.items():
        if name in after.engines:
            shared = [workload for workload in before.workloads if workload in after.workloads]
            found += engine_differences(name, engine, after.engines[name], shared)
    order = list(MEANING)
    return sorted(found, key=lambda one: order.index(one.consequence))
