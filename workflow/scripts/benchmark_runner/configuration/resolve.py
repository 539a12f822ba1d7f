"""From the mapping that Snakemake merged to a complete, checked configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmark_runner.configuration.messages import dotted, explain_all, nearest
from benchmark_runner.configuration.positions import KeyPath, Positions
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import schema, violations

CONTROL_SUFFIX = "_control"
ONLY_ENGINES = "only_engines"
SHORTCUTS: dict[str, tuple[str, str]] = {
    "output_dir": ("benchmark", "output_dir"),
    "model_path": ("benchmark", "model_path"),
    "device": ("system", "device"),
}
"""Keys for the command line (--config KEY=VALUE) and the configuration key that each one sets."""


class ConfigurationError(BenchmarkError):
    """All problems of a configuration, one a line."""

    def __init__(self, problems: list[str]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"the configuration has {count}:\n" + "\n".join(f"  {problem}" for problem in problems))


def _apply_shortcuts(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    config = copy.deepcopy({key: value for key, value in raw.items() if key not in SHORTCUTS and key != ONLY_ENGINES})
    for shortcut, (section, key) in SHORTCUTS.items():
        if shortcut in raw and isinstance(config.setdefault(section, {}), dict):
            config[section][key] = raw[shortcut]
    wanted = raw.get(ONLY_ENGINES)
    if wanted is None:
        return config, None
    names = wanted if isinstance(wanted, list) else str(wanted).split(",")
    return config, [str(name).strip() for name in names]


def with_defaults(content: Any, rules: Mapping[str, Any]) -> Any:
    """Content with the schema's defaults filled in at every level; what is of a wrong type is left alone."""
    if isinstance(content, dict):
        filled = dict(content)
        for key, rule in rules.get("properties", {}).items():
            if key in filled:
                filled[key] = with_defaults(filled[key], rule)
            elif "default" in rule:
                filled[key] = copy.deepcopy(rule["default"])
            elif rule.get("type") == "object" and key not in rules.get("required", []):
                filled[key] = with_defaults({}, rule)
        return filled
    if isinstance(content, list) and "items" in rules:
        return [with_defaults(item, rules["items"]) for item in content]
    return content


def _duplicate_names(config: Mapping[str, Any]) -> Iterable[tuple[KeyPath, str]]:
    """Names that would share a folder, on file systems that fold case too; the control's name is taken."""
    for section in ("engines", "workloads"):
        seen: dict[str, str] = {}
        for index, item in enumerate(config[section]):
            name = item["name"]
            if name.lower() in seen:
                yield (
                    [section, index, "name"],
                    f"{name!r} is there twice (as {seen[name.lower()]!r}); names must differ",
                )
            seen[name.lower()] = name
            if section == "engines" and name.endswith(CONTROL_SUFFIX):
                yield (
                    [section, index, "name"],
                    f"{name!r} ends in {CONTROL_SUFFIX}, the control's mark; choose another",
                )


def _unknown_references(config: Mapping[str, Any], only_engines: list[str] | None) -> Iterable[tuple[KeyPath, str]]:
    """Names that point at an engine or a workload which is not there."""
    enabled = [engine["name"] for engine in config["engines"] if engine["enabled"]]
    workloads = [workload["name"] for workload in config["workloads"]]
    if not enabled:
        yield ["engines"], "no engine is enabled; set enabled: true for one"
    for name in only_engines or []:
        if name not in enabled:
            yield [ONLY_ENGINES], f"{name!r} is no enabled engine; {nearest(name, enabled)}"
    baseline = config["benchmark"]["baseline"]
    if baseline is not None and baseline not in enabled:
        yield ["benchmark", "baseline"], f"{baseline!r} is no enabled engine; {nearest(baseline, enabled)}"
    for key, name in config["benchmark"]["headline"].items():
        if name is not None and name not in workloads:
            yield ["benchmark", "headline", key], f"{name!r} is no workload; {nearest(name, workloads)}"


def resolve(raw: Mapping[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """Complete configuration: shortcuts applied, defaults filled in, engines chosen.

    Engines that are not enabled or not named by only_engines are left out. Raises ConfigurationError with all problems.
    """
    positions = Positions(files)
    shortened, only_engines = _apply_shortcuts(raw)
    config: dict[str, Any] = with_defaults(shortened, schema("config"))
    problems = explain_all(violations("config", config), positions)
    if not problems:
        found = [*_duplicate_names(config), *_unknown_references(config, only_engines)]
        problems = [f"{positions.of(path)}: {dotted(path)}: {message}" for path, message in found]
    if problems:
        raise ConfigurationError(problems)
    chosen = [
        engine
        for engine in config["engines"]
        if engine["enabled"] and (only_engines is None or engine["name"] in only_engines)
    ]
    names = [engine["name"] for engine in chosen]
    config["engines"] = chosen
    if config["benchmark"]["baseline"] not in names:
        config["benchmark"]["baseline"] = names[0]
    return config
