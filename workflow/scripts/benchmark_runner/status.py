"""How a launch, or another run of an adapter, can end: the word in the record, what it means, what helps."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The field `status` of a record; workflow/schemas/record.schema.yaml has the same words."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    THERMAL_LIMIT = "thermal_limit"
    UNAVAILABLE = "unavailable"
    INTERRUPTED = "interrupted"

    @property
    def words(self) -> str:
        """What became of such launches, in words that fit "5 of 10 launches"."""
        return _WORDS[self]

    @property
    def remedy(self) -> str:
        """What helps where nothing better is known; empty for ok."""
        return _REMEDIES[self]


_WORDS: Final = {
    Status.OK: "ended ok",
    Status.FAILED: "failed",
    Status.TIMEOUT: "timed out",
    Status.MEMORY_LIMIT: "ran into the memory limit",
    Status.THERMAL_LIMIT: "ended for heat",
    Status.UNAVAILABLE: "could not start",
    Status.INTERRUPTED: "interrupted",
}
_REMEDIES: Final = {
    Status.OK: "",
    Status.FAILED: "Read engine.log beside the record, then run again",
    Status.TIMEOUT: "Raise the limit that the reason names, or ask for fewer iterations or tokens",
    Status.MEMORY_LIMIT: "Raise system.max_memory_gb, or use a smaller model or dtype",
    Status.THERMAL_LIMIT: "Let the machine cool, improve its cooling, or raise system.thermal_limit_celsius",
    Status.UNAVAILABLE: "Build the engine on this machine: snakemake engines",
    Status.INTERRUPTED: "Run the same command again: it is still owed",
}
