"""How often a campaign was looked at, and what each look may spend of alpha: power.share_of_alpha says it of looks that
nobody planned, the plan of those of a campaign until decided."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import read_named_bytes
from benchmark_runner.statistics.inputs import MeasuredLaunch
from benchmark_runner.statistics.planned import PlannedLook
from benchmark_runner.statistics.power import FEWEST_LAUNCHES, share_of_alpha

SCHEMA_VERSION: Final = 1

_CHARACTERS: Final = 16
_ROUNDING: Final = 1e-9

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
    time. shares holds what it may spend where a plan says so."""

    numbers: Mapping[tuple[str, str], int]
    shares: Mapping[tuple[str, str], float] = field(default_factory=dict)
    planned: PlannedLook | None = None

    def share(self, engine: str, reference: str, workload: str) -> float:
        """Share of alpha that the look at a pair may spend: that of the side that may spend less."""
        found = [self.shares[name, workload] for name in (engine, reference) if (name, workload) in self.shares]
        return min(found) if found else share_of_alpha(self.at(engine, reference, workload))

    def at(self, engine: str, reference: str, workload: str) -> int:
        """Number of the look at a pair: that of the side that was looked at more often."""
        return max(self.numbers.get((name, workload), 1) for name in (engine, reference))

    @property
    def last(self) -> int:
        """Largest number of any look."""
        return max(self.numbers.values(), default=1)


FIRST_LOOK: Final = Looks({})


def _sets(launches: Iterable[MeasuredLaunch]) -> dict[tuple[str, str, str], list[MeasuredLaunch]]:
    """Launches that ended ok by engine, workload and identity."""
    sets: dict[tuple[str, str, str], list[MeasuredLaunch]] = {}
    for launch in launches:
        if launch.ok:
            sets.setdefault((launch.engine, launch.workload, str(launch.record.get("identity"))), []).append(launch)
    return sets


def _content(kept: Mapping[str, Any]) -> History:
    return {"schema_version": SCHEMA_VERSION, "looks": kept}


def look_at(launches: Iterable[MeasuredLaunch], fewest: int, history: History = NO_HISTORY) -> tuple[Looks, History]:
    """(the present looks, the history with them in it) for the launches that ended ok.

    The same set of launches is the same look, whenever it is analysed again, and going back to an earlier set is that
    earlier look. A set of fewer launches than `fewest`, from which no verdict can come, spends nothing and is not
    kept; a changed measurement has another identity and starts anew.
    """
    kept = {cell: list(seen) for cell, seen in history["looks"].items()}
    numbers: dict[tuple[str, str], int] = {}
    for (engine, workload, identity), members in _sets(launches).items():
        if len(members) < fewest:
            continue
        seen = kept.setdefault(f"{engine}/{workload}.{identity}", [])
        fingerprint = _fingerprint(members)
        known = [entry["fingerprint"] for entry in seen]
        if fingerprint not in known:
            seen.append({"launches": len(members), "fingerprint": fingerprint})
        number = known.index(fingerprint) + 1 if fingerprint in known else len(seen)
        numbers[engine, workload] = max(number, numbers.get((engine, workload), 1))
    return Looks(numbers), _content(kept)


def _shares(seen: Sequence[Mapping[str, Any]]) -> list[float]:
    """What each look of a cell spent; of those that no plan was made for by their number."""
    return [float(entry.get("share", share_of_alpha(number))) for number, entry in enumerate(seen, start=1)]


def _next_share(
    seen: Sequence[Mapping[str, Any]], planned: PlannedLook | None, looks: Sequence[PlannedLook]
) -> tuple[float, bool]:
    """(what a new look at a cell may spend, whether it is one of those planned).

    Planned looks share the part of alpha that the first look of another campaign spends; the rest is for looks that
    nobody planned, or no longer: each one half of what is left.
    """
    as_planned = [bool(entry.get("planned", number == 0)) for number, entry in enumerate(seen)]
    left = 0.0
    if planned is not None and all(entry.get("planned") != planned.launches for entry in seen):
        allowed = sum(look.share for look in looks if look.launches <= planned.launches)
        left = allowed - sum(itertools.compress(_shares(seen), as_planned))
    return (left, True) if left > _ROUNDING else (share_of_alpha(as_planned.count(False) + 2), False)


def looks_until_decided(
    launches: Iterable[MeasuredLaunch],
    reached: Sequence[PlannedLook | None],
    plan: Sequence[PlannedLook],
    history: History,
) -> tuple[list[Looks], History]:
    """(the looks so far in turn, the history with them in it) of a campaign until decided.

    reached are the planned looks whose launches are there, and last None where there are more than those. A planned
    look is made once: at other launches up to the same block it is one that nobody planned.
    """
    kept = {cell: list(seen) for cell, seen in history["looks"].items()}
    sets, looks = _sets(launches), []
    for planned in reached:
        numbers: dict[tuple[str, str], int] = {}
        shares: dict[tuple[str, str], float] = {}
        for (engine, workload, identity), members in sets.items():
            seen_now = [one for one in members if planned is None or one.block <= planned.launches]
            if len(seen_now) < FEWEST_LAUNCHES:
                continue
            seen = kept.setdefault(f"{engine}/{workload}.{identity}", [])
            fingerprint = _fingerprint(seen_now)
            known = [entry["fingerprint"] for entry in seen]
            if fingerprint not in known:
                share, as_planned = _next_share(seen, planned, plan)
                mark = planned.launches if planned and as_planned else 0
                seen.append({"launches": len(seen_now), "fingerprint": fingerprint, "planned": mark, "share": share})
                known.append(fingerprint)
            number = known.index(fingerprint)
            numbers[engine, workload], shares[engine, workload] = number + 1, _shares(seen)[number]
        looks.append(Looks(numbers, shares, planned))
    return looks, _content(kept)
