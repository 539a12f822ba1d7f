"""Iterations judged in bulk: never a malformed one is told sound, and what is odd is left to the schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import simdjson

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records.parsed_iterations import read_iterations, read_plain
from benchmark_runner.records.raw_data import RawRecord, read_record
from benchmark_runner.schemas import violations
from records import ScriptedEngine, make_raw_data


def _record() -> dict[str, Any]:
    raw, _ = make_raw_data([ScriptedEngine("a")], launches=1)
    return copy.deepcopy(raw["a"]["launches"][0])


def _is_sound(iterations: Any) -> bool:
    text = json.dumps(iterations).encode()
    return read_plain(simdjson.Parser().parse(text), text.count(b"[")) is not None


def _read(folder: Path, record: Any) -> RawRecord:
    path = folder / "record.json"
    path.write_text(json.dumps(record))
    return read_record(path, simdjson.Parser())


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
    ("token_ids", [[1], [2]]),
    ("token_ns", [1, [2], []]),
    ("token_ids", [True]),
    ("token_ns", [{"0": 1}]),
    ("token_ids", {"0": 1}),
    ("token_ns", [1, None]),
    ("token_ns", [1, 2.5]),
    ("token_ns", 7),
    ("token_ns", [2**63]),
    ("token_ids", [2**64 - 1]),
    ("end_ns", 2**63),
    ("index", 2**31),
    ("finish", "tired"),
    ("finish", "tired}]"),
    ("finish", ["eos"]),
    ("more", 1),
]


@pytest.mark.parametrize(("key", "value"), MALFORMED, ids=str)
def test_a_malformed_iteration_is_never_sound_and_refused_with_its_key(tmp_path: Path, key: str, value: Any) -> None:
    record = _record()
    record["iterations"][1][key] = value
    assert not _is_sound(record["iterations"])
    assert violations("record", record)
    with pytest.raises(BenchmarkError, match=r"record\.json: iterations\.1"):
        _read(tmp_path, record)


@pytest.mark.parametrize("key", sorted(_record()["iterations"][0]))
def test_a_missing_field_is_refused(tmp_path: Path, key: str) -> None:
    record = _record()
    del record["iterations"][1][key]
    with pytest.raises(BenchmarkError, match=rf"iterations\.1: '{key}' is a required property"):
        _read(tmp_path, record)


@pytest.mark.parametrize("iterations", [None, {}, "none", [None], [3], [[]]], ids=str)
def test_what_is_no_list_of_iterations_is_refused(tmp_path: Path, iterations: Any) -> None:
    assert not _is_sound(iterations)
    with pytest.raises(BenchmarkError, match="iterations"):
        _read(tmp_path, {**_record(), "iterations": iterations})


@pytest.mark.parametrize("content", [{}, [], 3, None, "iterations", {"iterations": []}], ids=str)
def test_what_is_no_record_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(BenchmarkError, match=r"record\.json: .*\(schema record\)"):
        _read(tmp_path, content)


@pytest.mark.parametrize("kept", [slice(None), slice(0, 1), slice(0)], ids=["all", "one", "none"])
def test_sound_iterations_need_no_schema_and_are_kept_as_they_are_written(tmp_path: Path, kept: slice) -> None:
    record = {**_record(), "status": "failed"}
    record["iterations"] = record["iterations"][kept]
    assert _is_sound(record["iterations"])
    read = _read(tmp_path, record)
    assert bytes(read.iterations) == json.dumps(record["iterations"]).encode()
    assert {**read.head, "iterations": record["iterations"]} == record


@pytest.mark.parametrize(
    ("key", "value"),
    [("margins", [0.5]), ("tokenized_ns", 3), ("start_ns", 5.0), ("index", True), ("token_ns", [7.0, 8])],
)
def test_what_is_odd_is_left_to_the_schema(tmp_path: Path, key: str, value: Any) -> None:
    record = _record()
    record["iterations"][1][key] = value
    assert not _is_sound(record["iterations"])
    if violations("record", record):
        with pytest.raises(BenchmarkError):
            _read(tmp_path, record)
    else:
        assert json.loads(_read(tmp_path, record).iterations) == record["iterations"]


def test_the_rest_of_the_record_is_held_against_the_schema(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"record\.json: block"):
        _read(tmp_path, {**_record(), "block": 0})


def test_a_record_that_someone_laid_out_otherwise_is_read_too(tmp_path: Path) -> None:
    record, path = _record(), tmp_path / "record.json"
    for text in (json.dumps(record, indent=2), json.dumps(record, separators=(",", ":"))):
        path.write_text(text)
        read = read_record(path, simdjson.Parser())
        assert b"\n" not in bytes(read.iterations)
        assert {**read.head, "iterations": json.loads(bytes(read.iterations))} == record


def test_other_iterations_before_the_record_s_own_do_not_stand_for_them(tmp_path: Path) -> None:
    record = _record()
    own = copy.deepcopy(record["iterations"])
    record["status"] = "failed"
    record = {"spec": {"iterations": own[:1]}, **{key: value for key, value in record.items() if key != "spec"}}
    assert json.loads(bytes(_read(tmp_path, record).iterations)) == own


@pytest.mark.parametrize(
    "text", ["", "{", '{"iterations": [{}', "\xff", '{"iterations": [{}]} 1', '{"iterations": [{]}']
)
def test_what_is_no_json_is_told_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BenchmarkError, match=r"record\.json is not valid JSON \(.*\); move it away and run again"):
        read_record(path, simdjson.Parser())


def test_columns_hold_each_iteration_s_values_in_order() -> None:
    iterations = _record()["iterations"][:3]
    iterations[1].update(token_ids=[], token_ns=[], warmup=True, finish="eos")
    iterations[2].update(token_ns=[2**53 + 1, 2**53 + 3.0 - 1], token_ids=[1, 2], margins=[0.5, 0.25])
    found = read_iterations(simdjson.Parser().parse(json.dumps(iterations).encode()))
    assert len(found) == 3
    for name in ("index", "warmup", "case", "start_ns", "end_ns", "finish"):
        assert list(getattr(found, name)) == [one[name] for one in iterations]
    assert found.token_counts.tolist() == [len(one["token_ns"]) for one in iterations]
    assert found.token_ns.tolist() == [int(time) for one in iterations for time in one["token_ns"]]
