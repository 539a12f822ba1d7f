"""What the page's own scripts draw below the first screen, as one JSON document; filters choose from it."""

from __future__ import annotations

from typing import Any

from benchmark_runner.configuration.load import group_of
from benchmark_runner.report import timeline
from benchmark_runner.report.explorer import explorer
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.pairs import pair_groups
from benchmark_runner.report.readings import readings
from benchmark_runner.statistics.levels import load_words
from benchmark_runner.statistics.wording import VERDICTS


def page_data(inputs: ReportInputs) -> dict[str, Any] | None:
    """Engines, places, metrics, pairs, costs, launches and requests; None where no iteration was measured."""
    if inputs.iterations.empty:
        return None
    groups = pair_groups(inputs)
    labels = inputs.statistics["metrics"]
    # An engine that nobody is compared with has its distributions all the same.
    metrics = {group["metric"] for group in groups} or {
        name for cell in inputs.statistics["cells"] for name in cell["metrics"]
    }
    return {
        "engines": [
            {
                "name": engine["name"],
                "colour": inputs.signs[engine["name"]].colour,
                "mark": inputs.signs[engine["name"]].mark,
                "control": engine["control_of"],
            }
            for engine in inputs.engines
        ],
        "places": [
            {
                "workload": workload["name"],
                "case": case["name"],
                **_place(inputs, workload, case),
            }
            for workload in inputs.plan["workloads"]
            for case in workload["cases"]
        ],
        "metrics": [{"name": name, "label": labels[name]["label"]} for name in labels if name in metrics],
        "verdicts": {
            name: {"label": words.label, "tone": words.tone, "signs": words.signs, "meaning": words.meaning}
            for name, words in VERDICTS.items()
        },
        "groups": groups,
        "costs": explorer(inputs),
        "time": timeline.launches(inputs),
        "drifts": timeline.drifts(inputs),
        "requests": timeline.requests(inputs),
        "monitor": readings(inputs),
    }


def _place(inputs: ReportInputs, workload: Document, case: Document) -> dict[str, str]:
    """label of a place, and group and level: what the filters name apart where a test case is a level of load."""
    label, load = inputs.places[workload["name"], case["name"]], case.get("load")
    if load is None:
        return {"label": label, "group": label, "level": ""}
    named = group_of(case["name"])
    group = f"{workload['name']}, {named}" if named else workload["name"]
    return {"label": label, "group": group, "level": load_words(load)}
