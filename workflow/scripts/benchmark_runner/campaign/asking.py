"""Which test cases each engine of a campaign is asked for, and what is not measured since one cannot serve it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchmark_runner.campaign.engines import Engine
from benchmark_runner.configuration.not_asked import as_asked, left_out_words, not_asked
from benchmark_runner.launch.program import cannot_load, why_not_asked


def left_out(engines: Iterable[Engine], workloads: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`not_asked` of the plan: test cases that an engine cannot serve, of workloads in which it serves others. One that
    it can serve nothing of is refused as a whole by its launches."""
    planned, found = list(workloads), []
    for engine in engines:
        entry = engine.describe()
        for workload in planned:
            reasons = {case["name"]: why_not_asked(entry, case, engine.most_at_once) for case in workload["cases"]}
            place = {"engine": engine.name, "workload": workload["name"]}
            if None in reasons.values():
                found += [{**place, "case": case, "reason": why} for case, why in reasons.items() if why is not None]
    return found


def not_served(plan: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each reason for which an engine is not asked for test cases, or for whole workloads; of the plan
    its engines, workloads and not_asked."""
    for engine in (entry for entry in plan["engines"] if entry["control_of"] is None):
        name = engine["name"]
        for workload in (one["name"] for one in plan["workloads"]):
            for words in left_out_words(workload, not_asked(plan, name, workload)):
                yield f"{name} is not asked for {words}"
        asked = {one["name"]: cannot_load(engine, as_asked(plan, name, one)) for one in plan["workloads"]}
        if refused := {workload: why for workload, why in asked.items() if why is not None}:
            reasons = ", ".join(dict.fromkeys(why.reason.partition(",")[0] for why in refused.values()))
            yield f"{name}: {reasons}; its launches on {', '.join(refused)} will be unavailable"


def untested(plan: Mapping[str, Any]) -> int:
    """Comparisons of engines that are not made since one of them cannot do a test case under load; of the plan its
    engines, workloads and not_asked."""
    own = [engine for engine in plan["engines"] if engine["control_of"] is None]
    missing = 0
    for workload in plan["workloads"]:
        asked = [as_asked(plan, engine["name"], workload) for engine in own]
        able = [one["cases"] for engine, one in zip(own, asked, strict=True) if cannot_load(engine, one) is None]
        for case in workload["cases"]:
            missing += math.comb(len(own), 2) - math.comb(sum(case in cases for cases in able), 2)
    return missing
