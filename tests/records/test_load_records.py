"""Records of launches under load: read, collected and read back, and refused where they are not what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simdjson

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records.checksum import sealed_text
from benchmark_runner.records.parsed_requests import Requests
from benchmark_runner.records.raw_data import RawRecord, each_launch, read_heads, read_record, write_raw
from benchmark_runner.records.unlike import refuse_unlike
from scripted_launch import ScriptedEngine, ScriptedWorkload, make_record
from scripted_load import ScriptedLoad

WORKLOAD = ScriptedWorkload(name="serving", cases=((8, 5),), load=ScriptedLoad(concurrency=(1, 3), requests=6))
OPEN = ScriptedWorkload(
    name="arrivals", load=ScriptedLoad(requests_per_second=(2.0, 40.0), arrivals="poisson", requests=6)
)


def launch(workload: ScriptedWorkload = WORKLOAD, block: int = 1, **engine: Any) -> dict[str, Any]:
    slot = {"identity": "0" * 12, "block": block, "position": block}
    return make_record(ScriptedEngine("a", **engine), workload, slot, np.random.default_rng(1))


def written(folder: Path, record: dict[str, Any]) -> Path:
    path = folder / "record.json"
    path.write_bytes(sealed_text(record))
    return path


@pytest.mark.parametrize("workload", [WORKLOAD, OPEN], ids=["closed", "open"])
def test_a_sound_record_comes_back_from_the_raw_data_as_it_was(tmp_path: Path, workload: ScriptedWorkload) -> None:
    record = launch(workload, failing={("c3", 4): "timeout"})
    raw = read_record(written(tmp_path, record), simdjson.Parser())
    path = tmp_path / "a.json"
    write_raw(path, [raw], lambda _heads: {"engine": "a"})
    ((head, requests),) = each_launch(path)
    assert isinstance(requests, Requests) and len(requests) == len(record["requests"])
    assert head["stages"] == record["stages"] and "requests" not in head
    assert requests.start_ns.tolist() == [one["scheduled_ns"] for one in record["requests"]]
    assert requests.status == [one["status"] for one in record["requests"]]
    assert "requests" not in read_heads(path)["launches"][0]
    whole = json.loads(path.read_text())["launches"][0]
    for case in record["spec"]["cases"]:
        del case["prompts"]  # which stay in the launch's own record
    assert {key: whole[key] for key in record} == record


def test_a_file_that_someone_laid_out_otherwise_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"engine": "a", "launches": [launch()]}, indent=1))
    ((_, requests),) = each_launch(path)
    assert isinstance(requests, Requests) and requests.chunk_counts.sum() == len(requests.chunk_ns)


def test_launches_with_other_draws_belong_to_one_cell_and_with_another_length_do_not() -> None:
    first, second = launch(OPEN, block=1), launch(OPEN, block=2)
    drawn = first["spec"]["cases"][0]
    drawn["prompts"][0][1] = 7
    drawn["max_new_tokens_each"] = [11] * len(drawn["prompts"])
    drawn["load"] = drawn["load"] | {"seed": 99}
    refuse_unlike([first, second], "a serving")
    second["spec"]["cases"][0]["max_new_tokens"] = 6
    with pytest.raises(BenchmarkError, match=r"differ in spec\.cases"):
        refuse_unlike([first, second], "a serving")


def _measured(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in record["requests"] if one["phase"] == "measured")
    return found


def _drop_stage(record: dict[str, Any]) -> None:
    case = record["stages"].pop()["case"]
    record["requests"] = [one for one in record["requests"] if one["case"] != case]


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "lacks the stage of case": _drop_stage,
    "request 2 of case 0 or its stage is owed": lambda record: record["requests"].remove(
        next(one for one in record["requests"] if (one["case"], one["number"]) == (0, 2))
    ),
    "lies outside the window": lambda record: record["stages"][0].update(
        window_end_ns=record["stages"][0]["window_start_ns"]
    ),
    "holds times that go back": lambda record: record["load"].update(end_ns=record["stages"][0]["start_ns"] + 1),
    "4 tokens were generated instead of 5": lambda record: _measured(record).update(
        token_ids=[1] * 4, chunk_tokens=[1] * 4, chunk_ns=_measured(record)["chunk_ns"][:4], completion_tokens=4
    ),
    "request.phase is None": lambda record: _measured(record).update(phase=None),
    "does not ask for": lambda record: record["requests"].append({**record["requests"][0], "case": 7}),
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_record_that_says_ok_and_is_not_what_its_spec_asks_for_is_refused(tmp_path: Path, words: str) -> None:
    record = launch()
    CHANGES[words](record)
    with pytest.raises(BenchmarkError, match=words):
        read_record(written(tmp_path, record), simdjson.Parser())


def test_a_record_of_conversations_from_before_turns_counted_from_when_they_were_due_is_read(tmp_path: Path) -> None:
    """Its client looked at the clock when a pause was over: a turn due within it was a filler if sent after it."""
    record = launch()
    stage = next(one for one in record["stages"] if one["case"] == 0)
    requests = [one for one in record["requests"] if one["case"] == 0]
    case = record["spec"]["cases"][0]
    case["load"] |= {"turns": 2, "think_seconds": 0.0, "requests": None}
    for one in requests:
        one["prompt"] = one["number"]
    filler = requests[-1]
    assert filler["phase"] == "measured"
    filler["phase"] = "filler"
    filler["start_ns"] = filler["written_ns"] = filler["scheduled_ns"] + 20_000
    counted = next(one for one in requests if one["phase"] == "measured")
    case["load"]["duration_seconds"] = (filler["scheduled_ns"] + 10_000 - counted["scheduled_ns"]) / 1e9
    stage["ended"] = "duration"
    read = read_record(written(tmp_path, record), simdjson.Parser())
    assert read.head["status"] == "ok" and len(read.head["stages"]) == 2
    filler["start_ns"] = filler["written_ns"] = filler["scheduled_ns"]
    with pytest.raises(BenchmarkError, match="is a filler one and came within the level's time"):
        read_record(written(tmp_path, record), simdjson.Parser())


def test_a_launch_that_did_not_end_well_keeps_the_stages_before_it_went_wrong(tmp_path: Path) -> None:
    record = launch() | {"status": "failed", "reason": "it died"}
    _drop_stage(record)
    raw = read_record(written(tmp_path, record), simdjson.Parser())
    assert len(raw.head["stages"]) == 1 and raw == RawRecord.of(json.loads(written(tmp_path, record).read_text()))
