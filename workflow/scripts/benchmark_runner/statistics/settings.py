"""Under which settings engines computed: what their launches tell of threads, types, batch size and kernels.

A setting that nothing tells is unknown and never called a difference.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.display import ABSENT
from benchmark_runner.jsonio import value_at
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements, own_load
from benchmark_runner.statistics.work import PARTS, WorkDone, tokens_text

Value = str | int | bool | None
Entry = dict[str, Any]
"""A setting with the values of all engines in a workload, as settings.schema.yaml has it."""


def joined(values: Iterable[Any]) -> Any:
    """Value on which all agree that have one; None where none has, the texts of all joined where they differ."""
    distinct = list(dict.fromkeys(value for value in values if value is not None))
    if len(distinct) > 1:
        return " and ".join(str(value) for value in distinct)
    return distinct[0] if distinct else None


@dataclass(frozen=True)
class Setting:
    """One setting: where a launch tells it, and how the launches of an engine come to one value."""

    name: str
    label: str
    source: str
    """Who tells it, for readers."""
    read: Callable[[MeasuredLaunch], Value]
    agree: Callable[[list[Value]], Value] = joined
    unless: str | None = None
    """Setting that says the same better; where that one is known of all engines, this one is named as no difference."""
    key: str | None = None
    """Key of the configuration that sets it; None where the engine or its build decides."""


def _at(key: str) -> Callable[[MeasuredLaunch], Value]:
    def read(launch: MeasuredLaunch) -> Value:
        value: Value = value_at(launch.record, key)
        return value

    return read


def _middle(values: list[Value]) -> Value:
    """Count of the middle launch: a single launch that was disturbed does not speak for all."""
    counts = [value for value in values if isinstance(value, int)]
    return statistics.median_high(counts) if counts else None


DEVICE: Final = "device"

BATCHING: Final = "batching"
"""Only where an engine tells it, as engines under load do."""

SETTINGS: Final = (
    Setting(DEVICE, "device", "the engine's word and the spec", lambda launch: launch.device),
    Setting(
        "threads",
        "threads",
        "threads that computed at once, counted in /proc",
        _at("monitor.engine_busy_threads"),
        _middle,
        key="system.threads",
    ),
    Setting(
        "threads_set_up",
        "threads set up",
        "the engine's word",
        lambda launch: own_load(launch.record).get("threads"),
        unless="threads",
        key="system.threads",
    ),
    Setting("weights_dtype", "weights", "the engine's word", _at("load.weights_dtype"), key="engines[].dtype"),
    Setting("compute_dtype", "compute", "the engine's word", _at("load.compute_dtype"), key="engines[].dtype"),
    Setting("kv_cache_dtype", "KV cache", "the engine's word", _at("load.kv_cache_dtype")),
    Setting("batch_size", "batch size", "the engine's word", _at("load.batch_size")),
    Setting("simd", "SIMD", "the word of the engine or its library", _at("load.simd")),
    Setting("compiled_graph", "compiled graph", "the engine's word", _at("load.compiled_graph")),
    Setting(BATCHING, "batching", "the engine's word", _at("load.batching")),
    Setting("build_flags", "build flags", "the build record; wheels tell none", _at("build.flags")),
)


KEYS: Final = {setting.name: setting.key for setting in SETTINGS if setting.key is not None}
"""The key of the configuration that sets a setting, of those that one sets."""

BETWEEN_CASES: Final = ", "
"""Of a row on work, which has a figure for each test case."""

WORK_SETTINGS: Final = tuple(f"{part}_tokens" for part in PARTS)
"""Rows that stand there only where engines did unequal amounts of work."""

_TOLD_BETTER: Final = {setting.name: setting.unless for setting in SETTINGS}


def shown(value: Value) -> str:
    """A value in words."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _differ(name: str, values: Mapping[str, Mapping[str, Value]], engines: Sequence[str]) -> bool:
    """Whether two of the engines tell unlike values of a setting; values by setting and engine."""
    told, better = {values[name].get(engine) for engine in engines} - {None}, _TOLD_BETTER.get(name)
    if name in WORK_SETTINGS:  # a test case that one engine did not measure tells nothing of its work
        by_case = zip(*(str(value).split(BETWEEN_CASES) for value in told), strict=True)
        return any(len(set(figures) - {ABSENT}) > 1 for figures in by_case)
    said_better = better is not None and all(values[better].get(engine) is not None for engine in engines)
    return len(told) > 1 and not said_better


def compared_settings(engines: Sequence[EngineData], workload: str) -> list[Entry]:
    """All settings of the engines that were measured in a workload; [] where none was.

    `differs` is true where two engines tell unlike values, and false for a setting that another one tells better.
    """
    measured = {engine.name: engine.ok(workload) for engine in engines if engine.ok(workload)}
    values = {
        setting.name: {
            name: setting.agree([setting.read(one) for one in launches]) for name, launches in measured.items()
        }
        for setting in SETTINGS
    }
    return [
        {
            "setting": setting.name,
            "label": setting.label,
            "source": setting.source,
            "values": values[setting.name],
            "differs": _differ(setting.name, values, list(measured)),
        }
        for setting in SETTINGS
        if measured and (setting.name != BATCHING or any(values[BATCHING].values()))
    ]


def _work_entries(inputs: Measurements, work: WorkDone, engines: Sequence[str], workload: str) -> Iterator[Entry]:
    """A row for each part of the work that engines did unequal amounts of; tokens case by case."""
    cases = [case for name, case in inputs.cells if name == workload]
    for name, part in zip(WORK_SETTINGS, PARTS, strict=True):
        values: dict[str, Value] = {}
        for engine in engines:
            done = [work.get((engine, workload, case)) for case in cases]
            figures = [ABSENT if one is None else tokens_text(getattr(one, part)) for one in done]
            values[engine] = BETWEEN_CASES.join(figures) if any(done) else None
        if _differ(name, {name: values}, engines):
            source = "counted in the launches, an iteration"
            yield {
                "setting": name,
                "label": f"{part} tokens",
                "source": source,
                "values": values,
                "differs": True,
            }


def settings_by_workload(inputs: Measurements, work: WorkDone) -> dict[str, list[Entry]]:
    """Settings of all engines by workload, with the work that they did where it differs; no entry for a workload in
    which nothing was measured."""
    engines = list(inputs.engines.values())
    found = {name: compared_settings(engines, name) for name in inputs.workloads}
    for name, entries in found.items():
        if entries:
            entries.extend(_work_entries(inputs, work, list(entries[0]["values"]), name))
    return found


def differing_settings(entries: Sequence[Entry], engine: str, reference: str) -> list[dict[str, Any]]:
    """Settings of a workload that differ between two engines.

    Not among them: the device, which forbids the comparison and is its reason.
    """
    values = {entry["setting"]: entry["values"] for entry in entries}
    return [
        {
            "setting": entry["setting"],
            "label": entry["label"],
            "engine": entry["values"].get(engine),
            "reference": entry["values"].get(reference),
        }
        for entry in entries
        if entry["setting"] != DEVICE and _differ(entry["setting"], values, (engine, reference))
    ]


def footnote(differing: Sequence[Mapping[str, Any]]) -> str | None:
    """Names the differing settings of a pair, the engine's value first; None where there are none."""
    if not differing:
        return None
    named = (f"{one['label']} {shown(one['engine'])} / {shown(one['reference'])}" for one in differing)
    return f"settings differ: {', '.join(named)}"


def alike_workloads(by_workload: Sequence[Mapping[str, Any]]) -> list[tuple[list[str], list[Entry]]]:
    """(workloads, their settings): workloads in which all engines had the same settings stand together."""
    groups: list[tuple[list[str], list[Entry]]] = []
    for entry in by_workload:
        if not entry["settings"]:
            continue
        same = next((names for names, settings in groups if settings == entry["settings"]), None)
        if same is None:
            groups.append(([entry["workload"]], entry["settings"]))
        else:
            same.append(entry["workload"])
    return groups
