"""statistical_summary.json: engines, cells, comparisons, control and warnings of one campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.checked import NOT_CHECKABLE
from benchmark_runner.configuration.load import case_name, group_of
from benchmark_runner.jsonio import value_at
from benchmark_runner.records.table import tokens_an_iteration
from benchmark_runner.statistics import absences
from benchmark_runner.statistics.capacity import Capacities
from benchmark_runner.statistics.carry_over import carry_over, carry_over_cautions
from benchmark_runner.statistics.cautions import all_cautions, split_cautions
from benchmark_runner.statistics.cells import describe
from benchmark_runner.statistics.client import Client, client_cautions, passes_cautions
from benchmark_runner.statistics.clock import STAMPED, step_ns
from benchmark_runner.statistics.comparison_document import Writer, families_json
from benchmark_runner.statistics.comparisons import Measured, compare_all, undisturbed
from benchmark_runner.statistics.dependence import widen
from benchmark_runner.statistics.families import CampaignPairs
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements, own_load
from benchmark_runner.statistics.looks import FIRST_LOOK, Looks
from benchmark_runner.statistics.losses import loss_words, lost_in, reason_words
from benchmark_runner.statistics.machine_cautions import machine_cautions
from benchmark_runner.statistics.machines import by_machine, levelled
from benchmark_runner.statistics.metrics import BY_NAME, PRIMARY, Metric
from benchmark_runner.statistics.modes import mode_cautions
from benchmark_runner.statistics.refusal_cautions import refusal_cautions
from benchmark_runner.statistics.samples import CellKey, Sample, each_sample
from benchmark_runner.statistics.settings import joined, settings_by_workload
from benchmark_runner.statistics.stages import Stages, stage_samples
from benchmark_runner.statistics.until import until_json
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN
from benchmark_runner.statistics.work import Work

SCHEMA_VERSION: Final = 2
ANALYSIS_VERSION: Final = 6
"""Goes up when the same measurements would give other numbers or verdicts."""


LONGEST_BUILD_TEXT: Final = 200
"""Characters; longer ones are no name, hash or list of flags (chosen)."""


def _agreed(launches: list[MeasuredLaunch], key: str) -> Any:
    """Value on which launches agree; None where none has it, all values joined where they differ."""
    return joined(value_at(launch.record, key) for launch in launches)


def build_told(launches: list[MeasuredLaunch]) -> dict[str, str]:
    """What the engine says was built how (hello.build), as short texts: the program inside an adapter among it."""
    told = [value_at(launch.record, "hello.build") or {} for launch in launches]
    names = dict.fromkeys(name for build in told for name in build)
    agreed = {name: str(joined(_short_text(build.get(name)) for build in told) or "") for name in names}
    return {name: text for name, text in agreed.items() if text}


def _short_text(value: Any) -> str | None:
    """A value that fits a line; None for what does not, as a page of help."""
    if isinstance(value, (list, dict)) or value is None:
        return None
    text = str(value)
    return text if text and len(text) <= LONGEST_BUILD_TEXT and "\n" not in text else None


def _gpus(launches: list[MeasuredLaunch]) -> list[dict[str, Any]]:
    """The GPUs that launches computed on, each once: {name, uuid}, of which the driver may tell one alone."""
    told = [value_at(launch.record, "gpu") for launch in launches]
    found = dict.fromkeys((one["name"], one["uuid"]) for one in told if one)
    return [{"name": name, "uuid": uuid} for name, uuid in found]


def engine_status(engine: EngineData, planned: int) -> tuple[str, str | None, str | None]:
    """(status, reason, remedy): ok, partial, missing, or the status that all launches ended with (failed if
    several)."""
    good, bad = len(engine.ok()), [launch for launch in engine.launches if not launch.ok]
    if good == planned and planned > 0:
        return "ok", None, None
    if not engine.launches:
        return "missing", "none of its launches is in the results folder", "Run the campaign"
    if not bad:
        return "partial", f"{planned - good} of {planned} launches are not in the results folder", "Run the campaign"
    remedies = dict.fromkeys(str(launch.record["remedy"]).rstrip(".") for launch in bad if launch.record["remedy"])
    remedy = ". ".join(remedies) or None
    if good:
        alike: dict[str, list[str]] = {}
        for workload, words in lost_in(engine.launches).items():
            alike.setdefault(words, []).append(workload)
        return "partial", "; ".join(f"in {', '.join(names)}: {words}" for words, names in alike.items()), remedy
    statuses = {launch.status for launch in bad}
    return (statuses.pop() if len(statuses) == 1 else "failed"), reason_words(bad), remedy


def engine_json(inputs: Measurements, engine: EngineData) -> dict[str, Any]:
    """One entry of `engines`."""
    refused = inputs.refused[engine.name]
    planned = sum(slot["engine"] == engine.name and slot["workload"] not in refused for slot in inputs.plan["order"])
    engine = engine.without(refused)
    status, reason, remedy = engine_status(engine, planned)
    good = engine.ok()
    configured = next(entry for entry in inputs.plan["engines"] if entry["name"] == engine.name)
    return {
        "name": engine.name,
        "control_of": engine.control_of,
        "device": joined(launch.device for launch in good),
        **({"gpus": gpus} if (gpus := _gpus(good)) else {}),
        "dtype": _agreed(good, "load.compute_dtype") or configured["dtype"],
        "threads": joined(own_load(launch.record).get("threads") for launch in good),
        "version": _agreed(good, "hello.version"),
        "build_told": build_told(good),
        "planned_launches": planned,
        "launches": dict(Counter(launch.status for launch in engine.launches)),
        "lost_launches": loss_words(engine.launches),
        **({"lost_by_workload": told} if (told := _lost_by_workload(engine)) else {}),
        **({"lost_in": lost_in(engine.launches)} if good and told else {}),
        **({"refused_loads": refused} if refused else {}),
        **({"not_asked": left_out} if (left_out := inputs.not_asked[engine.name]) else {}),
        **({"process_here": _process_here(good)} if engine.name in inputs.not_restarted else {}),
        "launch_seconds": {name: inputs.launch_seconds(engine.name, name) for name in inputs.workloads},
        "status": status,
        "reason": reason,
        "remedy": remedy,
        "fidelity": {
            "result": engine.fidelity.get("result", NOT_CHECKABLE),
            "detail": engine.fidelity.get("reason"),
            **({"at_once": engine.fidelity["at_once"]["result"]} if "at_once" in engine.fidelity else {}),
        },
    }


def _lost_by_workload(engine: EngineData) -> dict[str, str]:
    names = dict.fromkeys(launch.workload for launch in engine.launches)
    return {name: words for name in names if (words := loss_words(engine.of(name)))}


def _process_here(launches: list[MeasuredLaunch]) -> bool:
    """Whether the process of a server that already ran was found on this host in any of its passes."""
    return any(value_at(launch.record, "server.process") is not None for launch in launches)


def _blank_cell(engine: str, workload: str, case: str | None) -> dict[str, Any]:
    return {"engine": engine, "workload": workload, "case": case, "launches": 0, "iterations": 0, "metrics": {}}


def _samples(inputs: Measurements, iterations: Path, stages: Stages) -> Iterator[tuple[CellKey, Metric, Sample]]:
    """Every (cell, metric, sample): iterations, whole launches, stages."""
    yield from each_sample(inputs, iterations)
    for engine in inputs.engines.values():
        for place in inputs.loads:
            for name, sample in stage_samples(stages, inputs, (engine.name, *place)).items():
                yield (engine.name, *place), BY_NAME[name], sample


def measure(inputs: Measurements, iterations: Path, client: Client) -> tuple[list[dict[str, Any]], Measured]:
    """(cells, launch values and descriptions for the comparisons)."""
    values: dict[tuple[CellKey, str], Mapping[int, float]] = {}
    kept: dict[tuple[CellKey, str], Mapping[int, float]] = {}
    alike: dict[tuple[CellKey, str], Mapping[int, float]] = {}
    described: dict[tuple[CellKey, str], dict[str, Any]] = {}
    cells: dict[CellKey, dict[str, Any]] = {}
    steps: dict[CellKey, int] = {}
    for key, metric, sample in _samples(inputs, iterations, client.stages):
        values[key, metric.name] = sample.by_block()
        if metric.name in STAMPED:
            steps[key] = step_ns(sample.values, steps.get(key, 0))
        machines = inputs.machine_by_block(key[0], key[1])
        alike[key, metric.name] = levelled(values[key, metric.name], machines)
        numbers = describe(metric, sample, alike[key, metric.name], inputs.level, machines)
        kept[key, metric.name] = sample.cleaned.by_block()
        undefined = absences.of_cell(metric, numbers, overlapping=not sample.in_sequence)
        described[key, metric.name] = {**numbers, "undefined": undefined}
        engine, workload, case = key
        cell = cells.setdefault(key, _blank_cell(engine, workload, case))
        cell["metrics"][metric.name] = described[key, metric.name]
        cell["launches"] = max(cell["launches"], numbers["launches"])
        if metric.name == PRIMARY and (told := by_machine(values[key, PRIMARY], machines)):
            cell["by_machine"] = told
        if metric.level == "iteration":
            cell["iterations"] = max(cell["iterations"], numbers["iterations"])
    for name in {name for _, name in values}:
        widen(((described[one], series) for one, series in alike.items() if one[1] == name and series), inputs.level)
    work = {key: Work(*tokens) for key, tokens in tokens_an_iteration(iterations).items()}
    for (engine, workload, case), cell in cells.items():
        done = work.get((engine, workload, case or ""))
        cell["prompt_tokens"], cell["answer_tokens"] = done or (None, None)
    loads = {
        key: client.cell_json(inputs, key, described[key, "ttft_ms"]["median"])
        for key in cells
        if (key[1], key[2] or "") in inputs.loads
    }
    for key, load in loads.items():
        cells[key]["load"] = load
    calm = undisturbed(values, inputs.launches)
    settings = settings_by_workload(inputs, work)
    measured = Measured(values, kept, calm, described, settings, work, steps, client, loads)
    return list(cells.values()), measured


def _settings(inputs: Measurements) -> dict[str, Any]:
    keys = ("confidence_level", "outlier_threshold", "remove_outliers", "significance_test")
    return {**{key: inputs.settings[key] for key in keys}, "equivalence_margin": EQUIVALENCE_MARGIN}


def _metrics(inputs: Measurements) -> dict[str, Any]:
    told = ("unit", "better", "level", "label", "definition")
    return {metric.name: {key: getattr(metric, key) for key in told} for metric in inputs.metrics}


def _searched(inputs: Measurements) -> dict[str, Any]:
    """What pilots have found, in words by workload, with the test case where there are several; nothing where no levels
    were searched."""
    told = {}
    for entry in (one for one in inputs.plan["workloads"] if "search" in one):
        groups = {group_of(case["name"]) for case in entry["cases"]}
        found = {case_name(number): grid["words"] for number, grid in entry["search"]["cases"].items()}
        told[entry["name"]] = [f"{name}: {words}" if name in groups else words for name, words in found.items()]
    return {"searched": told} if told else {}


def _under_load(inputs: Measurements, client: Client, pairing: CampaignPairs, *, alarm: bool) -> dict[str, Any]:
    """Sections that only a campaign with load has."""
    if not inputs.loads:
        return {}
    capacities = Capacities(inputs, client.stages, pairing, alarm=alarm)
    return {
        "load": {"slo": inputs.settings.get("slo"), "calibration": client.calibration, **_searched(inputs)},
        "capacity": {"engines": list(capacities.rows()), "comparisons": capacities.comparisons()},
    }


def summarise(
    inputs: Measurements, iterations: Path, looks: Sequence[Looks] = (FIRST_LOOK,), client: Client | None = None
) -> dict[str, Any]:
    """Content of statistical_summary.json; looks says how often these launches were looked at before, with all planned
    ones in turn, client what is known of the stages of load."""
    client = client or Client()
    cells, measured = measure(inputs, iterations, client)
    compared = compare_all(inputs, measured, [CampaignPairs(inputs, look) for look in looks])
    carried = carry_over(inputs.launches, measured.values)
    of_launches = [
        *mode_cautions(compared.modes[PRIMARY], cells),
        *carry_over_cautions(carried),
        *machine_cautions(inputs),
    ]
    of_launches += [*client_cautions(cells, client.calibration), *passes_cautions(inputs), *refusal_cautions(inputs)]
    pairing = CampaignPairs(inputs, looks[-1])
    of_launches += split_cautions(pairing.split_blocks)
    writer = Writer(inputs, measured, compared, carried=bool(carried["carried"]))
    comparisons = list(writer.comparisons())
    alarm = compared.heeded[PRIMARY].alarm
    control = writer.control(comparisons)
    engine_settings = [{"workload": name, "settings": entries} for name, entries in measured.settings.items()]
    return {
        "schema_version": SCHEMA_VERSION,
        "analysis_version": ANALYSIS_VERSION,
        "campaign": inputs.plan["campaign"],
        "settings": _settings(inputs),
        "metrics": _metrics(inputs),
        "engines": [engine_json(inputs, engine) for engine in inputs.engines.values()],
        "engine_settings": engine_settings,
        "cells": cells,
        "families": families_json(inputs, compared.primary, looks[-1]),
        "comparisons": comparisons,
        "control": control,
        "carry_over": carried,
        "until": until_json(inputs, compared.primary, looks[-1]),
        "warnings": all_cautions(inputs, engine_settings, cells, comparisons, control, of_launches),
        **_under_load(inputs, client, pairing, alarm=alarm),
        "undefined": {} if control else {"control": "benchmark.control is false"},
    }
