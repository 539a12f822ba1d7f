"""The quick look at a schema says no wherever jsonschema names a violation, and nowhere else."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from benchmark_runner.accepting import Accepting, UnknownKeywordError
from benchmark_runner.schemas import SCHEMA_FOLDER, _accepts, _rules, schema
from benchmark_runner.violations import violations_of
from finished import make_environment
from records import ScriptedEngine, ScriptedWorkload, make_fidelity, make_raw_data, write_results
from scripted_load import ScriptedLoad
from tiny_campaign import CONFIG

NAMES = [path.name.removesuffix(".schema.yaml") for path in sorted(SCHEMA_FOLDER.glob("*.schema.yaml"))]
WRONG: list[Any] = [None, True, 1, 1.0, -1, 2.5, "", "text", [], [[]], {}, {"a": 1}, "2026-01-01T00:00:00Z", 10**20]


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_known_whole(name: str) -> None:
    for content in WRONG:
        assert _accepts(name)(content) == (not violations_of(_rules(name), content)), content


def documents(folder: Path) -> Iterator[tuple[str, Any]]:
    workloads = [ScriptedWorkload("chat"), ScriptedWorkload("serving", load=ScriptedLoad(concurrency=(2,), requests=4))]
    engines = [ScriptedEngine("one", launch_spread=0.02), ScriptedEngine("two", itl_ms=12.0, launch_spread=0.02)]
    raw, _ = make_raw_data(engines, workloads, launches=2)
    yield from (("record", record) for record in raw["one"]["launches"][:2])
    yield "config", copy.deepcopy(CONFIG)
    yield "fidelity", make_fidelity(engines[0], "two")
    yield "environment", make_environment()
    write_results(folder, engines, workloads, launches=3)
    yield "statistical_summary", json.loads((folder / "analysis" / "statistical_summary.json").read_text())


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    for key in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        yield content, key
        yield from _places(content[key])


def test_a_document_that_was_changed_anywhere_is_judged_as_by_jsonschema(tmp_path: Path) -> None:
    dice, seen = random.Random(7), {True: 0, False: 0}
    for name, content in documents(tmp_path):
        assert _accepts(name)(content) and not violations_of(_rules(name), content), name
        for _ in range(60):
            changed = copy.deepcopy(content)
            holder, key = dice.choice(list(_places(changed)))
            how = dice.choice(["value", "gone", "more"])
            if how == "gone":
                del holder[key]
            elif how == "more" and isinstance(holder, dict):
                holder[f"{key}_"] = dice.choice(WRONG)
            else:
                holder[key] = dice.choice(WRONG)
            told = not violations_of(_rules(name), changed)
            assert _accepts(name)(changed) == told, (name, key, how)
            seen[told] += 1
    assert min(seen.values()) > 20


@pytest.mark.parametrize(
    ("rules", "unknown"),
    [
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        ({"description": "Seconds", "or null where nothing ran": None}, "or null where nothing ran"),
        ({"properties": {"a": {"format": "uri"}}}, "format uri"),
        ({"type": ["null", "text"]}, "type text"),
        ({"$ref": "#/$defs/gone"}, "#/\\$defs/gone"),
        ({"$ref": "other.yaml"}, "other.yaml"),
    ],
)
def test_what_a_schema_says_that_is_not_known_makes_no_check(rules: dict[str, Any], unknown: str) -> None:
    with pytest.raises(UnknownKeywordError, match=f"^{unknown}$"):
        Accepting({}, {}).check(rules)


ALIKE: list[Any] = [True, 1, 1.0, 0, False, "1", None, [], [True], [1], [1.0], [[1]], [[True]], {"a": 1}, {"a": True}]
ALIKE += [{"a": [1.0]}, {"a": [True]}, {"b": 1}, [1, 2], {}]


def test_values_are_the_same_at_any_depth_where_they_are_to_jsonschema() -> None:
    for one in ALIKE:
        for other in ALIKE:
            for rules, content in (
                ({"const": one}, other),
                ({"enum": [one]}, other),
                ({"uniqueItems": True}, [one, other]),
            ):
                told = Draft202012Validator(rules).is_valid(content)
                assert Accepting(rules, {}).check(rules)(content) == told, (rules, content)
