"""From the mapping that Snakemake merged to a complete, checked configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_runner.configuration.bodies import request_problems
from benchmark_runner.configuration.files import Positions, Problem
from benchmark_runner.configuration.load import load_problems, with_slo, without_iterations
from benchmark_runner.configuration.messages import problems_of
from benchmark_runner.configuration.names import CHEAPEST, duplicate_names, unknown_references
from benchmark_runner.configuration.plain import plain_copy, require_bounded
from benchmark_runner.configuration.shortcuts import ONLY_ENGINES, SHORTCUTS, named, with_typed_overrides
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import schema, violations
from benchmark_runner.terminal import in_line


class ConfigurationError(BenchmarkError):
    """All problems of a configuration, one a line."""

    def __init__(self, problems: list[str]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"the configuration has {count}:\n" + "\n".join(f"  {in_line(problem)}" for problem in problems)
        )


def require_sound(problems: list[str]) -> None:
    """Raise ConfigurationError where there are problems."""
    if problems:
        raise ConfigurationError(problems)


class Examined(NamedTuple):
    """A configuration with its shortcuts applied and its defaults filled in, and what is wrong with it."""

    config: dict[str, Any]
    only_engines: list[str] | None
    problems: list[Problem]

    def takes_part(self, engine: Mapping[str, Any]) -> bool:
        """Whether an entry of `engines` is enabled and not left out by only_engines."""
        chosen = self.only_engines is None or engine.get("name") in self.only_engines
        return engine.get("enabled") is not False and chosen

    def chosen(self) -> dict[str, Any]:
        """The configuration with the engines that take part, one of which is the baseline; it must have no problems.

        A control that does not take part is the baseline's.
        """
        config = copy.deepcopy(self.config)
        config["engines"] = [engine for engine in config["engines"] if self.takes_part(engine)]
        names = [engine["name"] for engine in config["engines"]]
        if config["benchmark"]["baseline"] not in names:
            config["benchmark"]["baseline"] = names[0]
        if config["benchmark"]["control"] not in (True, False, CHEAPEST, *names):
            config["benchmark"]["control"] = True
        return config


def _apply_shortcuts(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    config = copy.deepcopy({key: value for key, value in raw.items() if key not in SHORTCUTS and key != ONLY_ENGINES})
    for shortcut, (section, key) in SHORTCUTS.items():
        if shortcut in raw and isinstance(config.setdefault(section, {}), dict):
            config[section][key] = raw[shortcut]
    return config, named(raw.get(ONLY_ENGINES))


def with_defaults(content: Any, rules: Mapping[str, Any]) -> Any:
    """Content with the schema's defaults filled in at every level; what is of a wrong type is left alone.

    A whole number that was written 5.0 becomes 5, which is what the schema takes it for.
    """
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
    if isinstance(content, float) and content.is_integer() and "integer" in rules.get("type", ()):
        return int(content)
    return content


def examine(raw: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Examined:
    """Everything that the configuration's own words tell, whatever is wrong with some of them.

    overrides is what of raw was given on the command line. Raises BenchmarkError for what is too large to be walked.
    """
    for key, value in raw.items():
        try:
            require_bounded(value)
        except BenchmarkError as error:
            raise BenchmarkError(f"configuration key {key}: {error}") from None
    typed, unplain = plain_copy(with_typed_overrides(raw, overrides or {}, schema("config")))
    shortened, only_engines = _apply_shortcuts(typed)
    config: dict[str, Any] = without_iterations(with_defaults(with_slo(shortened), schema("config")))
    against_schema = problems_of(violations("config", config))
    broken = [list(path) for path, _ in against_schema]
    problems = [
        *(problem for problem in unplain if problem[0] not in broken),
        *(one for one in request_problems(config) if not any(list(one[0][: len(key)]) == key for key in broken)),
        *against_schema,
        *load_problems(shortened),
        *duplicate_names(config),
        *unknown_references(config, only_engines),
    ]
    return Examined(config, only_engines, problems)


def resolve(raw: Mapping[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """Complete configuration: shortcuts applied, defaults filled in, engines chosen.

    Engines that are not enabled or not named by only_engines are left out. Raises ConfigurationError with all problems.
    """
    examined = examine(raw)
    require_sound(Positions(files).lines(examined.problems))
    return examined.chosen()
