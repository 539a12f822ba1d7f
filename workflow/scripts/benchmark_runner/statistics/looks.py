"""How often a campaign was looked at; power.share_of_alpha says what each look may spend."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import read_named_bytes
from benchmark_runner.statistics.inputs import MeasuredLaunch

SCHEMA_VERSION: Final = 1

_CHARACTERS: Final = 16

History = Mapping[str, Any]
"""Content of looks.json: by engine, workload and identity the sets of launches that were looked at, in that order."""

NO_HISTORY: Final[History] = {"schema_version": SCHEMA_VERSION, "looks": {}}


def _is_look(entry: Any) -> bool:
    fields = {"launches": int, "fingerprint": str}
    return isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in fields.items())


def read_history(file: Path) -> History:
    """The looks that a file remembers; none where there is no file.

    Raises BenchmarkError for another content, with a remedy that forgets no look: each one spent its share of alpha.
    """
    if not os.path.lexists(file):
        return NO_HISTORY
    try:
        content = json.loads(read_named_bytes(file))
    except (BenchmarkError, ValueError, RecursionError):
        content = None
    is_ours = isinstance(content, dict) and content.get("schema_version") == SCHEMA_VERSION
    looks = content.get("looks") if is_ours else None
    if isinstance(looks, dict) and all(isinstance(seen, list) and all(map(_is_look, seen)) for seen in looks.values()):
        return {"schema_version": SCHEMA_VERSION, "looks": looks}
    raise BenchmarkError(
        f"{file} no longer tells how often these launches were looked at, and without that a verdict may be chance; "
        "put back a copy of it from before, or measure anew into another output_dir"
    )


def _fingerprint(launches: Iterable[MeasuredLaunch]) -> str:
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


def look_at(launches: Iterable[MeasuredLaunch], fewest: int, history: History = NO_HISTORY) -> tuple[Looks, History]:
    """(the present looks, the history with them in it) for the launches that ended ok.

    The same set of launches is the same look, whenever it is analysed again, and going back to an earlier set is that
    earlier look. A set of fewer launches than `fewest`, from which no verdict can come, spends nothing and is not
    kept; a changed measurement has another identity and starts anew.
    """
    sets: dict[tuple[str, str, str], list[MeasuredLaunch]] = {}
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
