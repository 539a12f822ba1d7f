"""What the business document is made from, read once for all of its parts."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark_runner.business.prices import Catalogue, Entry, mismatch
from benchmark_runner.statistics.results import Results


@dataclass(frozen=True)
class BusinessInputs:
    """All that the document is made from; facts are the projects of the engine facts file."""

    plan: dict[str, Any]
    statistics: dict[str, Any]
    performance: dict[str, Any]
    environment: dict[str, Any]
    manifest: dict[str, Any]
    catalogue: Catalogue
    facts: list[dict[str, Any]]
    now: datetime.datetime

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration's business section."""
        return dict(self.plan["config"].get("business") or {})

    @property
    def engines(self) -> list[dict[str, Any]]:
        """Engines of the statistics without the control, in the plan's order."""
        return [engine for engine in self.statistics["engines"] if engine["control_of"] is None]

    @cached_property
    def results(self) -> Results:
        """The statistics, indexed."""
        return Results(self.statistics)

    def misfit(self, entry: Entry, device: str) -> str | None:
        """Why a price is not that of what a launch's device is on; None where it is.

        A launch sees a single GPU, its number 0, which environment.json has as system.gpu_device.
        """
        number = self.plan["config"].get("system", {}).get("gpu_device", 0)
        return mismatch(entry, self.environment, f"cuda:{number}" if device.startswith("cuda") else device)

    def is_elsewhere(self, engine: str) -> bool:
        """Whether an engine is a server that already ran and whose process was not found on this machine."""
        return any(one["name"] == engine and one.get("process_here") is False for one in self.statistics["engines"])
