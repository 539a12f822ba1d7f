"""How often a campaign was looked at; power.share_of_alpha says what each look may spend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmark_runner.statistics.inputs import Launch

SCHEMA_VERSION: Final = 1

_CHARACTERS: Final = 16

History = Mapping[str, Any]
"""Content of looks.json: by engine, workload and identity the sets of launches that were looked at, in that order."""

NO_HISTORY: Final[History] = {"schema_version": SCHEMA_VERSION, "looks": {}}


def _fingerprint(launches: Iterable[Launch]) -> str:
    facts = sorted(f"{launch.block} {launch.started.isoformat()}" for launch in launches)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:_CHARACTERS]


@dataclass(frozen=True)
class Looks:
    """Number of the present look at each engine in each workload, from 1; an engine not listed is seen for the first
    time."""

    numbers: Mapping[tuple[str, str], int]

    def at(self, engine: str, reference: str, workload: str) -> int:
        """Number of the look at a pair: that of the side that was looked at more often."""
        return max(self.numbers.get((name, workload), 1) for name in (engine, reference))

    @property
    def last(self) -> int:
        """Largest number of any look."""
        return max(self.numbers.values(), default=1)


FIRST_LOOK: Final = Looks({})


def look_at(launches: Iterable[Launch], fewest: int, history: History = NO_HISTORY) -> tuple[Looks, History]:
    """(the present looks, the history with them in it) for the launches that ended ok.

    The same set of launches is the same look, whenever it is analysed again, and going back to an earlier set is that
    earlier look. A set of fewer launches than `fewest`, from which no verdict can come, spends nothing and is not
    kept; a changed measurement has another identity and starts anew.
    """
    sets: dict[tuple[str, str, str], list[Launch]] = {}
    for launch in launches:
        if launch.ok:
            sets.setdefault((launch.engine, launch.workload, str(launch.record.get("identity"))), []).append(launch)
    kept = {cell: list(seen) for cell, seen in history["looks"].items()}
    numbers: dict[tuple[str, str], int] = {}
    for (engine, workload, identity), members in sets.items():
        if len(members) < fewest:
            continue
        seen = kept.setdefault(f"{engine}/{workload}.{identity}", [])
        fingerprint = _fingerprint(members)
        known = [entry["fingerprint"] for entry in seen]
        if fingerprint not in known:
            seen.append({"launches": len(members), "fingerprint": fingerprint})
        number = known.index(fingerprint) + 1 if fingerprint in known else len(seen)
        numbers[engine, workload] = max(number, numbers.get((engine, workload), 1))
    return Looks(numbers), {"schema_version": SCHEMA_VERSION, "looks": kept}
