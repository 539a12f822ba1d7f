"""statistical_summary.json as others read it: a strict schema that explains itself, and no null without its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.schemas import schema, violations
from records import ScriptedEngine, ScriptedWorkload, write_results

NULL_SAYS_SOMETHING = {"case", "reason", "footnote", "engine", "workload"}
"""Fields whose null is an answer: a whole launch, nothing wrong, nothing differs, all engines, all workloads."""


def _summary(folder: Path, **options: Any) -> dict[str, Any]:
    spread: dict[str, Any] = {"launch_spread": 0.01, "iteration_spread": 0.01}
    engines = [
        ScriptedEngine("torch", **spread),
        ScriptedEngine("candle", ttft_ms=10.0, itl_ms=5.0, **spread),
        ScriptedEngine("gone", unavailable="no such file"),
        ScriptedEngine("torch_control", control_of="torch", **spread),
    ]
    write_results(folder, engines, [ScriptedWorkload("chat", iterations=10)], **options)
    content: dict[str, Any] = json.loads((folder / "analysis" / "statistical_summary.json").read_text())
    return content


@pytest.fixture(scope="module", params=[1, 3, 8], ids="{} launches".format)
def summary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _summary(tmp_path_factory.mktemp("summary"), launches=request.param)


def _objects(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def test_a_summary_keeps_its_schema(summary: dict[str, Any]) -> None:
    assert violations("statistical_summary", summary) == []


def test_an_unknown_or_missing_field_breaks_the_schema(summary: dict[str, Any]) -> None:
    comparison = dict(summary["comparisons"][0])
    del comparison["sentence"]
    assert violations("statistical_summary", {**summary, "comparisons": [comparison]})
    assert violations("statistical_summary", {**summary, "comparisons": [summary["comparisons"][0] | {"more": 1}]})
    assert violations("statistical_summary", {**summary, "more": 1})


def test_every_field_of_the_schema_is_described() -> None:
    whole = schema("statistical_summary")
    named = [
        (name, rule)
        for node in _objects(whole)
        for name, rule in node.get("properties", {}).items()
        if isinstance(rule, Mapping)
    ]
    assert len(named) > 150
    resolved = [(name, whole["$defs"][rule["$ref"].split("/")[-1]] if "$ref" in rule else rule) for name, rule in named]
    assert [name for name, rule in resolved if not rule.get("description")] == []


@pytest.mark.parametrize("section", ["cells", "comparisons"])
def test_every_undefined_number_has_its_reason(summary: dict[str, Any], section: str) -> None:
    seen = 0
    for node in (node for node in _objects(summary[section]) if "undefined" in node):
        for name, value in node.items():
            if value is None and name not in NULL_SAYS_SOMETHING:
                seen += 1
                assert node["undefined"].get(name), (name, node)
        assert all(reason for reason in node["undefined"].values())
    assert seen > 10


def test_percentiles_and_diagnostics_say_why_they_are_null(summary: dict[str, Any]) -> None:
    parts = [node for node in _objects(summary["cells"]) if {"method", "n", "reason"} <= node.keys()]
    undefined = [node for node in parts if any(node[key] is None for key in node.keys() - {"reason", "method"})]
    assert undefined and all(node["reason"] for node in undefined)


def test_a_campaign_without_control_says_so(tmp_path: Path) -> None:
    write_results(tmp_path, [ScriptedEngine("torch", launch_spread=0.01)], launches=4)
    found = json.loads((tmp_path / "analysis" / "statistical_summary.json").read_text())
    assert found["control"] is None and found["undefined"] == {"control": "benchmark.control is false"}
