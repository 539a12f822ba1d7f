"""A record that says ok is held against its own spec and its checksum when it is collected."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import simdjson

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records import collect
from benchmark_runner.records.checksum import sealed_text, write_record
from benchmark_runner.records.raw_data import read_record
from records import ScriptedEngine, ScriptedWorkload, make_raw_data, record_path_of, write_inputs

ENGINE = ScriptedEngine("a")
CASES = ((8, 11), (5, 3))


def _record() -> dict[str, Any]:
    raw, _ = make_raw_data([ENGINE], [ScriptedWorkload(cases=CASES)], launches=1)
    record: dict[str, Any] = copy.deepcopy(raw["a"]["launches"][0])
    record["model"]["vocab_size"] = 1000
    return record


def _read(folder: Path, text: bytes) -> Any:
    path = folder / "record.json"
    path.write_bytes(text)
    return read_record(path, simdjson.Parser())


def _second(record: dict[str, Any]) -> dict[str, Any]:
    iteration: dict[str, Any] = record["iterations"][1]
    return iteration


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "holds 0 of the 10 iterations": lambda record: record.update(iterations=[]),
    "holds 9 of the 10 iterations": lambda record: record["iterations"].pop(),
    "holds 11 of the 10 iterations": lambda record: record["iterations"].append(record["iterations"][-1]),
    "holds other iterations than its spec asks for": lambda record: _second(record).update(case=0),
    "or in another order": lambda record: _second(record).update(warmup=False),
    "holds 2 tokens in iteration 1, where its spec asks for 3": lambda record: [
        _second(record)[name].pop() for name in ("token_ids", "token_ns")
    ],
    "holds 3 tokens in iteration 1": lambda record: _second(record).update(finish="eos"),
    "holds times that go back": lambda record: _second(record).update(end_ns=_second(record)["start_ns"] - 1),
    "times that go back, from": lambda record: _second(record)["token_ns"].reverse(),
    "that go back": lambda record: record["load"].update(end_ns=record["iterations"][0]["end_ns"]),
    "to 5 ns": lambda record: record.update(engine_window={"start_ns": 1, "end_ns": 5}),
    "holds the id 1000, which is none of the vocabulary's 1000": lambda record: _second(record).update(
        token_ids=[1, 1000, 2]
    ),
    "holds 69 ids and 70 times of tokens": lambda record: _second(record)["token_ids"].pop(),
    "has no spec": lambda record: record.update(spec=None),
    "has no load": lambda record: record.update(load=None),
    "a spec or a hello that is none (cases": lambda record: record["spec"].update(cases=[]),
    "a spec or a hello that is none (cases.0.max_new_tokens": lambda record: record["spec"]["cases"][0].update(
        max_new_tokens=0
    ),
    "that is none (capabilities": lambda record: record["hello"].update(capabilities=[]),
}


@pytest.mark.parametrize("layout", [None, 1], ids=["as launches write it", "laid out anew"])
@pytest.mark.parametrize("words", BROKEN)
def test_what_a_record_lacks_that_says_ok_is_named_with_what_to_do(tmp_path: Path, words: str, layout: Any) -> None:
    record = _record()
    BROKEN[words](record)
    with pytest.raises(BenchmarkError) as told:
        _read(tmp_path, json.dumps(record, indent=layout).encode())
    assert "record.json: says ok and " in str(told.value) and words in str(told.value)
    assert "move its folder away and run again" in str(told.value)


@pytest.mark.parametrize(
    ("key", "value"), [("started_at", "last Monday"), ("ended_at", "2026-02-30T00:00:00Z"), ("ended_at", "2026-02-03")]
)
def test_a_date_that_is_none_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(BenchmarkError, match=rf"record\.json: {key}"):
        _read(tmp_path, json.dumps(_record() | {key: value}).encode())


def test_a_record_that_ends_before_it_started_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="ends before it started"):
        _read(tmp_path, json.dumps(_record() | {"ended_ns": 5}).encode())


def test_a_failed_launch_owes_nothing(tmp_path: Path) -> None:
    record = _record() | {"status": "failed", "reason": "it crashed", "iterations": [], "load": None}
    assert _read(tmp_path, sealed_text(record)).head["status"] == "failed"


@pytest.mark.parametrize("optional", [False, True], ids=["plain", "with margins"])
def test_what_a_launch_wrote_is_read_and_every_change_of_it_is_told(tmp_path: Path, optional: bool) -> None:
    record = _record()
    if optional:
        _second(record)["margins"] = [0.1, 1e-7, 12345678.9]
    text = sealed_text(record)
    assert _read(tmp_path, text).head["checksum"] in text.decode()
    for old, new in (('"block": 1', '"block": 2'), ('"token_ids": [3', '"token_ids": [4'), ("scripted-host", "höst")):
        changed = text.decode().replace(old, new).encode()
        assert changed != text
        with pytest.raises(BenchmarkError, match=r"record\.json: is not what the launch wrote, by its checksum"):
            _read(tmp_path, changed)


@pytest.mark.parametrize("indent", [None, 2])
def test_another_layout_changes_nothing(tmp_path: Path, indent: int | None) -> None:
    text = json.dumps(json.loads(sealed_text(_record() | {"reason": "ü \u2028"})), indent=indent)
    assert _read(tmp_path, f"{text}\n\n".encode()).head["reason"] == "ü \u2028"


def test_records_without_checksum_are_read_and_said_to_be_that(tmp_path: Path, capsys: Any) -> None:
    raw, plan = make_raw_data([ENGINE], launches=3)
    write_inputs(tmp_path, [ENGINE], raw, plan)
    paths = [record_path_of(tmp_path, record) for record in raw["a"]["launches"]]
    for path, record in zip(paths[:2], raw["a"]["launches"], strict=False):
        write_record(path, record)
    out = tmp_path / "a.json"
    arguments = ["--plan", tmp_path / "plan.json", "--engine", "a", "--out", out, "--launches", tmp_path / "launches/a"]
    assert collect.main(list(map(str, arguments))) == 0
    assert capsys.readouterr().out == "a: 3 launches collected, 1 of them without checksum\n"
    assert json.loads(out.read_text(encoding="utf-8"))["without_checksum"] == 1
