"""Test cases that plan.json leaves out for an engine which cannot serve them: its other ones are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def not_asked(plan: Mapping[str, Any], engine: str, workload: str) -> dict[str, str]:
    """Why an engine is not asked for a test case of a workload, by test case; nothing in a plan of before."""
    place = (engine, workload)
    return {
        row["case"]: row["reason"] for row in plan.get("not_asked", ()) if (row["engine"], row["workload"]) == place
    }


def as_asked(plan: Mapping[str, Any], engine: str, workload: Mapping[str, Any]) -> dict[str, Any]:
    """A workload of the plan with the test cases that an engine is asked for."""
    left_out = not_asked(plan, engine, workload["name"])
    return {**workload, "cases": [case for case in workload["cases"] if case["name"] not in left_out]}


def left_out_words(workload: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """Which test cases of a workload an engine is not asked for, those of one reason in one clause; reasons are by test
    case."""
    cases: dict[str, list[str]] = {}
    for case, reason in reasons.items():
        cases.setdefault(reason, []).append(case)
    yield from (f"{', '.join(names)} of {workload}: {reason}" for reason, names in cases.items())


def not_asked_words(engine: str, workload: str, reasons: Mapping[str, str]) -> str:
    """That an engine was not asked for test cases of a workload, in one sentence."""
    return f"{engine} was not asked for {'; '.join(left_out_words(workload, reasons))}"
