"""A campaign for the doctor, who examines the machine whatever is wrong with the configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.campaign.campaign import Campaign, campaign_of
from benchmark_runner.campaign.checks import examine_whole
from benchmark_runner.configuration.data_files import read_map
from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.resolve import Examined, examine
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import RESTORED
from benchmark_runner.remembered import HASHES

EXAMINED_FOR: Final = (
    (("benchmark", "output_dir"),),
    (("benchmark", "model_path"), ("benchmark", "hugging_face")),
    (("engines",),),
    (("system",),),
)
"""Keys that an examination of the machine looks at; those that mean something only together stand together."""


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
    sound = (keys for keys in EXAMINED_FOR if all(_is_sound(examined, key_path) for key_path in keys))
    for keys in sound:
        for key_path in keys:
            source, target = examined.config, config
            for part in key_path[:-1]:
                source, target = source[part], target[part]
            target[key_path[-1]] = source[key_path[-1]]
    # A machine that lacks what strict insists on is what an examination is for.
    config["system"] = {**config.get("system", {}), "strict": False}
    return config


class Examinable(NamedTuple):
    """What is there of a configuration, whatever is wrong with it."""

    campaign: Campaign
    config: dict[str, Any]
    """All of it that is in order and matters to an examination; without problems the campaign's own."""
    problems: list[str]
    """A line each."""


def load_examinable(
    stand_in: Path,
    raw: Mapping[str, Any],
    files: Iterable[str | Path],
    engines_folder: Path,
    overrides: Mapping[str, Any],
    here: bool = True,
) -> Examinable:
    """The campaign of a configuration, or where there are problems one of the file stand_in, which is in order, in the
    same output folder if that can be used; here says whether launches run on this machine."""
    examined = examine_whole(raw, engines_folder, overrides, here=here)
    problems = Positions(files, overrides).lines(examined.problems)
    if not problems:
        campaign = campaign_of(examined, engines_folder)
        try:
            campaign.weights.require_unaltered(HASHES)
        except BenchmarkError as error:
            problems = [str(error)]
        return Examinable(campaign, campaign.config, problems)
    in_order = read_map(stand_in, RESTORED)
    sound = examine(_with_sound_keys(in_order, examined)).chosen()
    folder = {"benchmark": {**in_order["benchmark"], "output_dir": sound["benchmark"]["output_dir"]}}
    # Of the stand-in's own model and engines: hashing a model of the user's would keep the problems waiting.
    return Examinable(campaign_of(examine({**in_order, **folder}), engines_folder), sound, problems)
