"""A workload under load in the plan: a test case for each level, and nothing new in campaigns without one."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
import yaml

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.parts import plan_part
from benchmark_runner.configuration.resolve import ConfigurationError
from benchmark_runner.planning import forecast
from benchmark_runner.planning.minutes import Expected
from benchmark_runner.planning.plan import power_of
from benchmark_runner.schemas import violations
from benchmark_runner.statistics.design import design_of
from tiny_model import make_tiny_model

CASE = {"prompt_tokens": 16, "max_tokens": 4}
SERVING = {
    "name": "serving",
    "test_cases": [{**CASE, "load": {"mode": "closed", "concurrency": [1, 4], "requests": 6}}],
}
QUICK_LOOK_WORKLOADS = """
- name: latency_test
  description: A short chat turn
  iterations_total: 18
  iterations_per_launch: 2
  warmup_iterations: 1
  cases:
  - name: case_1
    prompt: {kind: messages, messages: [{role: user, content: "Hello, how are you?"}]}
    max_new_tokens: 16
    temperature: 0
    top_p: 1
    seed: 0
    ignore_eos: true
- name: throughput_test
  description: A longer answer
  iterations_total: 18
  iterations_per_launch: 2
  warmup_iterations: 1
  cases:
  - name: case_1
    prompt: {kind: text, text: Write a short story about AI}
    max_new_tokens: 32
    temperature: 0
    top_p: 1
    seed: 0
    ignore_eos: true
"""
"""What the quick look's launches were measured for, which is part of their identity, before loads came."""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=1024)
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    return {
        "benchmark": {"output_dir": "r", "model_path": "models/m", "launches": 2, "allow_underpowered": True},
        "engines": [{"name": "mine", "binary_path": "mine"}],
        "workloads": [copy.deepcopy(SERVING)],
    }


@pytest.fixture
def load(repository):
    return lambda config: load_campaign(config, [], repository / "engines")


def test_a_level_is_a_test_case_of_one_round(config, load):
    plan = load(config).plan()
    assert violations("plan", plan) == []
    (workload,) = plan["workloads"]
    assert (workload["iterations_per_launch"], workload["warmup_iterations"]) == (1, 0)
    assert [case["name"] for case in workload["cases"]] == ["c1", "c4"]
    assert [case["load"]["concurrency"] for case in workload["cases"]] == [1, 4]
    assert {json.dumps(case["prompt"]) for case in workload["cases"]} == {'{"kind": "tokens", "count": 16}'}


def test_fidelity_is_asked_at_the_highest_level_where_an_engine_may_serve_it(config, load):
    config["engines"].append({"name": "alone", "binary_path": "mine"})
    plan = load(config).plan()
    assert plan["fidelity"]["at_once"] == 4
    plan["engines"][1] |= {"adapter": "candle-bench", "load": []}
    asked = {part: "at_once" in plan_part(plan, f"fidelity.{part}")["fidelity"] for part in ("mine", "alone")}
    assert asked == {"mine": True, "alone": False}
    assert "at_once" not in plan_part(plan, "fidelity_prompts")["fidelity"]
    for levels, most in (([2, 8], 8), ([1], 4)):
        config["workloads"][0]["test_cases"][0]["load"]["concurrency"] = levels
        assert load(config).plan()["fidelity"]["at_once"] == most
    opened = {"mode": "open", "requests_per_second": 3, "slots": 24}
    config["workloads"][0]["test_cases"][0]["load"] = opened
    assert load(config).plan()["fidelity"]["at_once"] == 24
    config["workloads"] = [{"name": "chat", "test_cases": [CASE]}]
    assert "at_once" not in load(config).plan()["fidelity"]


def test_levels_of_several_test_cases_keep_the_names_of_those(config, load):
    rates = {"mode": "open", "requests_per_second": [0.5, 2]}
    config["workloads"][0]["test_cases"].append({**CASE, "load": rates})
    plan = load(config).plan()
    names = [case["name"] for case in plan["workloads"][0]["cases"]]
    assert names == ["case_1_c1", "case_1_c4", "case_2_r0.5", "case_2_r2"]
    assert violations("plan", plan) == []


def test_another_level_is_another_measurement_and_another_slo_is_not(config, load):
    before = load(config).launches[0].identity
    config["analysis"] = {"slo": {"ttft_ms": 200}}
    assert load(config).launches[0].identity == before
    config["workloads"][0]["test_cases"][0]["load"]["concurrency"] = [1, 8]
    assert load(config).launches[0].identity != before


def test_a_resolved_configuration_makes_the_same_plan_again(config, load):
    plan = load(config).plan()
    assert load(plan["config"]).plan() == plan


def test_a_trace_stands_with_its_hash_and_must_be_there(config, load, tmp_path):
    trace = {"mode": "open", "arrivals": "trace", "trace_file": "times.txt", "requests": 2, "warmup_requests": 1}
    config["workloads"][0]["test_cases"][0]["load"] = trace
    with pytest.raises(ConfigurationError, match=r"test_cases\[0\].load.trace_file: 'times.txt'"):
        load(config)
    (tmp_path / "times.txt").write_text("0\n0.5\n2\n")
    one = load(config)
    (planned,) = one.workloads["serving"]["cases"]
    assert planned["name"] == "trace"
    assert planned["load"]["arrivals_ns"] == [0, 500_000_000, 2_000_000_000]
    assert planned["load"]["requests_per_second"] == pytest.approx(1 / 1.5)
    for content, words in (
        ("0\n2\n1\n", "goes back"),
        ("now\n", "is no trace"),
        ("5\n5\n5\n", "no two different times"),
    ):
        (tmp_path / "times.txt").write_text(content)
        with pytest.raises(ConfigurationError, match=words):
            load(config)
    (tmp_path / "times.txt").write_text("0\n1.5\n2\n")
    assert load(config).launches[0].identity != one.launches[0].identity


def test_a_conversation_is_planned_for_its_last_turn_and_must_fit_into_the_context(config, load):
    case = config["workloads"][0]["test_cases"][0]
    case["load"] |= {"turns": 5, "think_seconds": 0.5}
    plan = load(config).plan()
    assert violations("plan", plan) == []
    (one, four) = plan["workloads"][0]["cases"]
    assert (one["prompt"]["count"], one["max_new_tokens"]) == (5 * 16 + 4 * 4, 4)
    assert (four["load"]["turns"], four["load"]["think_seconds"], four["load"]["requests"]) == (5, 0.5, 20)
    case["load"]["turns"] = 60
    with pytest.raises(ConfigurationError, match=r"the last of 60 turns has 1196 prompt tokens.* lower load\.turns"):
        load(config)


def test_an_adapter_that_serves_no_conversations_is_named_before_anything_runs(config, repository, tmp_path):
    engines = tmp_path / "engines"
    for name in ("bench-protocol-py", "llama-cpp-bench"):
        shutil.copytree(repository / "engines" / name, engines / name)
    shutil.copytree(repository / "envs", tmp_path / "envs")
    adapter = engines / "llama-cpp-bench" / "adapter.yaml"
    adapter.write_text(adapter.read_text().replace(", conversations]", "]"))
    config["engines"].append({"name": "llama", "binary_path": "target/release/llama-cpp-bench"})
    config["workloads"][0]["test_cases"][0]["load"]["turns"] = 3
    (notice,) = [line for line in load_campaign(config, [], engines).notices() if "serving" in line]
    assert notice == "note: llama: llama-cpp-bench serves no conversations; its launches on serving will be unavailable"


def test_levels_join_the_family_of_tests(config, load):
    config["engines"].append({"name": "other", "binary_path": "mine"})
    assert power_of(load(config).plan(), None)["tests"] == 2
    config["benchmark"]["allow_underpowered"] = False
    with pytest.raises(ConfigurationError, match=r"over 2 comparisons \(2 engines in 2 test cases\)"):
        load(config)


def test_the_forecast_tells_levels_and_what_the_schedule_takes(config, load):
    config["workloads"].append(
        {
            "name": "arrivals",
            "test_cases": [{**CASE, "load": {"mode": "open", "requests_per_second": 2, "requests": 96}}],
        }
    )
    plan = load(config).plan()
    plan["power"] = power_of(plan, None)
    plan["expected"] = {"gpu_hours": None}
    words = " ".join(forecast.in_words(plan, [1], Expected(None, None, "none has finished", 0), {}).split())
    assert "serving: 2 levels (c1, c4), each 6 requests" not in words  # they differ in their warm-up
    assert "serving: 2 levels (c1, c4), 6 requests after 1 to warm up, 8 requests after 4 to warm up" in words
    assert "arrivals: 1 level (r2), each 96 requests after 4 to warm up, at least 50 s in all" in words


def test_prompts_of_too_few_tokens_are_refused_before_anything_is_built(config, load):
    config["workloads"][0]["test_cases"][0]["prompt_tokens"] = 4
    with pytest.raises(ConfigurationError, match=r"workloads\[0\]: each of up to .* have only 6; make the prompt"):
        load(config)


def test_a_file_of_too_few_prompts_is_refused_before_anything_is_built(config, load):
    Path("few.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    case = config["workloads"][0]["test_cases"][0]
    del case["prompt_tokens"]
    case["prompts_file"] = "few.jsonl"
    words = r"workloads\[0\]: prompts_file 'few\.jsonl': it has 2 prompts and a launch sends at least 2\d, none twice"
    with pytest.raises(ConfigurationError, match=words):
        load(config)


def test_a_campaign_until_decided_counts_levels_in_its_family(config, load):
    config["engines"].append({"name": "other", "binary_path": "mine"})
    config["benchmark"] |= {"launches": {"until": "decided", "at_most": 20}, "allow_underpowered": False}
    config["workloads"][0]["test_cases"][0]["load"]["concurrency"] = list(range(1, 13))
    plan = load(config).plan()
    design = design_of(2, 12, config["benchmark"]["launches"], plan["config"]["analysis"])
    assert [look["launches"] for look in plan["campaign"]["until"]["looks"]] == [one.launches for one in design.looks]


def test_the_shipped_campaign_under_load_asks_each_engine_for_what_it_serves(repository, load, config):
    serving = yaml.safe_load((repository / "config" / "serving.yaml").read_text())
    serving["benchmark"]["model_path"] = config["benchmark"]["model_path"]
    campaign = load(serving)
    names = {name: [case["name"] for case in one["cases"]] for name, one in campaign.workloads.items()}
    assert names == {"closed_loop": ["c1", "c2", "c4", "c8"], "open_loop": ["r1", "r2"]}
    assert not [line for line in campaign.notices() if "loop" in line]


def test_workloads_of_before_are_planned_as_they_were(repository, load, config):
    quick = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    plan = load({**config, "workloads": quick["workloads"], "benchmark": {**config["benchmark"], "launches": 9}}).plan()
    assert plan["workloads"] == yaml.safe_load(QUICK_LOOK_WORKLOADS)
    assert [list(case) for workload in plan["workloads"] for case in workload["cases"]] == [
        ["name", "prompt", "max_new_tokens", "temperature", "top_p", "seed", "ignore_eos"]
    ] * 2
    assert "slo" not in plan["config"]["analysis"]
    assert all("load" not in case for one in plan["config"]["workloads"] for case in one["test_cases"])


def test_an_adapter_of_one_request_at_a_time_is_named_before_anything_runs_and_owes_no_load(config, load, tmp_path):
    config["engines"].append({"name": "crate", "binary_path": "target/release/mistral-rs-bench"})
    config["workloads"].append({"name": "alone", "iterations": 2, "test_cases": [CASE]})
    campaign = load(config)
    (notice,) = [line for line in campaign.notices() if "one request at a time" in line]
    why = "crate: mistral-rs-bench takes one request at a time"
    assert notice == f"note: {why}; its launches on serving will be unavailable"  # what was brought is asked as it runs
    assert {entry["name"]: entry.get("load") for entry in campaign.plan()["engines"]} == {
        "mine": None, "crate": None, "mine_control": None,
    }  # fmt: skip
    # Each launch was unavailable, and the engine could be built now: what it cannot do is not owed again.
    for launch in campaign.launches:
        tmp_path.joinpath(launch.folder).mkdir(parents=True)
        record = {"status": "unavailable", "attempt": 1, "engine_exit": None, "spec": None}
        tmp_path.joinpath(launch.record).write_text(json.dumps(record))
    owed = {(launch.engine, launch.workload) for launch in load(config).owed_launches.values()}
    assert ("crate", "alone") in owed
    assert ("crate", "serving") not in owed


def test_an_adapter_that_says_so_takes_load(config, repository, tmp_path):
    engines = tmp_path / "engines"
    for name in ("bench-protocol-py", "pytorch-baseline"):
        shutil.copytree(repository / "engines" / name, engines / name)
    shutil.copytree(repository / "envs", tmp_path / "envs")
    config["engines"] = [{"name": "torch", "binary_path": "target/release/pytorch-baseline"}]
    adapter = engines / "pytorch-baseline" / "adapter.yaml"
    adapter.write_text(adapter.read_text().replace("load: [closed, open, conversations]", "load: [closed]"))
    campaign = load_campaign(config, [], engines)
    assert [line for line in campaign.notices() if "serving" in line] == []
    assert [entry["load"] for entry in campaign.plan()["engines"]] == [["closed"], ["closed"]]
    rates = {"mode": "open", "requests_per_second": [1, 2]}
    config["workloads"].append({"name": "arrivals", "test_cases": [{**CASE, "load": rates}]})
    (notice,) = [line for line in load_campaign(config, [], engines).notices() if "arrivals" in line]
    assert "torch: pytorch-baseline serves no open loop; its launches on arrivals will be unavailable" in notice


def test_comparisons_that_no_pair_of_engines_can_make_are_not_in_the_family(config, load):
    config["engines"] += [
        {"name": "other", "binary_path": "mine"},
        {"name": "crate", "binary_path": "target/release/mistral-rs-bench"},
    ]
    assert power_of(load(config).plan(), None)["tests"] == 2  # of brought engines alone, in two levels
    config["workloads"].append({"name": "alone", "test_cases": [CASE]})
    assert power_of(load(config).plan(), None)["tests"] == 2 + 3
    config["benchmark"]["allow_underpowered"] = False
    with pytest.raises(ConfigurationError, match="over 5 comparisons"):
        load(config)


def test_lengths_by_distribution_are_planned_for_the_longest(config, load):
    case = config["workloads"][0]["test_cases"][0]
    case["prompt_tokens"] = {"distribution": "lognormal", "mean": 40, "sd": 20, "min": 16, "max": 100}
    case["max_tokens"] = {"distribution": "uniform", "min": 2, "max": 30}
    case["shared_prefix_tokens"] = 4
    plan = load(config).plan()
    assert violations("plan", plan) == []
    planned = plan["workloads"][0]["cases"][0]
    assert (planned["prompt"], planned["max_new_tokens"]) == ({"kind": "tokens", "count": 100}, 30)
    assert planned["prompt_lengths"] == case["prompt_tokens"]
    assert planned["answer_lengths"] == case["max_tokens"]
    assert planned["shared_prefix_tokens"] == 4
    case["prompt_tokens"]["max"] = 1020
    with pytest.raises(ConfigurationError, match="1020 prompt tokens and 30 new ones"):
        load(config)
