"""Collecting records: what belongs is kept whole, what does not is refused by name."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records import collect
from benchmark_runner.records.raw_data import RawRecord
from records import ScriptedEngine, ScriptedWorkload, make_fidelity, make_raw_data, record_path_of, write_inputs

ENGINE = ScriptedEngine("alpha")
WORKLOADS = (ScriptedWorkload("latency_test"), ScriptedWorkload("throughput_test"))


@pytest.fixture
def campaign() -> tuple[dict[str, Any], dict[str, Any]]:
    """(plan, records by path) of one engine with two launches of two workloads."""
    raw, plan = make_raw_data([ENGINE], WORKLOADS, launches=2)
    return plan, {f"{i}/record.json": record for i, record in enumerate(raw["alpha"]["launches"])}


def _collect(campaign: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    plan, records = campaign
    launches = list(
        collect.planned(plan, "alpha", ((where, RawRecord.of(record)) for where, record in records.items()))
    )
    described = collect.describe(plan, "alpha", make_fidelity(ENGINE, "alpha"), [one.head for one in launches])
    return {**described, "launches": [{**one.head, "iterations": json.loads(one.iterations)} for one in launches]}


def _cell(record: dict[str, Any]) -> tuple[str, int]:
    return record["workload"], record["block"]


def test_every_record_is_kept_whole(campaign: Any) -> None:
    raw = _collect(campaign)
    assert raw["baseline"] is True
    assert raw["control_of"] is None
    assert sorted(raw["launches"], key=_cell) == sorted(campaign[1].values(), key=_cell)
    assert raw["unlike"] == []


def test_failed_launches_are_kept(campaign: Any) -> None:
    record = next(iter(campaign[1].values()))
    record.update(status="timeout", reason="took too long", iterations=[])
    assert [launch["status"] for launch in _collect(campaign)["launches"]].count("timeout") == 1


def test_a_campaign_without_records_is_no_error(campaign: Any) -> None:
    plan, _ = campaign
    assert _collect((plan, {}))["launches"] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("engine", "beta"), ("workload", "other"), ("identity", "0123456789ab"), ("block", 99)],
)
def test_a_record_that_the_plan_does_not_know_is_refused_by_name(campaign: Any, key: str, value: Any) -> None:
    campaign[1]["1/record.json"][key] = value
    with pytest.raises(BenchmarkError, match=rf"1/record\.json: {key}.*{value}"):
        _collect(campaign)


def test_the_same_launch_twice_is_refused(campaign: Any) -> None:
    campaign[1]["again/record.json"] = copy.deepcopy(campaign[1]["0/record.json"])
    with pytest.raises(BenchmarkError, match=r"again/record\.json: block .* already in 0/record\.json"):
        _collect(campaign)


def test_an_engine_that_is_not_planned_is_refused(campaign: Any) -> None:
    with pytest.raises(BenchmarkError, match=r"'gamma' is no engine of the plan; it has \['alpha'\]"):
        list(collect.planned(campaign[0], "gamma", []))


def _same_cell(campaign: Any) -> list[dict[str, Any]]:
    return [record for record in campaign[1].values() if record["workload"] == "latency_test"]


def test_launches_of_another_measure_version_are_not_pooled(campaign: Any) -> None:
    _same_cell(campaign)[0]["measure_version"] = 2
    with pytest.raises(BenchmarkError, match=r"alpha latency_test: launches differ in measure_version \(.*2 in blocks"):
        _collect(campaign)


def test_launches_of_another_model_are_not_pooled(campaign: Any) -> None:
    _same_cell(campaign)[0]["model"]["weights_sha256"] = "f" * 64
    with pytest.raises(BenchmarkError, match=r"launches differ in model\.weights_sha256"):
        _collect(campaign)


def test_launches_with_other_prompts_are_not_pooled(campaign: Any) -> None:
    _same_cell(campaign)[0]["spec"]["cases"][0]["prompt_ids"][0] = 999
    with pytest.raises(BenchmarkError, match=r"launches differ in spec\.cases"):
        _collect(campaign)


def test_a_launch_that_never_loaded_differs_in_nothing(campaign: Any) -> None:
    _same_cell(campaign)[0].update(status="failed", reason="crash", spec=None, load=None, hello=None, model=None)
    assert _collect(campaign)["unlike"] == []


def test_a_change_of_device_between_launches_is_stated(campaign: Any) -> None:
    record = _same_cell(campaign)[0]
    record["load"]["device"] = "cuda:0"
    found = _collect(campaign)["unlike"]
    assert [entry["key"] for entry in found] == ["load.device"]
    assert found[0]["workload"] == "latency_test"
    assert {"value": "cuda:0", "blocks": [record["block"]]} in found[0]["values"]


def test_launches_beyond_the_number_that_the_plan_has_now_are_listed(tmp_path: Path) -> None:
    _, plan = make_raw_data([ENGINE], launches=2)
    identity = next(slot["identity"] for slot in plan["order"] if slot["workload"] == "latency_test")
    for block in (1, 2, 3, 4):
        record = tmp_path / f"latency_test.{identity}" / str(block) / "record.json"
        record.parent.mkdir(parents=True)
        record.write_text("{}")
    found = collect.other_identities(plan, "alpha", tmp_path)
    assert found == [{"workload": "latency_test", "identity": identity, "launches": 2}]


def _arguments(folder: Path) -> list[str]:
    files = {"plan": "plan.json", "fidelity": "fidelity/alpha.json", "out": "raw_data/alpha.json"}
    options = [word for name, file in files.items() for word in (f"--{name}", str(folder / file))]
    return ["--engine", "alpha", *options, "--launches", str(folder / "launches" / "alpha")]


def test_an_engine_s_folder_stands_for_its_whole_records_of_the_plan(tmp_path: Path) -> None:
    raw, plan = make_raw_data([ENGINE], launches=4)
    write_inputs(tmp_path, [ENGINE], raw, plan)
    cut, gone = (record_path_of(tmp_path, record) for record in raw["alpha"]["launches"][1:3])
    cut.write_bytes(cut.read_bytes()[:-40])
    gone.unlink()
    assert collect.main(_arguments(tmp_path)) == 0
    collected = json.loads((tmp_path / "raw_data" / "alpha.json").read_text(encoding="utf-8"))["launches"]
    assert [launch["block"] for launch in collected] == [1, 4]


@pytest.mark.parametrize("instead", [Path.touch, os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_record_that_is_spoilt_between_planning_and_collecting_fails_the_stage(tmp_path: Path, instead: Any) -> None:
    raw, plan = make_raw_data([ENGINE], launches=4)
    write_inputs(tmp_path, [ENGINE], raw, plan)
    record = record_path_of(tmp_path, raw["alpha"]["launches"][1])
    record.unlink()
    instead(record)
    with pytest.raises(BenchmarkError, match=r"3 records are there to their end, not 4 .*; run it again"):
        collect.main([*_arguments(tmp_path), "--records", "4"])
    assert not (tmp_path / "raw_data" / "alpha.json").exists()


def test_a_record_that_breaks_the_schema_is_refused_with_its_key_and_no_file_is_left(tmp_path: Path) -> None:
    raw, plan = make_raw_data([ENGINE], launches=2)
    raw["alpha"]["launches"][1]["iterations"][0]["start_ns"] = "soon"
    write_inputs(tmp_path, [ENGINE], raw, plan)
    with pytest.raises(BenchmarkError, match=r"record\.json: iterations\.0\.start_ns"):
        collect.main(_arguments(tmp_path))
    assert list((tmp_path / "raw_data").iterdir()) == []


def test_the_command_writes_the_file_and_lists_other_identities(tmp_path: Path) -> None:
    raw, plan = make_raw_data([ENGINE], launches=2)
    write_inputs(tmp_path, [ENGINE], raw, plan)
    stranger = tmp_path / "launches" / "alpha" / "latency_test.aaaaaaaaaaaa" / "1" / "record.json"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("{}")
    assert collect.main(_arguments(tmp_path)) == 0
    written = json.loads((tmp_path / "raw_data" / "alpha.json").read_text())
    assert len(written["launches"]) == 2
    assert written["fidelity"]["result"] == "pass"
    assert written["not_part_of_campaign"] == [{"workload": "latency_test", "identity": "aaaaaaaaaaaa", "launches": 1}]
