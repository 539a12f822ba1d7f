"""A campaign for the doctor, who examines the machine whatever is wrong with the configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark_runner.campaign.campaign import Campaign, campaign_of, examine_whole
from benchmark_runner.configuration.positions import Positions
from benchmark_runner.configuration.resolve import Examined, examine

EXAMINED_FOR: Final = (("benchmark", "output_dir"), ("benchmark", "model_path"), ("engines",), ("system",))
"""Keys that an examination of the machine looks at."""


def _is_sound(examined: Examined, key_path: tuple[str, ...]) -> bool:
    """Whether a key is there and no problem concerns it, something below it or all that it belongs to."""
    content: Any = examined.config
    for part in key_path:
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    concerned = (tuple(path) for path, _ in examined.problems)
    return not any(path[: len(key_path)] == key_path or key_path[: len(path)] == path for path in concerned)


def _with_sound_keys(in_order: Mapping[str, Any], examined: Examined) -> dict[str, Any]:
    """The one in order with what of the configuration is in order and matters to an examination."""
    config = copy.deepcopy(dict(in_order))
    for key_path in EXAMINED_FOR:
        if _is_sound(examined, key_path):
            source, target = examined.config, config
            for part in key_path[:-1]:
                source, target = source[part], target[part]
            target[key_path[-1]] = source[key_path[-1]]
    # A machine that lacks what strict insists on is what an examination is for.
    config["system"] = {**config.get("system", {}), "strict": False}
    return config


def load_examinable(
    stand_in: Path,
    raw: Mapping[str, Any],
    files: Iterable[str | Path],
    engines_folder: Path,
    overrides: Mapping[str, Any],
) -> tuple[Campaign, list[str]]:
    """Campaign to examine the machine for, and the problems of the configuration, a line each.

    Where there are problems, what they concern comes from the file stand_in, a configuration that is in order.
    """
    examined = examine_whole(raw, engines_folder, overrides)
    problems = Positions(files, overrides).lines(examined.problems)
    if problems:
        in_order = yaml.safe_load(stand_in.read_text(encoding="utf-8"))
        examined = examine(_with_sound_keys(in_order, examined))
    return campaign_of(examined, engines_folder), problems
