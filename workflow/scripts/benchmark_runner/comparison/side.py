"""One of the two campaigns that are compared: what its results folder tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmark_runner.arrays import FloatArray
from benchmark_runner.jsonio import read_valid
from benchmark_runner.protocol.requests import asked_alike
from benchmark_runner.records.table import tokens_an_iteration
from benchmark_runner.statistics.client import Client, has_client
from benchmark_runner.statistics.clock import STAMPED, resolution, step_ns
from benchmark_runner.statistics.families import CampaignPairs
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements, asked_cases, read_inputs
from benchmark_runner.statistics.levels import errors_words
from benchmark_runner.statistics.metrics import STAGE_METRICS
from benchmark_runner.statistics.results import Cell, read_statistics
from benchmark_runner.statistics.samples import CellKey, each_sample
from benchmark_runner.statistics.work import Work

Word = Literal["before", "after", ""]
"""What names a side; nothing where both are engines of one campaign."""


@dataclass(frozen=True)
class LaunchValues:
    """One value a launch of a metric in a cell by block, with all iterations and without flagged ones; reason says why
    there are none."""

    values: Mapping[int, float]
    kept: Mapping[int, float]
    reason: str | None

    def medians(self, *, kept: bool = False) -> FloatArray:
        """The values in the order of their blocks."""
        return np.array(list((self.kept if kept else self.values).values()), dtype=np.float64)


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
            name: replace(engine, name=f"{name} {self.word}".rstrip())
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

    def left_out(self, engine: str, workload: str) -> frozenset[str]:
        """Test cases of a workload that an engine was not asked for."""
        return frozenset(self.inputs.not_asked[engine].get(workload, ()))

    def requests(self, workload: str) -> dict[str, Any]:
        """What each test case asked engines for, as the first launch with a spec that has it tells; {} where none has
        one."""
        found: dict[str, Any] = {}
        for launch in self.inputs.launches:
            if launch.workload == workload and len(found) < len(self.workloads[workload]):
                asked = asked_cases(launch, self.inputs.plan)
                found = {case: asked_alike(one) for case, one in asked.items()} | found
        return {case: found[case] for case in self.workloads[workload] if case in found}

    @cached_property
    def pairs(self) -> CampaignPairs:
        """Which launches of the campaign ran side by side."""
        return CampaignPairs(self.inputs)

    @cached_property
    def _measured(self) -> tuple[dict[tuple[CellKey, str], LaunchValues], dict[CellKey, int]]:
        """(launch medians by cell and metric, steps of the clock in ns by cell), the control's among them; raw values
        are let go one engine and workload after the other."""
        values: dict[tuple[CellKey, str], LaunchValues] = {}
        steps: dict[CellKey, int] = {}
        for key, metric, sample in each_sample(self.inputs, self.iterations):
            values[key, metric.name] = LaunchValues(sample.by_block(), sample.cleaned.by_block(), sample.reason)
            if metric.name in STAMPED:
                steps[key] = step_ns(sample.values, steps.get(key, 0))
        for key, described in self._described.items():
            for name in (metric.name for metric in STAGE_METRICS if metric.name in described):
                by_block = {one["block"]: one["value"] for one in described[name]["launch_medians"]}
                values[key, name] = LaunchValues(by_block, by_block, None if by_block else described[name]["reason"])
        return values, steps

    @property
    def values(self) -> dict[tuple[CellKey, str], LaunchValues]:
        """Launch medians by cell and metric."""
        return self._measured[0]

    def measured(self, cell: CellKey, metric: str) -> LaunchValues:
        """The launch values of a metric in a cell; none where there are none."""
        return self.values.get((cell, metric), LaunchValues({}, {}, None))

    def resolution(self, cell: CellKey, metric: str) -> float:
        """The step of the clock over the times that a metric rests on; 0 where that is fine or nothing is known."""
        step = self._measured[1].get(cell, 0)
        return resolution(metric, self._described[cell], step) if step and cell in self._described else 0.0

    @cached_property
    def work(self) -> dict[CellKey, Work]:
        """What an iteration computed, by cell."""
        return {key: Work(*tokens) for key, tokens in tokens_an_iteration(self.iterations).items()}

    def failing(self, cell: CellKey) -> str | None:
        """Why a cell failed too many of its requests to be compared; None where it did not."""
        return errors_words(self._loads.get(cell))

    def client_allowance(self, cell: CellKey, metric: str) -> float:
        """The load client's own error over the times that a metric of a cell under load rests on, of logarithms."""
        if not has_client(self._loads.get(cell)):
            return 0.0
        client = Client(calibration=self.statistics["load"]["calibration"])
        return client.allowance(metric, [self._described[cell]])

    @cached_property
    def _loads(self) -> dict[CellKey, Mapping[str, Any]]:
        cells = [cell for cell in self.statistics["cells"] if cell.get("load")]
        return {(cell["engine"], cell["workload"], cell["case"]): cell["load"] for cell in cells}

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

    def control_difference(self, place: Cell, metric: str) -> float:
        """Size (of logarithms) of the difference that the control showed in a place, where it was told from its twin in
        any place of this metric or of the primary one; else 0.

        Where it has none in the place it is the largest of all places, as within a campaign.
        """
        control = self.statistics["control"]
        own = [one for one in self.statistics["comparisons"] if one["metric"] == metric]
        alarm = control is not None and any(cell["differs"] for cell in control["cells"])
        if not alarm and not any(one["control_allowance"] for one in own):
            return 0.0
        sizes = {
            Cell(one["workload"], one["case"]): abs(math.log(one["ratio"]["point"]))
            for one in own
            if one["kind"] == "control" and one["ratio"]
        }
        return sizes.get(place, max(sizes.values(), default=0.0))


def read_side(word: Word, files: SideFiles) -> Side:
    """Read one side. Raises BenchmarkError where its launches must not be pooled or a file is missing."""
    return Side(
        word,
        str(files.plan.parent),
        read_inputs(files.plan, files.raw, files.fidelity),
        read_valid("environment", files.environment),
        read_statistics(files.statistics),
        files.iterations,
    )
