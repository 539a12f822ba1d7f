"""Names of engines and workloads: each once, and every mention of one names something that is there.

The configuration may be wrong in other places too: what has not the right shape is passed over here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.configuration.files import Problem
from benchmark_runner.configuration.messages import nearest, shown
from benchmark_runner.configuration.shortcuts import ONLY_ENGINES

CONTROL_SUFFIX: Final = "_control"
CHEAPEST: Final = "cheapest"
"""What benchmark.control says for the engine whose launches take the least time."""


def entries(config: Mapping[str, Any], section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, entry) of the maps in a section that is a list; nothing where it is none."""
    content = config.get(section)
    for index, entry in enumerate(content if isinstance(content, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _section(config: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    content: Any = config
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _names(config: Mapping[str, Any], section: str) -> list[str]:
    return [entry["name"] for _, entry in entries(config, section) if isinstance(entry.get("name"), str)]


def enabled_names(config: Mapping[str, Any]) -> list[str]:
    """Names of the engines that may take part."""
    enabled = [entry for _, entry in entries(config, "engines") if entry.get("enabled", True) is not False]
    return _names({"engines": enabled}, "engines")


def duplicate_names(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Names that would share a folder, on file systems that fold case too; the control's name is taken."""
    for section in ("engines", "workloads"):
        seen: dict[str, str] = {}
        for index, entry in entries(config, section):
            name, path = entry.get("name"), [section, index, "name"]
            if not isinstance(name, str):
                continue
            if name.lower() in seen:
                first = seen[name.lower()]
                why = "" if first == name else f" (as {first!r}: some file systems do not tell case apart)"
                yield path, f"{name!r} is there twice{why}; give one of them another name"
            seen.setdefault(name.lower(), name)
            if section == "engines" and name.endswith(CONTROL_SUFFIX):
                yield path, f"{name!r} ends in {CONTROL_SUFFIX}, the control's mark; choose another name"
    pools = [(index, pool.get("name")) for index, pool in entries(_section(config, "business", "demand"), "pools")]
    for index, name in pools:
        if name is not None and name in [other for earlier, other in pools if earlier < index]:
            path = ["business", "demand", "pools", index, "name"]
            yield path, f"{name!r} is there twice; give one of the pools another name"


def unknown_references(config: Mapping[str, Any], only_engines: Sequence[str] | None) -> Iterator[Problem]:
    """Names that point at an engine or a workload which is not there."""
    enabled, workloads = enabled_names(config), _names(config, "workloads")
    if not enabled:
        if any(entry.get("enabled") is False for _, entry in entries(config, "engines")):
            yield ["engines"], "no engine is enabled; set enabled: true for one"
        return
    if only_engines == []:
        yield [ONLY_ENGINES], f"it names no engine; {nearest('', enabled)}"
    for name in only_engines or []:
        if name not in enabled:
            yield [ONLY_ENGINES], f"{name!r} is no enabled engine; {nearest(name, enabled)}"
    for key, words in (("baseline", enabled), ("control", [*enabled, CHEAPEST])):
        named = _section(config, "benchmark").get(key)
        if isinstance(named, str) and named not in words:
            yield ["benchmark", key], f"{named!r} is no enabled engine; {nearest(named, words)}"
    for key, name in _section(config, "benchmark", "headline").items():
        if isinstance(name, str) and workloads and name not in workloads:
            yield ["benchmark", "headline", key], f"{shown(name)} is no workload; {nearest(name, workloads)}"
