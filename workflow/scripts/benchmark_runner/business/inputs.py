"""What the business document is made from, read once for all of its parts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from benchmark_runner.business.prices import Catalogue, Entry, mismatch
from benchmark_runner.statistics.results import Results

NOT_LISTED: Final = "environment.json does not list the GPU that the launches ran on"


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

    def misfit(self, entry: Entry, engine: Mapping[str, Any]) -> str | None:
        """Why a price is not that of what an engine's launches ran on; None where it is.

        A launch sees a single GPU, its number 0, and its record tells which one that is.
        """
        device = str(engine["device"] or "cpu")
        if not device.startswith("cuda"):
            return mismatch(entry, self.environment, device)
        reasons = (
            mismatch(entry, self.environment, f"cuda:{one}") if one is not None else NOT_LISTED
            for one in self._used(engine)
        )
        return next(filter(None, reasons), None)

    def gpu_of(self, engine: Mapping[str, Any]) -> dict[str, Any] | None:
        """The GPU that all of an engine's launches ran on, as environment.json lists it; None where it is not one."""
        used = self._used(engine)
        return next((one for one in self._devices if used == [one["index"]]), None)

    def _used(self, engine: Mapping[str, Any]) -> list[int | None]:
        """Numbers of the GPUs that an engine's launches ran on; None for one that environment.json does not list."""
        number = self.plan["config"].get("system", {}).get("gpu_device", 0)
        return list(dict.fromkeys(self._number_of(gpu) for gpu in engine.get("gpus", ()))) or [number]

    @property
    def _devices(self) -> list[dict[str, Any]]:
        return list(self.environment["gpu"]["devices"]) if self.environment["gpu"] else []

    def _number_of(self, gpu: Mapping[str, Any]) -> int | None:
        """Number by which environment.json lists a GPU; None where it lists none like it."""
        keys = [key for key in ("uuid", "name") if gpu[key] is not None]
        alike = (one["index"] for key in keys for one in self._devices if one.get(key) == gpu[key])
        return next(alike, None)

    def is_elsewhere(self, engine: str) -> bool:
        """Whether an engine is a server that already ran and whose process was not found on this machine."""
        return any(one["name"] == engine and one.get("process_here") is False for one in self.statistics["engines"])
