"""The page config/README.md, made from the schema so that the two cannot disagree."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_runner.configuration.messages import allowed
from benchmark_runner.configuration.shortcuts import (
    AFTER,
    AGAINST,
    BEFORE,
    FOLDERS,
    ONLY_ENGINES,
    SHORTCUTS,
    UNLIKE_MACHINES,
    WANTED_DIFFERENCE,
)
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import write_text_atomic
from benchmark_runner.schemas import schema

INTRODUCTION = """\
# Configuration

`config.yaml` is the quick look, `comprehensive.yaml` the whole comparison, `gpu-only.yaml` the one that refuses the
CPU, `serving.yaml` the one under load: several requests in flight, and requests by the clock. `--configfile FILE`
takes the place of `config.yaml`; nothing is merged from it. Relative paths start in the folder in which Snakemake
runs. An unknown key, a wrong type, a prompt that does not fit the model, a program or a model that is not there stops
the run before anything is built, with one line a problem: file and line, key, what is allowed, what to do. Snakemake
itself reads the file of `--configfile` first and says little of one that is not YAML or not UTF-8; `make check
CONFIG=FILE` names the line.

On the command line, `--config KEY=VALUE` knows these shortcuts:

| shortcut | sets |
| --- | --- |
"""

TABLE_HEAD = """
| key | allowed | default | what it does | a change measures or makes again |
| --- | --- | --- | --- | --- |
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()


def _rows(name: str, rule: Mapping[str, Any], required: bool, reruns: str) -> Iterator[str]:
    """Table rows of one key and of all keys below it."""
    reruns = rule.get("reruns", reruns)
    children = rule.get("properties")
    if children is None and isinstance(rule.get("items"), dict) and "properties" in rule["items"]:
        needed = "required" if required else ""
        yield f"| `{name}` | a list of maps | {needed} | {_cell(rule['description'])} | {reruns} |"
        name, rule = f"{name}[]", rule["items"]
        children = rule["properties"]
    if children is not None and isinstance(rule["type"], list):
        default = "required" if required else f"`{json.dumps(rule.get('default'))}`"
        yield f"| `{name}` | {allowed(rule)} | {default} | {_cell(rule['description'])} | {reruns} |"
    if children is not None:
        for key, child in children.items():
            yield from _rows(f"{name}.{key}", child, key in rule.get("required", []), reruns)
        return
    default = "required" if required else f"`{json.dumps(rule['default'])}`" if "default" in rule else ""
    words = "text, or a list of messages" if "oneOf" in rule else allowed(rule)
    yield f"| `{name}` | {_cell(words)} | {default} | {_cell(rule['description'])} | {reruns} |"


def page() -> str:
    """Content of config/README.md."""
    text = INTRODUCTION
    for shortcut, path in SHORTCUTS.items():
        text += f"| `{shortcut}=…` | `{'.'.join(path)}` |\n"
    text += f"| `{ONLY_ENGINES}=a,b` | runs only these of the enabled engines |\n"
    text += f"| `{AGAINST}=FOLDER` | the results folder that the target `compare` takes as the campaign before |\n"
    two = "two engines of this campaign, such as two builds, that `compare` holds against each other in its blocks"
    text += f"| `{WANTED_DIFFERENCE}=5%` | a difference, of which the target `plan` tells launches and minutes |\n"
    text += f"| `{BEFORE}=ENGINE {AFTER}=ENGINE` | {two} |\n"
    text += f"| `{FOLDERS}=a,b` | the results folders that the target `join` makes one campaign of, in `output_dir` |\n"
    text += f"| `{UNLIKE_MACHINES}=true` | `join` takes machines of unlike kinds (processor, cores, GPUs) too |\n"
    for name, section in schema("config")["properties"].items():
        text += f"\n## {name}\n\n{section['description']}.\n{TABLE_HEAD}"
        text += "\n".join(_rows(name, section, False, "")) + "\n"
    return text


def main(argv: Sequence[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.configuration.reference", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    write_text_atomic(parser.parse_args(argv).out, page())
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
