"""A campaign as its plan tells it: what jobs on other machines read, who must not find out anew what was planned."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark_runner.campaign.campaign import Campaign
from benchmark_runner.campaign.engines import Engine
from benchmark_runner.campaign.frozen import frozen_file
from benchmark_runner.campaign.model import Model
from benchmark_runner.campaign.planned import PlannedLaunch
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json
from benchmark_runner.model.formats import format_of


def _engine(entry: Mapping[str, Any], licence: str | None) -> Engine:
    names = ("name", "control_of", "binary_path", "adapter", "build_device", "dtype", "options", "source")
    told = {name: entry[name] for name in names}
    # All that its part of the plan says, so that a copy is analysed as the campaign was.
    told |= {"brought": entry.get("brought"), "server": entry.get("server"), "load_modes": tuple(entry.get("load", ()))}
    told |= {"beside": entry.get("beside", {})}
    return Engine(**told, weights_format=format_of(entry), licence=licence)


def _model(entry: Mapping[str, Any]) -> Model:
    return Model(entry["name"], entry["path"], entry["identity"], entry["source"])


class CampaignOfPlan(Campaign):
    """A campaign with the engines, the model and the launches of a plan, of which nothing is owed here."""

    def __init__(self, plan: Mapping[str, Any], config: dict[str, Any]) -> None:
        licences = plan.get("licences", {})  # a plan of before has none
        engines = [_engine(entry, licences.get(entry["name"])) for entry in plan["engines"]]
        super().__init__(config, engines, plan["workloads"], _model(plan["model"]), Path())
        self._plan = plan

    @property
    def until(self) -> dict[str, Any] | None:
        """The looks that were planned, whatever the configuration says now."""
        found: dict[str, Any] | None = self._plan["campaign"].get("until")
        return found

    @cached_property
    def not_asked(self) -> list[dict[str, str]]:
        """What was planned; nothing in a plan of before."""
        return list(self._plan.get("not_asked", ()))

    @cached_property
    def groups(self) -> None:
        """None: no group is measured here."""

    @cached_property
    def launches(self) -> list[PlannedLaunch]:
        """Launches of the plan, wherever its folder lies now."""
        names = ("position", "block", "engine", "workload", "identity")
        rows = self._plan["order"]
        return [PlannedLaunch(**{name: row[name] for name in names}, output_dir=self.output_dir) for row in rows]

    @cached_property
    def owed_launches(self) -> dict[str, PlannedLaunch]:
        """None: nothing is measured here."""
        return {}


class CampaignOfJob(CampaignOfPlan):
    """A campaign to a job that another machine runs: what the call has planned that submitted it."""

    @cached_property
    def damaged(self) -> frozenset[str]:
        """None: the call that submits jobs has looked."""
        return frozenset()

    def plan(self) -> dict[str, Any]:
        """The plan as it was made."""
        return dict(self._plan)


def planned_for(given: Mapping[str, Any]) -> Path:
    """File in which a call leaves its plan to its jobs, which are given the same configuration."""
    return frozen_file({"planned_for": given})


def load_of_job(given: Mapping[str, Any]) -> CampaignOfJob:
    """The campaign that was planned for a configuration; raises BenchmarkError where that has changed since."""
    file = planned_for(given)
    if not file.is_file():
        raise BenchmarkError(
            f"no plan was made for this configuration ({file} is missing): it was changed after the call that "
            "submitted this job; cancel that call's jobs and run it again"
        )
    plan = read_json(file)
    return CampaignOfJob(plan, plan["config"])
