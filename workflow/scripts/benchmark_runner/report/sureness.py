"""The panel "How sure is that?": fidelity, control, launches, disturbances, settings, and what was not measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup

from benchmark_runner.checked import NOT_CHECKABLE, PASS, ROUNDING
from benchmark_runner.display import milliseconds, plural
from benchmark_runner.report.figures import figure, span
from benchmark_runner.report.forest import times
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import as_sentence
from benchmark_runner.statistics.client import has_client
from benchmark_runner.statistics.disturbances import is_disturbed
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.settings import shown

MARKS: Final = {"good": "✓", "doubt": "!", "absent": "\N{EN DASH}"}
NAMES_SHOWN: Final = 4
SETTINGS_SHOWN: Final = 2  # that differ; the section below has all


UNCHECKED: Final = NOT_CHECKABLE
"""Result of an engine that is its own reference."""


@dataclass(frozen=True)
class Ground:
    """One reason to trust the answer or not; link is the id of the section that tells more."""

    kind: Literal["good", "doubt", "absent"]
    text: Markup | str
    link: str

    @property
    def mark(self) -> str:
        """Its sign, so that colour is never the only one."""
        return MARKS[self.kind]


def grounds(inputs: ReportInputs) -> list[Ground]:
    """All of them, in the order of the panel."""
    return [
        fidelity_ground(inputs),
        control_ground(inputs),
        *launch_grounds(inputs),
        _settings(inputs),
        *_machines(inputs),
        *_client(inputs),
        _not_measured(inputs),
    ]


def fidelity_ground(inputs: ReportInputs) -> Ground:
    """How many engines computed the same; one that the others are held against is not counted itself where nothing else
    checks it, and then no engine is known to compute the model."""
    engines = [engine for engine in inputs.statistics["engines"] if engine["control_of"] is None]
    reference, whom, at_once = inputs.plan["fidelity"].get("reference"), "the reference", _grouped(engines, "at_once")
    others_than = [engine for engine in engines if engine["name"] != reference]
    unchecked = any(one["name"] == reference and one["fidelity"]["result"] == UNCHECKED for one in engines)
    if others_than and unchecked:
        engines, whom = others_than, f"{reference}, which itself is not checked"
    by_result = _grouped(engines, "result")
    same = sum(len(by_result.pop(result, ())) for result in (PASS, ROUNDING))
    tokens = max((found.get("tokens_checked") or 0 for found in inputs.fidelity), default=0)
    counted = f", {tokens:,} tokens each" if tokens else ""
    agree = "agrees" if len(engines) == 1 else "agree"
    text = f"Same model: {same} of {plural(len(engines), 'engine')} {agree} with {whom}{counted}"
    told = [f"{result}: {_few(names)}" for result, names in by_result.items()]
    told += [
        f"several requests at once against one by one: {result}: {_few(names)}"
        for result, names in at_once.items()
        if result not in ("equal", ROUNDING)
    ]
    others = "; ".join(told)
    kind: Literal["good", "doubt"] = "doubt" if others or unchecked else "good"
    return Ground(kind, f"{text}; {others}" if others else text, "fidelity")


def _grouped(engines: Sequence[Document], key: str) -> dict[str, list[str]]:
    """Names of the engines by what their check of fidelity says there; without those of which it says nothing."""
    found: dict[str, list[str]] = {}
    for engine in engines:
        if key in engine["fidelity"]:
            found.setdefault(engine["fidelity"][key], []).append(engine["name"])
    return found


def _few(names: Sequence[str]) -> str:
    """The names, or their number where they would fill the panel."""
    return ", ".join(names) if len(names) <= NAMES_SHOWN else plural(len(names), "engine")


def control_ground(inputs: ReportInputs) -> Ground:
    """How far the control differed from itself, and where most."""
    control = inputs.statistics["control"]
    if control is None:
        return Ground("absent", "No control ran: what this machine does by itself is not known", "control")
    tested = [place for place, cell in enumerate(control["cells"]) if cell["ratio"] is not None]
    if not tested:
        return Ground("absent", "The control could not be tested", "control")
    cells = control["cells"]
    worst = max(tested, key=lambda place: abs(math.log(cells[place]["ratio"]["point"])))
    path = ("control", "cells", worst, "ratio")
    ratio = figure(inputs, "statistics", *path, "point", show=times)
    low, high = (figure(inputs, "statistics", *path, end) for end in ("low", "high"))
    interval = Markup(" ({})").format(span(low, high)) if low and high else ""
    place = Cell(cells[worst]["workload"], cells[worst]["case"])
    where = f" in {place_of(inputs.results, place)}" if len(tested) > 1 else ""
    differs = any(cell["differs"] for cell in cells)
    words = "so every verdict allows for it" if differs else "within chance"
    text = Markup("Control: {} against itself {}{}{}, {}").format(control["twin"], ratio, interval, where, words)
    return Ground("doubt" if differs else "good", text, "control")


def launch_grounds(inputs: ReportInputs) -> Iterator[Ground]:
    """How many launches ended well, how many an engine refused, until when it was measured, and disturbances."""
    planned = sum(engine["planned_launches"] for engine in inputs.statistics["engines"])
    ended = sum(engine["launches"].get("ok", 0) for engine in inputs.statistics["engines"])
    planned = max(planned, ended)
    text = f"{ended:,} of {plural(planned, 'launch')} ended well, in a random order balanced for who follows whom"
    refused = {engine["name"]: engine.get("refused_loads", {}) for engine in inputs.statistics["engines"]}
    if left := sum(record["workload"] in refused.get(record["engine"], {}) for record in inputs.records):
        text += f"; {left:,} more were not started, since an engine does not serve their load"
    yield Ground("good" if ended == planned else "doubt", text, "launches")
    if (until := inputs.statistics["until"]) is not None:
        yield Ground("good", as_sentence(until["sentence"], inputs), "launches")
    disturbed = sum(is_disturbed(record) for record in inputs.records if record["status"] == "ok")
    text = f"{disturbed:,} of {plural(ended, 'launch')} were disturbed by other programs or the machine"
    if ended:
        yield Ground("doubt", text, "warnings") if disturbed else Ground("good", "No launch was disturbed", "launches")


def _settings(inputs: ReportInputs) -> Ground:
    differing: dict[str, Document] = {}
    for workload in inputs.statistics["engine_settings"]:
        differing |= {entry["setting"]: entry for entry in workload["settings"] if entry["differs"]}
    if not differing:
        return Ground("good", "No setting is known to differ between the engines", "settings")
    entries = list(differing.values())
    twins = {engine["name"] for engine in inputs.statistics["engines"] if engine["control_of"] is not None}
    words = [f"{entry['label']} ({_by_value(entry, twins)})" for entry in entries[:SETTINGS_SHOWN]]
    more = len(entries) - len(words)
    text = f"Settings differ: {', '.join(words)}" + (f" and {more} more" if more else "")
    return Ground("doubt", text, "settings")


def _machines(inputs: ReportInputs) -> Iterator[Ground]:
    """Of a campaign on several machines, whether ratios of engines differ from one to the other."""
    spread = [cell["by_machine"] for cell in inputs.statistics["cells"] if cell.get("by_machine")]
    names = dict.fromkeys(one["machine"] for there in spread for one in there)
    primary = [one for one in inputs.statistics["comparisons"] if one["kind"] == "primary"]
    differ = sum("machine_ratios" in one for one in primary)
    if not names or not primary:
        return
    if differ:
        text = f"The {len(names)} machines differ in {differ} of {plural(len(primary), 'ratio')}: verdicts hold on each"
        yield Ground("doubt", text, "comparison")
    elif all(sum(one["launches"] for one in there) == len(there) for there in spread):
        text = f"{len(names)} machines with one launch each: nothing tells whether ratios differ between them"
        yield Ground("doubt", text, "comparison")
    else:
        text = f"{len(names)} machines: no ratio of two engines differs between them by more than chance"
        yield Ground("good", text, "comparison")


def _by_value(entry: Document, twins: set[str]) -> str:
    """Values of a setting, each with its engines but for controls."""
    engines: dict[str, list[str]] = {}
    for name, value in entry["values"].items():
        if name not in twins:
            engines.setdefault(shown(value), []).append(name)
    return "; ".join(f"{value}: {_few(names)}" for value, names in engines.items())


def _client_error(inputs: ReportInputs) -> Ground:
    calibration = inputs.statistics["load"]["calibration"]
    if calibration is None:
        return Ground("absent", "The load client was not calibrated: its own error is not known", "warnings")
    first, gaps = (
        figure(inputs, "statistics", "load", "calibration", name, "p99", show=milliseconds)
        for name in ("ttft_bias_ms", "gap_error_ms")
    )
    words = "The load client is off by up to {} at the first token and {} at a gap (p99, {} streams to a stub)"
    return Ground("good", Markup(words).format(first, gaps, calibration["streams"]), "load")


def _client(inputs: ReportInputs) -> Iterator[Ground]:
    """The load client's own error where one took part, and which levels are marked; nothing without load."""
    loaded = [cell for cell in inputs.statistics["cells"] if cell.get("load")]
    if not loaded:
        return
    asked = any(has_client(cell["load"]) for cell in loaded)
    if asked:
        yield _client_error(inputs)
    marks = Counter(name.replace("_", " ") for cell in loaded for name in cell["load"]["gates"])
    marked = sum(bool(cell["load"]["gates"]) for cell in loaded)
    told = ", ".join(f"{name} {count}" for name, count in marks.items())
    if marked:
        yield Ground("doubt", f"{marked} of {plural(len(loaded), 'level')} of an engine are marked: {told}", "warnings")
    else:
        kept = ", and the client kept up" if asked else ""
        yield Ground("good", f"Under load all requests ended well{kept}", "load")


def _not_measured(inputs: ReportInputs) -> Ground:
    """What nothing on this page speaks of: the GPU, energy, load, longer prompts."""
    cells: Sequence[Document] = inputs.statistics["cells"]
    gpu = any(engine["device"] not in (None, "", "cpu") for engine in inputs.statistics["engines"])
    energy = any(
        numbers["median"] is not None
        for cell in cells
        for name, numbers in cell["metrics"].items()
        if name == "energy_joules_per_token"
    )
    prompts = [cell["prompt_tokens"] for cell in cells if cell.get("prompt_tokens") is not None]
    parts = [
        "" if gpu else "GPU",
        "" if energy else "energy",
        "" if inputs.loaded_workloads else "more than one request in flight",
        f"prompts beyond {plural(int(max(prompts)), 'token')}" if prompts else "",
    ]
    return Ground("absent", f"Not measured: {', '.join(part for part in parts if part)}", "environment")
