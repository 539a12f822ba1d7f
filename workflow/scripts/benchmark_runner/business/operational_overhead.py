"""operational_overhead: what running each engine takes, measured here, beside dated facts."""

from __future__ import annotations

from typing import Any, Final

from benchmark_runner.business.engines import MeasuredEngine

FACTS: Final = ("platforms", "backends", "quantisation", "batching", "server", "observability")
COLD_START: Final = (
    "typical load time plus typical time to first token, under load at its lowest level; without the start of the "
    "process, and the first request after loading can be slower"
)


def operational_overhead(engine: MeasuredEngine) -> dict[str, Any]:
    """The row of one engine."""
    size = "program with its environment, without the model and the system's own libraries"
    return engine.row(
        measured={
            "installed_bytes": engine.built("installed_bytes", "bytes", size),
            "load_ms": engine.largest(["load_ms"], "ms", "typical load time"),
            "load_to_first_token_ms": engine.largest(["load_ms", "ttft_ms"], "ms", COLD_START),
            "peak_rss_bytes": engine.largest(["peak_rss_bytes"], "bytes", "typical peak of memory in a launch"),
            "peak_vram_bytes": engine.largest(["peak_vram_bytes"], "bytes", "typical peak of GPU memory in a launch"),
        },
        facts=engine.facts(FACTS),
    )
