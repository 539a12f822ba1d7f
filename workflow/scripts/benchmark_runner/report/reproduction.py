"""Stage reproduction: reproduction.md, the commands that repeat a campaign from a clone and what to expect of it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from benchmark_runner.commands import command
from benchmark_runner.configuration.shortcuts import to_join
from benchmark_runner.display import Markdown, estimate_text, fenced, markdown, markdown_code, markdown_table, percent
from benchmark_runner.environment.machine import gpu_name
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, read_valid, write_text_atomic
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell, Results, read_statistics
from benchmark_runner.terminal import printable, visible

EXPECTED_METRICS: Final = ("e2e_ms", "ttft_ms", "decode_tokens_per_s")
# Chance that the mean of an equal second sample lies within the first one's 95 % interval (Cumming & Maillardet 2006,
# Psychological Methods 11, 217): the interval is for the true value, and the second mean has its own error.
CAPTURE_PERCENT: Final = 83
MOST_CHANGED_FILES: Final = 10  # named on the page; chosen so that they stay one paragraph
# Hardware values whose difference moves the figures; key in environment.json and the words for it.
MUST_MATCH: Final = (
    (("cpu", "model"), "processor"),
    (("cpu", "logical_cores"), "logical cores"),
    (("cpu", "smt"), "simultaneous multithreading"),
    (("cpu", "governor"), "frequency governor"),
    (("cpu", "turbo"), "turbo"),
    (("memory", "total_bytes"), "memory, bytes"),
    (("operating_system", "kernel"), "kernel"),
    (("gpu", "driver_version"), "GPU driver"),
)


def main(argv: Sequence[str]) -> int:
    """Write reproduction.md from the plan, the environment and the statistics, and campaign.yaml, its configuration."""
    outputs = {"out": "reproduction.md", "configuration": "campaign.yaml"}
    options = command("report.reproduction", main.__doc__, "plan", "environment", "statistics", **outputs).parse_args(
        argv
    )
    plan = read_json(options.plan)
    write_text_atomic(
        options.out,
        reproduction(plan, read_valid("environment", options.environment), read_statistics(options.statistics)),
    )
    write_text_atomic(options.configuration, configuration_text(plan))
    return os.EX_OK


def reproduction(plan: Mapping[str, Any], environment: Mapping[str, Any], statistics: Mapping[str, Any]) -> str:
    """The whole page as Markdown."""
    parts = [
        f"# Reproducing “{markdown(plan['campaign']['name'])}”\n",
        *_commands(plan, environment),
        *_what_must_match(plan, environment, statistics),
        *_what_to_expect(statistics),
        *_configuration(plan),
    ]
    return "\n".join(parts) + "\n"


def _commands(plan: Mapping[str, Any], environment: Mapping[str, Any]) -> Iterator[str]:
    git = environment["workflow"]["git"]
    remote = None if git is None else git["remote"]
    yield "## Commands\n"
    address = "<address of this repository>" if remote is None else shlex.quote(printable(remote))
    commands = [
        f"git clone {address} benchmark-runner",
        "cd benchmark-runner",
        *([] if git is None else [f"git checkout {git['commit']}"]),
        "# save the configuration below, which is campaign.yaml in the results folder, then",
        "make run CONFIG=campaign.yaml",
        "# or, in an environment that holds the packages of envs/workflow.txt:",
        "snakemake --cores 1 --resources gpu=1 --configfile campaign.yaml",
    ]
    yield fenced("\n".join(commands), "sh") + "\n"
    if git is None:
        yield f"**The commit is unknown:** {markdown(environment['workflow']['git_reason'])}.\n"
    elif git["dirty"]:
        changed = ", ".join(markdown_code(name) for name in git["changed_files"][:MOST_CHANGED_FILES])
        if len(git["changed_files"]) > MOST_CHANGED_FILES:
            changed += f" and {len(git['changed_files']) - MOST_CHANGED_FILES} more, all in environment.json"
        yield f"**The working tree differed from that commit**, so a clone may measure something else: {changed}.\n"
    if joined := plan["campaign"].get("joined"):
        names = ", ".join(f"{markdown_code(one['folder'])} ({one['blocks']} blocks)" for one in joined["folders"])
        yield (
            f"This campaign was joined from {names}: each was measured with the configuration below and an "
            "`output_dir` of its own. To join them again:\n"
        )
        yield fenced(printable(to_join(joined, plan["config"]["benchmark"]["output_dir"])), "sh") + "\n"
    if remote is None:
        yield "The clone had no address that others can reach: use that of your copy of this repository.\n"
    model = plan["model"]
    if model["source"]["kind"] == "folder":
        yield (
            f"The model {markdown_code(model['name'])} is a folder of its user and does not come with the repository: "
            f"put one with the identity {markdown_code(model['identity'])} at the place that the configuration names.\n"
        )
    if model["source"]["kind"] == "hugging_face":
        name, revision = (markdown_code(model["source"][key]) for key in ("id", "revision"))
        yield (
            f"The model is fetched from the Hugging Face hub: {name} at {revision}. Where it is gated, HF_TOKEN must "
            "hold a token with access.\n"
        )


def _what_must_match(
    plan: Mapping[str, Any], environment: Mapping[str, Any], statistics: Mapping[str, Any]
) -> Iterator[str]:
    yield "## What must match\n"
    yield "Figures move with these; on another machine expect the order of the engines at most.\n"
    yield "| | here |"
    yield "| --- | --- |"
    for path, words in MUST_MATCH:
        value: Any = environment
        for key in path:
            value = None if value is None else value[key]
        dotted = ".".join(path)
        reason = environment["absent"].get(dotted) or environment["absent"].get(path[0])
        yield f"| {words} | {markdown(value) if value is not None else f'not known: {markdown(reason or dotted)}'} |"
    for device in (environment["gpu"] or {"devices": []})["devices"]:
        yield f"| GPU {device['index']} | {markdown(gpu_name(device))} |"
    yield f"| model | {markdown(plan['model']['name'])}, identity {markdown_code(plan['model']['identity'])} |"
    for engine in environment["engines"]:
        told = next((one for one in statistics["engines"] if one["name"] == engine["engine"]), None)
        yield f"| engine {markdown(engine['engine'])} | {_engine_build(engine)}{_inside(told)} |"
    yield ""
    yield (
        "A launch's identity is the hash of all that determines it in software; the same identity means the same "
        "program, model, workload and settings.\n"
    )
    identities = {(launch["engine"], launch["workload"], launch["identity"]) for launch in plan["order"]}
    rows = [(engine_name, workload, markdown_code(identity)) for engine_name, workload, identity in sorted(identities)]
    yield from markdown_table(("engine", "workload", "identity"), rows)
    yield ""


def _inside(told: Mapping[str, Any] | None) -> str:
    """What ran inside the adapter, by the engine's own words."""
    if told is None or told["version"] is None:
        return ""
    facts = [f"{markdown(name)} {markdown_code(text)}" for name, text in told["build_told"].items()]
    return "; ".join(["", f"inside: version {markdown_code(str(told['version']))}", *facts])


def _engine_build(engine: Mapping[str, Any]) -> str:
    build = engine["build"]
    if build is None:
        return markdown(engine["build_reason"])
    if build["status"] != "built":
        return f"{markdown(build['status'])}: {markdown(build['reason'])}"
    made_with = build["compiler"] or f"Python {build['python']}"
    source, lock = (markdown_code(build[key][:12]) for key in ("source_sha256", "lock_sha256"))
    return f"{markdown(made_with)}, source {source}, lock {lock}"


def _what_to_expect(statistics: Mapping[str, Any]) -> Iterator[str]:
    level, results = statistics["settings"]["confidence_level"], Results(statistics)
    yield "## What to expect\n"
    yield (
        f"Typical values over launches with their {percent(level)} intervals. The interval is for the true value on "
        "this machine; that of an equal repeat has an error of its own and lies within a 95 % interval in about "
        f"{CAPTURE_PERCENT} % of cases.\n"
    )
    rows = []
    for cell in statistics["cells"]:
        for name in EXPECTED_METRICS if cell["case"] is not None else ():
            numbers, place = cell["metrics"][name], Cell(cell["workload"], cell["case"])
            estimate = results.estimate(cell["engine"], place, name)
            unknown = f"not known: {markdown(numbers['reason'])}"
            shown = Markdown(unknown if estimate is None else estimate_text(estimate, numbers["unit"]))
            rows.append((cell["engine"], place_of(results, place), BY_NAME[name].label, shown))
    yield from markdown_table(("engine", "workload", "metric", "here"), rows)
    yield ""


def _configuration(plan: Mapping[str, Any]) -> Iterator[str]:
    yield "## The configuration\n"
    yield "With all defaults filled in; `campaign.yaml` of the commands above.\n"
    yield fenced(configuration_text(plan).rstrip(), "yaml")


def configuration_text(plan: Mapping[str, Any]) -> str:
    """Content of campaign.yaml: the campaign's configuration with all defaults."""

    def dumped(allow_unicode: bool) -> str:
        return yaml.safe_dump(plan["config"], sort_keys=False, allow_unicode=allow_unicode, width=110)

    text = dumped(True)
    return text if visible(text.rstrip()) == text.rstrip() else dumped(False)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
