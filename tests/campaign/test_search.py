"""A campaign whose levels are searched: first its pilot, then the campaign with what that found, and never again."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_json
from benchmark_runner.schemas import violations
from tiny_model import make_tiny_model

FOUND = {"slo": {}, "cases": {"1": {"levels": [2, 3, 4], "words": "2, 3, 4 requests in flight"}}}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=1024)
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    load = {"mode": "closed", "search": "capacity", "search_up_to": 8}
    case = {"prompt_tokens": 16, "max_tokens": 4}
    return {
        "benchmark": {"output_dir": "r", "model_path": "models/m", "launches": 4, "allow_underpowered": True},
        "engines": [{"name": "mine", "binary_path": "mine"}],
        "workloads": [
            {"name": "alone", "iterations": 4, "test_cases": [case]},
            {"name": "searched", "test_cases": [{**case, "load": load}]},
        ],
    }


@pytest.fixture
def load(repository):
    return lambda config: load_campaign(config, [], repository / "engines")


def found(campaign) -> Path:
    """The file of the levels, written as the pilot would."""
    (file,) = map(Path, campaign.owed_grids.values())
    file.parent.mkdir(parents=True)
    write_json(file, FOUND)
    return file


def test_a_pilot_is_one_launch_of_each_engine_in_a_folder_of_its_own(config, load):
    pilot = load(config)
    plan = pilot.plan()
    assert (pilot.output_dir, plan["campaign"]["pilot"]) == ("r/pilot", True)
    assert [(row["engine"], row["workload"], row["block"]) for row in plan["order"]] == [("mine", "searched", 1)]
    assert [case["name"] for case in plan["workloads"][0]["cases"]] == ["c1", "c2", "c4", "c8"]
    assert violations("plan", plan) == []
    assert load(plan["config"]).plan() == plan  # as each of its jobs makes it
    assert not pilot.has_moved_on()


def test_what_was_found_is_measured_as_if_it_had_been_written(config, load):
    pilot = load(config)
    found(pilot)
    assert pilot.has_moved_on()
    campaign, written = load(config), copy.deepcopy(config)
    written["workloads"][1]["test_cases"][0]["load"] = {"mode": "closed", "concurrency": [2, 3, 4]}
    assert not campaign.owed_grids
    assert [one.key for one in campaign.launches] == [one.key for one in load(written).launches]
    plan = campaign.plan()
    assert plan["workloads"][1]["search"] == FOUND
    assert "pilot" not in plan["campaign"]
    assert violations("plan", plan) == []
    assert load(plan["config"]).plan() == plan


def test_levels_that_stand_beside_the_search_are_not_said_to_be_found(config, load):
    found(load(config))
    config["workloads"][1]["test_cases"][0]["load"]["concurrency"] = [1, 2]
    plan = load(config).plan()
    assert [case["name"] for case in plan["workloads"][1]["cases"]] == ["c1", "c2"]
    assert "search" not in plan["workloads"][1]


def test_levels_stay_as_they_were_found(config, load):
    found(load(config))
    before = {one.key for one in load(config).launches}
    config["analysis"] = {"slo": {"ttft_ms": 1}}
    config["engines"].append({"name": "other", "binary_path": "mine"})
    config["benchmark"]["launches"] = 5
    assert before < {one.key for one in load(config).launches}


@pytest.mark.parametrize(("key", "value"), [("search_up_to", 16), ("requests", 64)])
def test_another_question_is_searched_anew(config, load, key, value):
    found(load(config))
    config["workloads"][1]["test_cases"][0]["load"][key] = value
    assert load(config).owed_grids


@pytest.mark.parametrize("levels", [None, [], "2", [0], [1.5], [True]])
def test_levels_that_are_none_are_refused_with_the_file_and_what_to_do(config, load, levels):
    file = found(load(config))
    write_json(file, {"cases": {"1": {"levels": levels}}} if levels is not None else [])
    with pytest.raises(BenchmarkError, match=f"^{file} holds no levels for test case 1; delete it"):
        load(config)
