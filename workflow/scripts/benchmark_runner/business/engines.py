"""What is known of one measured engine beside its figures: how it was built, which project it is, and its launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark_runner.business.facts import named_facts, project_of
from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.configuration.not_asked import not_asked_words
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell

Figure = dict[str, Any]
"""{value, low, high, unit, origin, reason}: low and high are the interval where there is one; reason says why null."""


@dataclass(frozen=True)
class MeasuredEngine:
    """An engine of the statistics with its build record and the facts of its project."""

    name: str
    inputs: BusinessInputs
    build: Mapping[str, Any] | None
    build_reason: str
    project: Mapping[str, Any] | None

    @classmethod
    def of(cls, inputs: BusinessInputs, name: str) -> MeasuredEngine:
        """The engine of that name; its adapter is the plan's."""
        planned = next((one for one in inputs.plan["engines"] if one["name"] == name), None)
        built: Mapping[str, Any] = next((one for one in inputs.environment["engines"] if one["engine"] == name), {})
        project = project_of(inputs.facts, name, planned["adapter"] if planned else None)
        return cls(name, inputs, built.get("build"), built.get("build_reason") or "no build is recorded", project)

    @property
    def packages(self) -> dict[str, str]:
        """Versions of what it was built from, by package."""
        return dict(self.build["packages"]) if self.build else {}

    def facts(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Facts of its project by name."""
        return named_facts(self.project, names, self.packages)

    def row(self, **parts: Any) -> dict[str, Any]:
        """A row of the document about this engine."""
        return {"engine": self.name, "project": self.project["project"] if self.project else None, **parts}

    def built(self, field: str, unit: str, origin: str) -> Figure:
        """A number of its build record."""
        value = self.build.get(field) if self.build else None
        reason = "its build record does not tell: build it again" if self.build else self.build_reason
        return figure(value, unit, origin, reason)

    def largest(self, metrics: Sequence[str], unit: str, origin: str) -> Figure:
        """The largest sum of the metrics' typical values among its test cases; the intervals' ends add likewise.

        Of a load's levels the lowest counts: above, a request also waits for others.
        """
        results, found = self.inputs.results, []
        reason = results.engines[self.name]["reason"]
        for cell in self.inputs.statistics["cells"]:
            if cell["engine"] != self.name or cell["case"] is None:
                continue
            here = Cell(cell["workload"], cell["case"])
            if here not in (results.levels_beside(here) or [here])[:1]:
                continue
            places = [Cell(here.workload, None) if BY_NAME[m].level == "launch" else here for m in metrics]
            parts = [results.estimate(self.name, place, m) for place, m in zip(places, metrics, strict=True)]
            known = [one for one in parts if one is not None]
            if len(known) < len(parts):
                at = parts.index(None)
                reason = reason or results.metric(self.name, places[at], metrics[at])["reason"]
                continue
            sums = {
                key: None if any(one[key] is None for one in known) else sum(one[key] for one in known)
                for key in ("point", "low", "high")
            }
            where = f"{origin}; the largest of its test cases, in {place_of(results, here)}"
            if left_out := results.engines[self.name].get("not_asked", {}).get(here.workload):
                where += f"; {not_asked_words(self.name, here.workload, left_out)}"
            found.append(figure(sums["point"], unit, where, None) | {"low": sums["low"], "high": sums["high"]})
        missing = figure(None, unit, origin, reason or "it was not measured")
        return max(found, key=lambda one: float(one["value"]), default=missing)


def figure(value: float | None, unit: str, origin: str, reason: str | None) -> Figure:
    """A number without an interval; the reason counts where there is none."""
    kept = reason if value is None else None
    return {"value": value, "low": None, "high": None, "unit": unit, "origin": origin, "reason": kept}
