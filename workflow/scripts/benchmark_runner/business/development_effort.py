"""development_effort: what it took to build on each engine, measured here, beside dated facts."""

from __future__ import annotations

from typing import Any, Final

from benchmark_runner.business.engines import MeasuredEngine, figure
from benchmark_runner.units import MS_PER_MINUTE

FACTS: Final = ("languages", "api", "model_code", "formats", "converter", "breaking_changes", "release_cadence")
FROM_NOTHING: Final = {
    True: "with nothing of it built before",
    False: "with parts of builds before, without which it takes longer",
    None: "with or without parts of builds before, which was not recorded",
}


def development_effort(engine: MeasuredEngine) -> dict[str, Any]:
    """The row of one engine."""
    build = engine.build or {}
    how = f"time of its build here, {FROM_NOTHING[build.get('from_nothing')]}"
    versions = sum(1 + several.count(",") for several in engine.packages.values()) if engine.build else None
    kind = "crates that its lock names" if build.get("language") == "rust" else "packages in its environment"
    return engine.row(
        measured={
            "build_minutes": engine.built("duration_ms", "minutes", how, 1 / MS_PER_MINUTE),
            "dependencies": figure(versions, "packages", kind, engine.build_reason),
            "adapter_lines": engine.built("adapter_lines", "lines", "code of the adapter without its tests, not blank"),
        },
        facts=engine.facts(FACTS),
    )
