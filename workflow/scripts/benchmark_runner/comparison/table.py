"""comparison.md: the same for people, what differs first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmark_runner.comparison.words import APART, VERDICT_WORDS
from benchmark_runner.display import ABSENT, estimate_text, markdown, markdown_table, plural, ratio_text
from benchmark_runner.statistics.samples import label_of
from benchmark_runner.statistics.settings import shown

COLUMNS: Final = ("engine", "where", "metric", "before", "after", "times as good", "verdict")

LONGEST_VALUE: Final = 60
"""Chosen: characters of a differing value that the table shows; comparison.json has all of it."""


def _short(value: Any) -> str:
    text = shown(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _differences(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    if not entries:
        return ["Nothing that was recorded differs."]
    rows = [
        [
            one["label"],
            ", ".join(part for part in (one["engine"], one["workload"]) if part) or "all",
            _short(one["before"]),
            _short(one["after"]),
            one["meaning"],
        ]
        for one in entries
    ]
    return markdown_table(["what", "of", "before", "after", "what it means"], rows)


def _value(side: Mapping[str, Any], unit: str) -> str:
    """Typical value with its interval; the bare median where there is none."""
    bare = {"point": side["median"], "low": None, "high": None}
    return estimate_text(side["typical"] or (None if side["median"] is None else bare), unit)


def _row(one: Mapping[str, Any], mark: str = "") -> list[str]:
    where = ", ".join(part for part in (one["workload"], one["case"]) if part) or ABSENT
    sides = [_value(one[side], one["unit"]) for side in ("before", "after")]
    verdict = f"{VERDICT_WORDS[one['verdict']]}{mark}"
    return [one["engine"], where, label_of(one["metric"]), *sides, ratio_text(one["ratio"]), verdict]


def comparison_page(document: Mapping[str, Any]) -> str:
    """Content of comparison.md."""
    settings, gating = document["settings"], [one for one in document["comparisons"] if one["gates"]]
    others = [one for one in document["comparisons"] if not one["gates"]]
    told = [one for one in others if one["ratio"]]
    level, margin = f"{100 * settings['confidence_level']:g} %", f"{100 * settings['margin']:g} %"
    tests = plural(settings["tests_in_family"], "test")
    metrics = markdown(", ".join(map(label_of, settings["metrics"])))
    where, both = APART, "Welch t on log launch medians and exact Mann-Whitney"
    if document["kind"] == "engines":
        where, both = "two engines in the blocks of one campaign", "paired t on log launch medians and sign flips"
    lines = [
        f"# After ({markdown(document['after']['folder'])}) against before ({markdown(document['before']['folder'])})",
        "",
        "## What differs",
        "",
        *_differences(document["differences"]),
        "",
        f"## The answer: {markdown(document['outcome']['words'])}",
        "",
        *markdown_table(COLUMNS, [_row(one, f" ({number})") for number, one in enumerate(gating, start=1)]),
        "",
        *(f"{number}. {markdown(one['sentence'])}" for number, one in enumerate(gating, start=1)),
        "",
    ]
    if told:
        lines += ["## Other metrics, which do not decide the answer", "", *markdown_table(COLUMNS, map(_row, told)), ""]
    if len(others) > len(told):
        lines += [f"{plural(len(others) - len(told), 'further comparison')} without a ratio: see comparison.json.", ""]
    lines += [
        "---",
        "",
        f"Before and after: {where}. Ratios above 1 mean that after is better; in brackets are {level} intervals over "
        f"launches. The answer rests on {metrics}, one family of {tests}: {both} must agree, each against a loss of "
        f"{margin}. Each other metric is a family of its own, and they are uncorrected for being many.",
        "",
    ]
    return "\n".join(lines)
