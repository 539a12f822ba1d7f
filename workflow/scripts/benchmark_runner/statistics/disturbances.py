"""Which launches something outside the engine touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_runner.jsonio import value_at

DISTURBANCES: Final = (
    "foreign_gpu_process",
    "high_load",
    "low_memory",
    "busy_process",
    "foreign_load",
    "stolen_time",
    "stopped",
    "sampling_gap",
    "suspended",
)
"""Kinds of a record's warnings that say that something else used the machine during the launch, or held it up."""


def is_disturbed(record: Mapping[str, Any]) -> bool:
    """Whether an event outside the engine touched the launch: other programs, stolen time, clocks held down."""
    kinds = {warning["kind"] for warning in record.get("warnings", ())}
    return bool(kinds.intersection(DISTURBANCES) or value_at(record, "monitor.gpu.throttle_reasons"))
