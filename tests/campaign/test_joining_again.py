"""What came into a campaign, or changed in a folder of it, later is in the joined one too, or is refused."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import joined_case
from benchmark_runner.campaign import join
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.records import collect
from benchmark_runner.records.checksum import write_record
from joined_case import A, B, C, change, joined, named


@pytest.fixture(autouse=True)
def two(tmp_path, monkeypatch) -> dict[str, Any]:
    """The configuration of results/a and results/b, which are there."""
    monkeypatch.chdir(tmp_path)
    joined_case.place(tmp_path)
    config = copy.deepcopy(joined_case.CONFIG)
    for folder, host, seed in ((A, "quick", 1), (B, "slow", 2)):
        joined_case.measured(folder, host, config, seed=seed)
    return config


def test_an_engine_that_came_into_a_campaign_later_is_joined_with_those_of_before(two):
    alone = {**two, "engines": two["engines"][:1]}
    for folder, host, seed in ((A, "quick", 1), (B, "slow", 2)):
        shutil.rmtree(folder)
        joined_case.measured(folder, host, alone, seed=seed)
        before = {path: path.read_bytes() for path in joined_case.records(folder)}
        joined_case.measured(folder, host, two, seed=seed + 2)
        assert any(read_json(path)["position"] != json.loads(content)["position"] for path, content in before.items())
        for path, content in before.items():
            path.write_bytes(content)
    assert len(joined_case.records(B)) == 2 * len(before)
    joined()
    arguments = ["--plan", "results/c/plan.json", "--engine", "first", "--launches", "results/c/launches/first"]
    assert collect.main([*arguments, "--out", "raw.json"]) == 0
    rows = [row for row in read_json(C / "plan.json")["order"] if row["engine"] == "first"]
    told = [(one["block"], one["position"]) for one in read_json(Path("raw.json"))["launches"]]
    assert told == [(row["block"], row["position"]) for row in rows]


def test_looks_and_machine_that_changed_since_are_taken_over_and_the_wholes_own_looks_are_kept():
    first, second, third = ({"launches": 5, "fingerprint": name} for name in "xyz")
    joined()
    joined_case.write(C / "looks.json", {"schema_version": 1, "looks": {"first/w.1": [first, second]}})
    assert not named().joins
    looks = {"first/w.1": [third], "second/w.1": [third]}
    joined_case.write(A / "looks.json", {"schema_version": 1, "looks": looks})
    change(A / "environment.json", lambda machine: machine["operating_system"].update(kernel="another"))
    joined()
    assert read_json(C / "looks.json")["looks"] == {"first/w.1": [first, second], "second/w.1": [third]}
    assert read_json(C / "environment.json")["operating_system"]["kernel"] == "another"
    assert not named().joins


def test_a_launch_that_was_measured_again_is_not_passed_over():
    joined()
    record = joined_case.records(A)[0]
    content = read_json(record)
    record.unlink()
    write_record(record, {key: value for key, value in content.items() if key != "checksum"} | {"attempt": 2})
    campaign = named()
    assert campaign.joins
    write_json(Path("told.json"), campaign.told)
    with pytest.raises(BenchmarkError, match=r"record\.json is not what results/a/launches/"):
        join.main(["--joined", "told.json", "--out", "results/c/plan.json"])


def test_what_a_folder_tells_beside_its_launches_is_taken_over_anew_where_it_changed(two):
    rate = {"point": 1.0, "low": 1.0, "high": 1.0, "repeats": 1, "kernel": "sum"}
    limits = {
        "schema_version": 1,
        "measured_at": "2026-01-01T00:00:00+00:00",
        "machine": {"hostname": "quick", "cpu": None, "available_cores": [0]},
        **{"threads": 1, "cores": [0], "bandwidth_bytes_per_s": rate, "flop_per_s": rate},
        **{"last_level_cache_bytes": None, "beyond_caches": None, "library": "none", "busy_processes": []},
    }
    joined_case.write(A / "calibration.json", limits)
    joined()
    assert (C / "calibration.json").exists()
    joined_case.measured(Path("results/d"), "third", two, seed=3)
    change(Path("results/d/fidelity/second.json"), lambda check: check.update(result="fail"))
    other = joined_case.environment("third", cpu={"model": "Other 1"})
    joined_case.write(Path("results/d/environment.json"), other)
    joined("results/a,results/b,results/d", unlike_machines=True)
    assert read_json(C / "fidelity" / "second.json")["result"] == "fail"
    assert not (C / "calibration.json").exists()
