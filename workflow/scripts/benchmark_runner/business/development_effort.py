"""development_effort: what it took to build on each engine, measured here, beside dated facts."""

from __future__ import annotations

from typing import Any, Final

from benchmark_runner.business.engines import Figure, MeasuredEngine, figure
from benchmark_runner.display import significant
from benchmark_runner.units import MS_PER_MINUTE

FACTS: Final = ("languages", "api", "model_code", "formats", "converter", "breaking_changes", "release_cadence")


def development_effort(engine: MeasuredEngine) -> dict[str, Any]:
    """The row of one engine."""
    build = engine.build or {}
    versions = sum(1 + several.count(",") for several in engine.packages.values()) if engine.build else None
    kind = "crates that its lock names" if build.get("language") == "rust" else "packages in its environment"
    return engine.row(
        measured={
            "build_minutes": _build_minutes(engine),
            "dependencies": figure(versions, "packages", kind, engine.build_reason),
            "adapter_lines": engine.built("adapter_lines", "lines", "code of the adapter without its tests, not blank"),
        },
        facts=engine.facts(FACTS),
    )


def _build_minutes(engine: MeasuredEngine) -> Figure:
    """Time of a build from nothing; that of a later one, which finds most of it done, is told in the reason only."""
    origin = "time of its build here, with nothing of it built before"
    if engine.build is None:
        return figure(None, "minutes", origin, engine.build_reason)
    minutes = engine.build["duration_ms"] / MS_PER_MINUTE
    if engine.build.get("from_nothing"):
        return figure(minutes, "minutes", origin, None)
    used = "used parts of builds before" if "from_nothing" in engine.build else "does not tell what it found built"
    return figure(None, "minutes", origin, f"the build of record {used}; it took {significant(minutes, 2)} minutes")
