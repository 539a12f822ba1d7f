"""Parts of the plan: what one stage depends on and nothing else, so that it is owed only when just that changes.

A part is written to a file whose name holds the hash of its content. A change therefore makes a new file, which
Snakemake sees as another input; a file of the same name is never made again. Targets name all parts: in a folder
without Snakemake's notes (a copy of results), a part that is missing is the only sign that something has changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.engines import may_serve_load
from benchmark_runner.campaign.machine import BESIDE_ENGINES
from benchmark_runner.commands import command
from benchmark_runner.configuration.load import has_load
from benchmark_runner.errors import exit_status
from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import read_json, write_json

WHOLE: Final = "campaign"
"""The part that is all of the plan."""

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("model",),
    "workloads": ("model", "workloads", "fidelity"),
    "fidelity_prompts": ("model", "workloads", "fidelity"),
    "fidelity": ("model", "engines", "fidelity"),
    "analysis": ("campaign", "model", "engines", "licences", "workloads", "not_asked", "order"),
    "business": ("campaign", "engines"),
}
"""Keys of the plan that each part keeps."""

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "analysis": ("analysis",),
    "business": ("business",),
}
"""Sections of the configuration that each part keeps whole."""


def plan_part(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The part called name: WHOLE, a key of _KEYS, or `fidelity.<engine>`. Raises KeyError for another name."""
    if name == WHOLE:
        return dict(plan)
    stage, _, engine = name.partition(".")
    kept = {key: plan[key] for key in _KEYS[stage] if key in plan}
    kept["config"] = _of_configuration(plan["config"], stage)
    if stage == "workloads":
        kept["fidelity"] = {**_one_by_one(plan), "prompts": []}
    elif stage == "fidelity_prompts":
        kept["workloads"] = []
        kept["fidelity"] = _one_by_one(plan)
    elif engine:
        kept["engines"] = [
            entry for entry in plan["engines"] if entry["name"] in (engine, plan["fidelity"]["reference"])
        ]
        if not any(entry["name"] == engine and may_serve_load(entry) for entry in kept["engines"]):
            kept["fidelity"] = _one_by_one(plan)
    return kept


def _of_configuration(config: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """What a stage's part keeps of the configuration."""
    kept = {section: config[section] for section in _SECTIONS.get(stage, ())}
    if stage == "fidelity":
        kept["system"] = {key: value for key, value in config["system"].items() if key not in BESIDE_ENGINES}
    elif stage == "analysis":
        if pause := config.get("system", {}).get("cool_down_seconds"):
            kept["system"] = {"cool_down_seconds": pause}  # how long a block may stand still
        if loaded := [one for one in config.get("workloads", ()) if has_load(one)]:
            kept["workloads"] = loaded  # which a campaign of other levels asks for again
    return kept


def _one_by_one(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Section fidelity for what asks one request at a time."""
    return {key: value for key, value in plan["fidelity"].items() if key != "at_once"}


def part_file(plan: Mapping[str, Any], name: str) -> str:
    """File name of a part, with the hash of its content."""
    return f"{name}.{fingerprint(plan_part(plan, name))}.json"


def part_files(plan: Mapping[str, Any], recorded: bool) -> list[str]:
    """File names of all parts, which every target asks for; of a recorded campaign those that can change."""
    if recorded:
        names = ["analysis", "business"]
    else:
        of_engines = [f"fidelity.{engine['name']}" for engine in plan["engines"]]
        names = [WHOLE, *(name for name in _KEYS if name != "fidelity"), *of_engines]
    return [part_file(plan, name) for name in names]


def main(argv: Sequence[str]) -> int:
    """Write one part of the plan of a resolved configuration."""
    parser = command("campaign.parts", __doc__, "config", "engines-folder", out="the part")
    parser.add_argument("--part", required=True, help="name of the part")
    arguments = parser.parse_args(argv)
    plan = load_campaign(read_json(arguments.config)["config"], [], arguments.engines_folder).plan()
    write_json(arguments.out, plan_part(plan, arguments.part))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
