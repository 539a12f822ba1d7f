"""Iterations told sound in bulk: never a malformed one, and what is odd is left to the schema."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.recorded_iterations import are_plainly_sound, require_valid_record
from benchmark_runner.schemas import violations
from records import ScriptedEngine, make_raw_data


def _record() -> dict[str, Any]:
    raw, _ = make_raw_data([ScriptedEngine("a")], launches=1)
    return copy.deepcopy(raw["a"]["launches"][0])


MALFORMED: list[tuple[str, Any]] = [
    ("index", -1),
    ("index", "0"),
    ("index", 1.5),
    ("index", None),
    ("warmup", 0),
    ("warmup", None),
    ("case", -1),
    ("start_ns", 1.25),
    ("start_ns", "soon"),
    ("end_ns", -5),
    ("end_ns", None),
    ("token_ids", [1, -2]),
    ("token_ids", [1, "2"]),
    ("token_ids", [[1]]),
    ("token_ids", {"0": 1}),
    ("token_ns", [1, None]),
    ("token_ns", [1, 2.5]),
    ("token_ns", 7),
    ("finish", "tired"),
    ("finish", ["eos"]),
    ("more", 1),
]


@pytest.mark.parametrize(("key", "value"), MALFORMED, ids=str)
def test_a_malformed_iteration_is_never_sound_and_refused_with_its_key(key: str, value: Any) -> None:
    record = _record()
    record["iterations"][1][key] = value
    assert not are_plainly_sound(record["iterations"])
    assert violations("record", record)
    with pytest.raises(BenchmarkError, match=r"there: iterations\.1"):
        require_valid_record(record, "there")


@pytest.mark.parametrize("key", sorted(_record()["iterations"][0]))
def test_a_missing_field_is_refused(key: str) -> None:
    record = _record()
    del record["iterations"][1][key]
    with pytest.raises(BenchmarkError, match=rf"iterations\.1: '{key}' is a required property"):
        require_valid_record(record, "there")


@pytest.mark.parametrize("iterations", [None, {}, "none", [None], [3], [[]]], ids=str)
def test_what_is_no_list_of_iterations_is_refused(iterations: Any) -> None:
    assert not are_plainly_sound(iterations)
    with pytest.raises(BenchmarkError, match="iterations"):
        require_valid_record({**_record(), "iterations": iterations}, "there")


def test_sound_iterations_need_no_schema_and_none_are_sound() -> None:
    assert are_plainly_sound(_record()["iterations"]) and are_plainly_sound([])
    require_valid_record(_record(), "there")


@pytest.mark.parametrize(
    ("key", "value"), [("margins", [0.5]), ("tokenized_ns", 3), ("start_ns", 5.0), ("index", True)]
)
def test_what_is_odd_is_left_to_the_schema(key: str, value: Any) -> None:
    record = _record()
    record["iterations"][1][key] = value
    assert not are_plainly_sound(record["iterations"])
    if violations("record", record):
        with pytest.raises(BenchmarkError):
            require_valid_record(record, "there")
    else:
        require_valid_record(record, "there")


def test_the_rest_of_the_record_is_held_against_the_schema() -> None:
    with pytest.raises(BenchmarkError, match=r"there: block"):
        require_valid_record({**_record(), "block": 0}, "there")
