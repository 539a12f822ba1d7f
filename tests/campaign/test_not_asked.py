"""Test cases that an engine cannot serve: the plan leaves them out for it alone, and says which and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.campaign.asking import not_served, untested
from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.from_plan import CampaignOfPlan
from benchmark_runner.campaign.parts import part_file
from benchmark_runner.configuration.not_asked import as_asked
from benchmark_runner.planning.minutes import rows_that_take_time
from benchmark_runner.planning.plan import power_of
from benchmark_runner.schemas import violations
from tiny_model import make_tiny_model

CASE = {"prompt_tokens": 16, "max_tokens": 4}
TALK = {"mode": "closed", "concurrency": 2, "turns": 3, "requests": 6}
PLAIN = {"mode": "closed", "concurrency": [1, 4], "requests": 8}
NO_TALK = "llama-cpp-bench serves no conversations"


@pytest.fixture
def engines(repository, tmp_path, monkeypatch):
    """Folder of adapters, of which llama-cpp-bench serves no conversations."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "engines"
    for name in ("bench-protocol-py", "llama-cpp-bench", "transformers-serve"):
        shutil.copytree(repository / "engines" / name, folder / name)
    shutil.copytree(repository / "envs", tmp_path / "envs")
    adapter = folder / "llama-cpp-bench" / "adapter.yaml"
    adapter.write_text(adapter.read_text().replace(", conversations]", "]"))
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=1024)
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    return folder


@pytest.fixture
def config():
    benchmark = {"output_dir": "r", "model_path": "models/m", "launches": 2, "allow_underpowered": True}
    return {
        "benchmark": benchmark,
        "engines": [
            {"name": "mine", "binary_path": "mine"},
            {"name": "llama", "binary_path": "target/release/llama-cpp-bench"},
        ],
        "workloads": [{"name": "chat", "test_cases": [{**CASE, "load": PLAIN}, {**CASE, "load": TALK}]}],
    }


def test_a_plan_leaves_out_what_an_engine_cannot_serve_and_asks_for_the_rest(config, engines):
    campaign = load_campaign(config, [], engines)
    plan = campaign.plan()
    assert violations("plan", plan) == []
    assert plan["not_asked"] == [{"engine": "llama", "workload": "chat", "case": "case_2_c2", "reason": NO_TALK}]
    (chat,) = plan["workloads"]
    asked = {name: [case["name"] for case in as_asked(plan, name, chat)["cases"]] for name in ("mine", "llama")}
    assert asked == {"mine": ["case_1_c1", "case_1_c4", "case_2_c2"], "llama": ["case_1_c1", "case_1_c4"]}
    note = f"note: llama is not asked for case_2_c2 of chat: {NO_TALK}"
    assert [line for line in campaign.notices() if "chat" in line] == [note]
    assert rows_that_take_time(plan) == plan["order"]
    # What it can serve is owed again once the engine can be had.
    assert {launch.engine for launch in campaign.owed_launches.values()} == {"mine", "llama", "mine_control"}


def test_comparisons_of_a_case_are_among_those_that_have_it(config, engines):
    config["engines"].append({"name": "other", "binary_path": "mine"})
    plan = load_campaign(config, [], engines).plan()
    assert untested(plan) == 2
    assert power_of(plan, None)["tests"] == 3 + 3 + 1


def test_an_engine_with_no_case_left_is_refused_as_a_whole(config, engines):
    config["workloads"][0]["test_cases"].pop(0)
    campaign = load_campaign(config, [], engines)
    plan = campaign.plan()
    assert "not_asked" not in plan
    assert list(not_served(plan)) == [f"llama: {NO_TALK}; its launches on chat will be unavailable"]
    assert [row["engine"] for row in rows_that_take_time(plan)].count("llama") == 0


def test_only_the_engine_that_is_asked_for_less_is_measured_anew(config, engines):
    able = engines / "llama-cpp-bench" / "adapter.yaml"
    less = {launch.engine: launch.identity for launch in load_campaign(config, [], engines).launches}
    able.write_text(able.read_text().replace("open]", "open, conversations]"))
    whole = load_campaign(config, [], engines)
    assert "not_asked" not in whole.plan()
    identities = {launch.engine: launch.identity for launch in whole.launches}
    assert identities["mine"] == less["mine"] and identities["llama"] != less["llama"]


def test_more_requests_at_once_than_an_adapter_serves_are_left_out(config, engines):
    config["workloads"][0]["test_cases"] = [{**CASE, "load": {**PLAIN, "concurrency": [4, 256, 300]}}]
    opened = {"mode": "open", "requests_per_second": 2, "slots": 300}
    config["workloads"].append({"name": "arrivals", "test_cases": [{**CASE, "load": opened}, {**CASE, "load": PLAIN}]})
    plan = load_campaign(config, [], engines).plan()
    reasons = {(row["workload"], row["case"]): row["reason"] for row in plan["not_asked"]}
    most = "llama-cpp-bench serves at most 256 requests at once"
    assert reasons == {("chat", "c300"): most, ("arrivals", "case_1_r2"): most}


def test_draws_are_left_out_for_a_server_that_makes_none(config, engines):
    config["engines"].append({"name": "served", "binary_path": "target/release/transformers-serve"})
    drawn = {**CASE, "temperature": 0.5, "top_p": 0.9}
    config["workloads"] = [{"name": "alone", "test_cases": [CASE, drawn]}]
    plan = load_campaign(config, [], engines).plan()
    why = "transformers serve draws no tokens (temperature)"
    assert plan["not_asked"] == [{"engine": "served", "workload": "alone", "case": "case_2", "reason": why}]


@pytest.mark.parametrize("name", ["burn-bench", "candle-bench", "ctranslate2-bench", "llama-cpp-bench"])
def test_an_adapter_with_load_tells_how_many_requests_it_serves_at_once(repository, name):
    folder = repository / "engines" / name
    most = load_adapter(folder).most_at_once
    shared = repository / "engines" / "bench-protocol" / "src" / "batch.rs"
    source = shared if (folder / "Cargo.toml").is_file() else folder / "main.py"
    assert f"MOST_SEQUENCES: {'usize' if source == shared else 'Final'} = {most}" in source.read_text()


def test_a_plan_that_was_made_before_is_read_as_it_was(config, engines):
    plan = json.loads(json.dumps(load_campaign(config, [], engines).plan()))
    del plan["not_asked"]  # its launches refused the workload as a whole
    again = CampaignOfPlan(plan, plan["config"]).plan()
    assert "not_asked" not in again and again["order"] == plan["order"]
    assert as_asked(plan, "llama", plan["workloads"][0]) == plan["workloads"][0]


def test_parts_of_a_plan_keep_their_names_where_nothing_is_left_out(config, engines):
    config["engines"].pop()
    plan = load_campaign(config, [], engines).plan()
    assert "not_asked" not in plan
    kept = load_campaign({**config, "engines": config["engines"]}, [], engines).plan()
    assert part_file(kept, "analysis") == part_file(plan, "analysis")
    told = {**plan, "not_asked": [{"engine": "mine", "workload": "chat", "case": "case_1_c1", "reason": "no"}]}
    assert part_file(told, "analysis") != part_file(plan, "analysis")
    assert part_file(told, "fidelity") == part_file(plan, "fidelity")


def test_the_capabilities_of_an_adapter_may_be_read_by_who_plans(repository):
    told = {
        path.parent.name: yaml.safe_load(path.read_text()) for path in Path(repository).glob("engines/*/adapter.yaml")
    }
    assert {name for name, one in told.items() if "load" in one} == {
        name for name, one in told.items() if "most_at_once" in one
    }
