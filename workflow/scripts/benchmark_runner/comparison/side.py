"""One of the two campaigns that are compared: what its results folder tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchmark_runner.jsonio import read_json
from benchmark_runner.records.raw_data import value_at
from benchmark_runner.records.table import tokens_an_iteration
from benchmark_runner.statistics.estimates import FloatArray
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements, read_inputs
from benchmark_runner.statistics.samples import CellKey, each_sample
from benchmark_runner.statistics.work import Work

Word = Literal["before", "after"]


@dataclass(frozen=True)
class LaunchValues:
    """One value a launch of a metric in a cell, with all iterations and without flagged ones; reason says why there are
    none."""

    values: FloatArray
    kept: FloatArray
    reason: str | None


@dataclass(frozen=True)
class SideFiles:
    """Where the files of one side lie: plan in its results folder; raw and fidelity hold one file an engine."""

    plan: Path
    environment: Path
    statistics: Path
    iterations: Path
    raw: Sequence[Path]
    fidelity: Sequence[Path]


@dataclass(frozen=True)
class Side:
    """A campaign with the word that names it; engines are those without the control, as "NAME before"."""

    word: Word
    folder: str
    inputs: Measurements
    environment: Mapping[str, Any]
    statistics: Mapping[str, Any]
    iterations: Path

    @cached_property
    def engines(self) -> dict[str, EngineData]:
        """Engines by their own name, with the side's word in the name that sentences use."""
        return {
            name: replace(engine, name=f"{name} {self.word}")
            for name, engine in self.inputs.engines.items()
            if engine.control_of is None
        }

    @cached_property
    def launches(self) -> list[MeasuredLaunch]:
        """Launches of the engines, under the names that engines have here."""
        return [replace(launch, engine=one.name) for one in self.engines.values() for launch in one.launches]

    @cached_property
    def workloads(self) -> dict[str, list[str]]:
        """Names of test cases by workload."""
        return {entry["name"]: [case["name"] for case in entry["cases"]] for entry in self.inputs.plan["workloads"]}

    def requests(self, workload: str) -> dict[str, Any]:
        """What each test case asked an engine for, as the first launch with a spec tells it; {} where none has one."""
        for launch in self.inputs.launches:
            cases = value_at(launch.record, "spec.cases")
            if launch.workload == workload and cases:
                return dict(zip(self.workloads[workload], cases, strict=True))
        return {}

    @cached_property
    def values(self) -> dict[tuple[CellKey, str], LaunchValues]:
        """Launch medians by cell and metric; raw values are let go one engine and workload after the other."""
        measured = {name: self.inputs.engines[name] for name in self.engines}
        return {
            (key, metric.name): LaunchValues(sample.launch_medians, sample.cleaned.launch_medians, sample.reason)
            for key, metric, sample in each_sample(measured, self.inputs.plan["workloads"], self.iterations)
        }

    @cached_property
    def work(self) -> dict[CellKey, Work]:
        """What an iteration computed, by cell."""
        return {key: Work(*tokens) for key, tokens in tokens_an_iteration(self.iterations).items()}

    @cached_property
    def _described(self) -> dict[CellKey, Mapping[str, Any]]:
        cells = self.statistics["cells"]
        return {(cell["engine"], cell["workload"], cell["case"]): cell["metrics"] for cell in cells}

    def qualifiers(self, cell: CellKey, metric: str) -> list[str]:
        """What speaks against a cell's launches: noisy, drift, not_steady."""
        told = self._described.get(cell, {}).get(metric)
        if told is None:
            return []
        marks = {
            "noisy": told["noisy"],
            "drift": (told["drift"] or {}).get("drifts"),
            "not_steady": (told["steady_state"] or {}).get("steady") is False,
        }
        return [mark for mark, holds in marks.items() if holds]

    def control_differs(self, workload: str) -> bool:
        """Whether the control was told from its twin in this workload."""
        control = self.statistics["control"]
        return control is not None and workload in control["differs_in"]


def read_side(word: Word, files: SideFiles) -> Side:
    """Read one side. Raises BenchmarkError where its launches must not be pooled or a file is missing."""
    return Side(
        word,
        str(files.plan.parent),
        read_inputs(files.plan, files.raw, files.fidelity),
        read_json(files.environment),
        read_json(files.statistics),
        files.iterations,
    )
