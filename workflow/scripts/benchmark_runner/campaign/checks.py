"""What a configuration names and must be there before anything is built: programs, the model, room for the prompts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.asking import left_out, untested
from benchmark_runner.campaign.context import Context, prompt_problems, window_problems
from benchmark_runner.campaign.engines import campaign_engines
from benchmark_runner.campaign.machine import refused, this_machine
from benchmark_runner.campaign.paths import OUTPUT_DIR, path_problems
from benchmark_runner.campaign.workloads import planned_workload
from benchmark_runner.configuration.files import Problem
from benchmark_runner.configuration.load import cell_count, has_load
from benchmark_runner.configuration.messages import closest
from benchmark_runner.configuration.names import entries
from benchmark_runner.configuration.resolve import Examined, examine
from benchmark_runner.configuration.search import is_searched_workload
from benchmark_runner.display import plural
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.checkpoint import read_checkpoint
from benchmark_runner.model.recipes import PREFIX, RECIPES, HubModel, synthetic_models
from benchmark_runner.model.source import read_source
from benchmark_runner.namedfile import read_named_data
from benchmark_runner.protocol.draw import by_file, require_room, shares
from benchmark_runner.statistics.design import design_of

PATH_SIMILARITY: Final = 0.8
"""As messages.SIMILARITY, but higher: names of models and programs share endings (chosen)."""


def missing_binaries(examined: Examined, engines_folder: Path) -> Iterator[Problem]:
    """Engines that take part and whose program is nowhere to be had."""
    adapters = sorted(path.parent.name for path in engines_folder.glob("*/adapter.yaml"))
    for index, engine in entries(examined.config, "engines"):
        binary = engine.get("binary_path")
        if not isinstance(binary, str) or not binary or not examined.takes_part(engine):
            continue
        path = Path(os.path.normpath(binary))
        if path.is_file() or path.name in adapters:
            continue
        match = closest(path.name, adapters, PATH_SIMILARITY)
        hint = f"did you mean {str(path.with_name(match))!r}?" if match else f"those are {', '.join(adapters)}."
        yield (
            ["engines", index, "binary_path"],
            f"{binary!r} is no file, and no adapter of the workflow builds it; {hint} "
            "Or name a program of yours that speaks the protocol",
        )


def _no_folder(path: Path) -> str:
    """Message for a model path where nothing is, with the nearest model that is there or can be made."""
    parent = path.parent
    beside = [entry.name for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
    match = closest(path.name, [*beside, *RECIPES, *synthetic_models()], PATH_SIMILARITY)
    hint = f"did you mean {str(path.with_name(match))!r}? Or " if match else ""
    return (
        f"{str(path)!r} is no folder; {hint}put a Hugging Face Llama checkpoint there (config.json, tokenizer.json, "
        f"*.safetensors), let it be fetched (benchmark.hugging_face), or use the embedded model: "
        f"--config model_path=./models/{next(iter(RECIPES))}"
    )


def _no_shape(path: Path) -> str:
    shapes = [name.removeprefix(PREFIX) for name in synthetic_models()]
    return f"{str(path)!r} asks for a synthetic model of an unknown shape; the shapes are {', '.join(shapes)}"


def fetched_context(folder: Path, hub: Mapping[str, str]) -> Context | None:
    """Context of a model of the hub where it is here already; raises BenchmarkError where another model is there."""
    if folder.name in RECIPES or folder.name in synthetic_models():
        raise BenchmarkError(
            f"{str(folder)!r} is the name of a model that the workflow makes; name another folder for what is fetched"
        )
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    stored = read_source(folder)
    asked = HubModel(hub["id"], hub["revision"])
    if stored is None or stored["source"]["kind"] != asked.source()["kind"]:
        raise BenchmarkError(
            f"{str(folder)!r} is a folder that was not fetched from the hub; name another folder, "
            "or leave benchmark.hugging_face out"
        )
    return model_folder_context(folder) if stored["identity"] == asked.identity else None


def model_context(path: Path) -> Context:
    """Context of the model at path, by its headers alone; raises BenchmarkError where it is no model."""
    folder = Path(os.path.normpath(path))
    can_be_made = RECIPES.get(folder.name) or synthetic_models().get(folder.name)
    if can_be_made is not None:
        made = (folder / "tokenizer.json").is_file()
        return Context(can_be_made.context_length, folder if made else None)
    if not folder.is_dir():
        raise BenchmarkError(_no_shape(folder) if folder.name.startswith(PREFIX) else _no_folder(folder))
    return model_folder_context(folder)


def model_folder_context(folder: Path) -> Context:
    """Context of a model that is there; raises BenchmarkError where it is no model or its parts do not fit."""
    return Context(read_checkpoint(folder).architecture.context_length, folder)


def _text_at(config: dict[str, Any], section: str, key: str) -> str | None:
    content = config.get(section)
    text = content.get(key) if isinstance(content, dict) else None
    return text if isinstance(text, str) and text else None


def campaign_problems(examined: Examined, engines_folder: Path, *, here: bool = True) -> list[Problem]:
    """Problems of what the configuration names; what has not the right shape is passed over, it has its message.

    here says whether launches run on this machine.
    """
    config = examined.config
    problems = path_problems(config, engines_folder.parent)
    if any(key_path != OUTPUT_DIR for key_path, _ in problems):
        return problems  # such paths are not even looked for
    problems += missing_binaries(examined, engines_folder)
    prices = _text_at(config, "business", "prices")
    if prices is not None:
        try:
            read_named_data(Path(prices))
        except BenchmarkError as error:
            message = f"{prices!r} is no price catalogue: {error}, or leave the key out"
            problems.append((["business", "prices"], message))
    path, context = _text_at(config, "benchmark", "model_path"), None
    hub_is_sound = not any(list(key_path[:2]) == ["benchmark", "hugging_face"] for key_path, _ in examined.problems)
    if path is not None and hub_is_sound:
        hub = config["benchmark"].get("hugging_face")
        try:
            context = fetched_context(Path(os.path.normpath(path)), hub) if hub else model_context(Path(path))
        except BenchmarkError as error:
            problems.append((["benchmark", "model_path"], str(error)))
    problems += prompt_problems(config, context)
    if not examined.problems:
        problems += window_problems(config, context)
    system_is_sound = not any(list(key_path[:1]) == ["system"] for key_path, _ in examined.problems)
    if here and system_is_sound and config["system"]["strict"]:
        problems += refused(config["system"], this_machine(config["system"]))
    return problems


def _untested(examined: Examined, engines_folder: Path) -> int:
    """Comparisons that are not made; 0 without looking at engines where no workload has load."""
    workloads = [workload for workload in examined.config["workloads"] if has_load(workload)]
    planned = [planned_workload(workload, 1, 1) for workload in workloads]
    engines = campaign_engines(examined.chosen(), engines_folder) if planned else []
    described = [engine.describe() for engine in engines]
    return untested({"engines": described, "workloads": planned, "not_asked": left_out(engines, planned)})


def short_prompts(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Texts of so many tokens that cannot be arranged anew for each request under load, and files of too few prompts.

    The configuration must have no other problem. Other texts are counted by the stage that encodes them.
    """
    for w, workload in entries(config, "workloads"):
        planned = planned_workload(workload, 1, 1)["cases"] if has_load(workload) else []
        counted = [case for case in planned if case["prompt"]["kind"] == "tokens"]
        try:
            require_room([(range(case["prompt"]["count"]), case) for case in counted])
        except BenchmarkError as error:
            yield ["workloads", w], str(error)
        # How many prompts levels take that are still to be found is told when they are.
        for by_place in [] if is_searched_workload(workload) else by_file(planned).values():
            of_file = [*by_place.values()]
            prompt = of_file[0]["prompt"]
            try:
                shares(prompt["lines"], of_file)
            except BenchmarkError as error:
                yield ["workloads", w], f"prompts_file {prompt['path']!r}: {error}"


def underpowered(examined: Examined, engines_folder: Path) -> Iterator[Problem]:
    """The problem of a design that cannot answer, unless benchmark.allow_underpowered is true.

    The configuration must have no other problem.
    """
    config = examined.config
    benchmark = config["benchmark"]
    if benchmark["allow_underpowered"]:
        return
    engines = sum(examined.takes_part(engine) for engine in config["engines"])
    cells = sum(cell_count(workload["test_cases"]) for workload in config["workloads"])
    missing = _untested(examined, engines_folder)
    design = design_of(engines, cells, benchmark["launches"], config["analysis"], missing)
    if not design.can_answer:
        family = f"{plural(design.tests, 'comparison')} ({plural(engines, 'engine')} in {plural(cells, 'test case')})"
        key = "at_most" if design.until_decided else "launches"
        yield (
            ["benchmark", "launches", *(["at_most"] if design.until_decided else [])],
            f"{plural(design.launches, 'launch')} cannot tell anything apart: over {family} a verdict needs "
            f"{design.needed} or more. Set {key} to {design.advised} (one to spare, so that a lost launch costs no "
            "verdict), leave engines out (--config only_engines=…), or set benchmark.allow_underpowered: true to run "
            "it for its estimates, with every verdict untestable",
        )


def examine_whole(
    raw: Mapping[str, Any], engines_folder: Path, overrides: Mapping[str, Any] | None = None, *, here: bool = True
) -> Examined:
    """A merged configuration with every problem that can be found without building anything.

    here says whether launches run on this machine, which must then have what system.strict insists on.
    """
    examined = examine(raw, overrides)
    problems = [*examined.problems, *campaign_problems(examined, engines_folder, here=here)]
    if not problems:
        problems = [*short_prompts(examined.config), *underpowered(examined, engines_folder)]
    return examined._replace(problems=problems)
