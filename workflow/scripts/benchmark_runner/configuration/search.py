"""`load.search`: the levels that a pilot launch tries, and those around what it finds, which are then measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

CAPACITY: Final = "capacity"
PILOT: Final = "pilot"
"""What the workflow writes in place of CAPACITY where it makes a pilot of a campaign."""

SEARCH_FROM: Final = 1
SEARCH_UP_TO: Final = 32
SEARCH_SECONDS: Final = 120.0
"""Where nothing is said (chosen): six levels from 1 to 32, 20 s each at most."""

FEWEST_LEVELS: Final = 4
"""Of a grid (chosen): the capacity of a noisy launch may lie a level or two beside the pilot's."""

PARTS: Final = 4
"""Into so many the span is divided in which the limits are first missed: halved twice (chosen)."""

FEWEST_ARRIVALS: Final = 4
"""Measured arrivals of an open pilot level on average at least (chosen)."""

MOST: Final = 4096
"""Requests in flight at most, as the configuration allows."""

RATE_DIGITS: Final = 3
"""Digits behind the point in which two rates must differ: the schema's smallest rate has as many."""

LOWEST: Final = 0.001
HIGHEST: Final = 100_000
"""Ends of a search, as the schema has them."""

LIMITED_BY_DEFAULT: Final = ("ttft_ms", "tpot_ms")
LIMITED_ON_REQUEST: Final = ("itl_p99_ms", "e2e_ms")
"""Times of a request in analysis.slo, the former with a default."""

LEVELS_OF: Final[Mapping[str, str]] = {"closed": "concurrency", "open": "requests_per_second"}
"""Key of a load's levels by its mode."""

KEYS: Final = ("search_from", "search_up_to", "search_seconds")


def is_searched(load: Mapping[str, Any] | None) -> bool:
    """Whether a load's levels are to be found, or were."""
    return bool(load) and (load or {}).get("search") == CAPACITY


def is_pilot(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is that of the pilot of a campaign."""
    cases = (case for workload in config["workloads"] for case in workload["test_cases"])
    return any((case.get("load") or {}).get("search") == PILOT for case in cases)


def search_problem(load: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """What the rest of a configuration, without its defaults yet, does not allow of a `search`; None where it does."""
    benchmark, analysis = config.get("benchmark"), config.get("analysis")
    if load.get("search") == PILOT:
        folder = str(benchmark.get("output_dir")) if isinstance(benchmark, dict) else ""
        is_own = Path(folder).name == PILOT
        words = f"{PILOT} is what the workflow writes into the plan of a pilot; write search: {CAPACITY}"
        return None if is_own else words
    slo = analysis.get("slo") if isinstance(analysis, dict) else None
    given = slo if isinstance(slo, dict) else {}
    limits = [given.get(key, True) for key in LIMITED_BY_DEFAULT] + [given.get(key) for key in LIMITED_ON_REQUEST]
    if is_searched(load) and all(limit is None for limit in limits):
        words = "a search ends at the limits of analysis.slo, and all of them are null"
        return f"{words}; set one, as ttft_ms: 500, or leave search out"
    return None


def ladder(load: Mapping[str, Any]) -> list[float]:
    """The levels that a pilot tries: doubled from search_from on, and search_up_to; each with a name of its own."""
    first, last = load.get("search_from", SEARCH_FROM), load.get("search_up_to", SEARCH_UP_TO)
    doubled = (first * 2**step for step in range(max(0, math.ceil(math.log2(last / first)))))
    levels = [*(level for level in doubled if round(level, RATE_DIGITS) < round(last, RATE_DIGITS)), last]
    return [int(level) for level in levels] if load["mode"] == "closed" else levels


def with_levels(load: Mapping[str, Any]) -> dict[str, Any]:
    """A load whose levels are searched and not found yet, with the pilot's; any other as it is."""
    key = LEVELS_OF[load["mode"]]
    return {**load, key: ladder(load)} if is_searched(load) and load.get(key) is None else dict(load)


def seconds_a_level(load: Mapping[str, Any]) -> float:
    """Time in which a pilot level measures: a third of its share of search_seconds."""
    longest: float = load.get("search_seconds", SEARCH_SECONDS)
    return longest / len(ladder(load)) / 3


def pilot_load(load: Mapping[str, Any], slo: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
    """The load of a pilot launch. A request is given up as soon as it has missed the limits for certain, since levels
    beyond the capacity are tried too, and never before: one that keeps them counts, however slow its engine is."""
    seconds = seconds_a_level(load)
    limits = [load["timeout_seconds"]]
    if slo["e2e_ms"] is not None:
        limits.append(slo["e2e_ms"] / 1000)
    if slo["ttft_ms"] is not None and slo["tpot_ms"] is not None:
        limits.append((slo["ttft_ms"] + slo["tpot_ms"] * (max_tokens - 1)) / 1000)
    kept = {key: value for key, value in with_levels(load).items() if key not in ("requests", *KEYS)}
    size = {"search": PILOT, "duration_seconds": seconds, "timeout_seconds": min(limits)}
    if load["mode"] == "open":
        size["warmup_requests"] = min(load.get("warmup_requests", FEWEST_ARRIVALS), int(ladder(load)[0] * seconds))
    return {**kept, **size}


def levels_around(
    tried: Sequence[float], edges: Iterable[tuple[float | None, float | None]], *, whole: bool
) -> list[float]:
    """The levels to measure, common to all engines: from the last that one kept to the first that one missed.

    tried are the pilot's levels, edges of each engine the highest that it kept and the next one, which it missed; None
    where there is none. Spans in which an engine's limit lies are divided: the only one in PARTS, several in halves.
    """
    found = list(edges)
    spans = sorted({(kept, missed) for kept, missed in found if kept is not None and missed is not None})
    known = [level for edge in found for level in edge if level is not None]
    levels = {level for level in tried if min(known) <= level <= max(known)}
    parts = PARTS if len(spans) == 1 else 2
    for kept, missed in spans:
        steps = (kept + (missed - kept) * step / parts for step in range(1, parts))
        levels |= {float(round(level)) if whole else round(level, RATE_DIGITS) for level in steps}
    below = [level for level in reversed(tried) if level < min(levels)]
    above = [level for level in tried if level > max(levels)]
    spare = [*below[:1], *above, *below[1:]]
    levels |= set(spare[: max(FEWEST_LEVELS - len(levels), len(below[:1]))])
    return [int(level) if whole else level for level in sorted(levels)]


def _is_within(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def search_complaints(load: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and complaint of what does not go together in a load with `search`, or with its keys."""
    if load.get("search") is None:
        for key in KEYS:
            if load.get(key) is not None:
                yield key, f"{key} is of a search for levels; add search: {CAPACITY}, or leave it out"
        return
    if load.get("arrivals") == "trace":
        yield "search", "a trace has one rate, its own; leave search out, or choose other arrivals"
        return
    first, last = load.get("search_from", SEARCH_FROM), load.get("search_up_to", SEARCH_UP_TO)
    if not all(_is_within(end, LOWEST, HIGHEST) for end in (first, last)):
        return  # the schema's message is enough
    if first >= last:
        yield "search_up_to", f"{last:g} is no more than {first:g}, from which the search begins (search_from)"
    elif load["mode"] == "closed" and not (float(first).is_integer() and float(last).is_integer() and last <= MOST):
        yield (
            "search_up_to",
            f"requests in flight are whole, {MOST} at most; write search_from and search_up_to as such",
        )
    elif load["mode"] == "open" and _is_within(load.get("search_seconds", 1), 1e-9, 1e9):
        seconds = seconds_a_level(load)
        if first * seconds < FEWEST_ARRIVALS:
            least = math.ceil(FEWEST_ARRIVALS / first * 3 * len(ladder(load)))
            yield (
                "search_seconds",
                f"at {first:g} requests/s a pilot level of {seconds:.3g} s sees fewer than {FEWEST_ARRIVALS} arrivals; "
                f"write {least} or more, or a higher search_from",
            )


def is_searched_workload(workload: Mapping[str, Any]) -> bool:
    """Whether the levels of a load of the workload are to be found, or were."""
    return any(is_searched(case.get("load")) for case in workload["test_cases"])
