"""What a configuration becomes: engines with their control, identities, parts of the plan."""

from __future__ import annotations

import copy
import errno
import os
import shutil

import pytest

from benchmark_runner import namedfile
from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.engines import engine_is_back
from benchmark_runner.campaign.from_plan import load_of_job, planned_for
from benchmark_runner.campaign.frozen import freeze
from benchmark_runner.campaign.parts import part_file, part_files, plan_part
from benchmark_runner.campaign.recorded import RecordedCampaign
from benchmark_runner.configuration.resolve import ConfigurationError
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_json
from tiny_model import make_tiny_model


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=1024)
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    return {
        "benchmark": {
            "output_dir": "./results/x",
            "model_path": "./models/m",
            "launches": 2,
            "allow_underpowered": True,
        },
        "engines": [
            {"name": "brought", "binary_path": "mine"},
            {"name": "torch", "binary_path": "./target/release/pytorch-baseline"},
        ],
        "workloads": [
            {"name": "w", "iterations": 5, "test_cases": [{"prompt": "Hi", "max_tokens": 4}]},
            {"name": "v", "test_cases": [{"prompt_tokens": 7, "max_tokens": 4}]},
        ],
    }


@pytest.fixture
def load(repository):
    return lambda config: load_campaign(config, [], repository / "engines")


def identities(campaign):
    return {(launch.engine, launch.workload): launch.identity for launch in campaign.launches}


def changed_cells(load, config, change):
    before = identities(load(config))
    after_config = copy.deepcopy(config)
    change(after_config)
    after = identities(load(after_config))
    return {cell for cell in before if before[cell] != after.get(cell)}


def test_samples_are_those_that_are_there_and_those_that_a_launch_is_still_to_write(config, load, tmp_path):
    first, *others = load(config).launches
    assert load(config).samples() == [f"{launch.folder}/metrics.jsonl" for launch in (first, *others)]
    record = tmp_path / first.record
    record.parent.mkdir(parents=True)
    write_json(record, {"attempt": 1, "status": "ok"})
    assert load(config).samples() == [f"{launch.folder}/metrics.jsonl" for launch in others]
    record.with_name("metrics.jsonl").touch()
    assert f"{first.folder}/metrics.jsonl" in load(config).samples()


def test_the_control_is_the_baseline_under_another_name(config, load):
    campaign = load(config)
    assert list(campaign.engines) == ["brought", "torch", "brought_control"]
    found = identities(campaign)
    assert found["brought", "w"] == found["brought_control", "w"] != found["torch", "w"]


def test_iterations_are_spread_over_the_launches_and_rounded_up(config, load):
    workload = load(config).workloads["w"]
    assert (workload["iterations_per_launch"], workload["iterations_total"]) == (3, 6)


def test_an_engine_s_option_changes_its_own_launches_alone(config, load):
    cells = changed_cells(load, config, lambda c: c["engines"][1].update(options={"attention": "eager"}))
    assert cells == {("torch", "w"), ("torch", "v")}


def test_a_brought_file_is_identified_by_its_content(config, load, tmp_path):
    before = identities(load(config))
    (tmp_path / "mine").write_text("#!/bin/sh\n# another\n")
    after = identities(load(config))
    assert {engine for engine, workload in before if before[engine, workload] != after[engine, workload]} == {
        "brought",
        "brought_control",
    }


def test_a_module_that_a_brought_script_imports_from_beside_it_is_part_of_its_identity(config, load, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    script, module = folder / "engine", folder / "part.py"
    script.write_text("#!/usr/bin/env python3\nimport part\n")
    config["engines"].append({"name": "own", "binary_path": str(script)})
    alone = identities(load(config))
    module.write_text("x = 1\n")
    first = load(config)
    assert {cell[0] for cell, found in identities(first).items() if alone[cell] != found} == {"own"}
    module.write_text("x = 2\n")
    second = load(config)
    assert {cell[0] for cell, found in identities(first).items() if identities(second)[cell] != found} == {"own"}
    (folder / "other.py").write_text("")
    assert identities(load(config)) == identities(second)
    (planned,) = (entry for entry in second.plan()["engines"] if entry["name"] == "own")
    assert list(planned["beside"]) == ["part.py"]


def test_a_program_that_may_be_run_and_not_read_is_refused_in_one_line(config, load, monkeypatch):
    opened = namedfile._open

    def open_unless_mine(path):
        if path.name == "mine":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path)

    monkeypatch.setattr(namedfile, "_open", open_unless_mine)
    with pytest.raises(BenchmarkError, match=r"'mine': the file cannot be read \(Permission denied\).*its rights"):
        load(config)


def test_a_prompt_changes_that_workload_alone(config, load):
    cells = changed_cells(load, config, lambda c: c["workloads"][0]["test_cases"][0].update(prompt="Ho"))
    assert {workload for _, workload in cells} == {"w"}
    assert len(cells) == 3


def test_system_and_monitoring_keys_change_all_launches(config, load):
    assert len(changed_cells(load, config, lambda c: c.update(system={"cool_down_seconds": 3}))) == 6
    assert len(changed_cells(load, config, lambda c: c.update(monitoring={"sample_interval_ms": 50}))) == 6


def test_analysis_prices_and_patience_change_no_launch(config, load):
    assert changed_cells(load, config, lambda c: c.update(analysis={"confidence_level": 0.9})) == set()
    assert changed_cells(load, config, lambda c: c.update(business={"usd_per_hour": 2})) == set()
    assert changed_cells(load, config, lambda c: c.update(system={"launch_timeout_seconds": 5})) == set()


def test_a_change_of_the_model_s_weights_changes_all_launches(config, load, tmp_path):
    before = identities(load(config))
    weights = tmp_path / "models" / "m" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    after = identities(load(config))
    assert all(before[cell] != after[cell] for cell in before)


def test_the_reference_is_the_first_engine_on_transformers(config, load):
    assert load(config).reference == "torch"
    assert load({**config, "only_engines": "brought"}).reference == "brought"


def test_a_part_of_the_plan_changes_only_with_what_its_stage_reads(config, load):
    def parts(changed):
        plan = load({**config, **changed}).plan()
        names = ("workloads", "fidelity_prompts", "fidelity.brought", "analysis", "business")
        return {name: part_file(plan, name) for name in names}

    before = parts({})

    def moved(changed):
        return {name for name, file in parts(changed).items() if file != before[name]}

    assert moved({"business": {"usd_per_hour": 2}}) == {"business"}
    assert moved({"analysis": {"outlier_threshold": 3}}) == {"analysis"}
    assert moved({"fidelity": {"max_tokens": 5}}) == {"workloads", "fidelity_prompts", "fidelity.brought"}


def test_the_part_of_a_fidelity_check_holds_the_engine_and_the_reference(config, load):
    plan = load(config).plan()
    assert [engine["name"] for engine in plan_part(plan, "fidelity.brought")["engines"]] == ["brought", "torch"]


def test_the_analysis_gets_the_pause_between_launches_by_which_it_pairs_them(config, load):
    plan = load({**config, "system": {"cool_down_seconds": 900}}).plan()
    assert plan_part(plan, "analysis")["config"]["system"] == {"cool_down_seconds": 900}


def test_the_analysis_gets_the_licences_of_adapters_and_no_check_of_fidelity_depends_on_them(config, load):
    plan = load(config).plan()
    assert plan["licences"] == {"torch": "BSD-3-Clause AND Apache-2.0"}  # of what a user brings none is known
    assert plan_part(plan, "analysis")["licences"] == plan["licences"]
    assert part_file(plan, "fidelity.torch") == part_file(plan | {"licences": {}}, "fidelity.torch")
    assert RecordedCampaign(plan, plan["config"]).plan()["licences"] == plan["licences"]
    del plan["licences"]
    assert RecordedCampaign(plan, plan["config"]).plan()["licences"] == {}


def test_a_job_reads_what_was_planned_and_no_source(config, load, tmp_path):
    campaign = load(config)
    plan = campaign.plan()
    freeze(plan, planned_for(config))
    (tmp_path / "mine").unlink()
    shutil.rmtree(tmp_path / "models")
    job = load_of_job(config)
    assert identities(job) == identities(campaign)
    assert part_files(job.plan(), recorded=False) == part_files(plan, recorded=False)
    assert [launch.key for launch in job.launches] == [launch.key for launch in campaign.launches]
    assert (job.reference, job.weights.manifests) == (campaign.reference, campaign.weights.manifests)
    assert (job.owed_launches, job.damaged) == ({}, frozenset())
    config["benchmark"]["launches"] = 3
    with pytest.raises(BenchmarkError, match="changed after the call that submitted this job"):
        load_of_job(config)


def test_a_program_that_an_adapter_drives_is_part_of_its_identity(config, load, tmp_path):
    chat = tmp_path / "chat"
    config["engines"].append(
        {"name": "lm_rs", "binary_path": "./target/release/lm-rs-bench", "options": {"chat": str(chat)}}
    )
    absent = load(config)
    assert absent.engines["lm_rs"].brought == "absent"
    chat.write_text("#!/bin/sh\n")
    one = identities(load(config))
    chat.write_text("#!/bin/sh\n# built anew\n")
    other = identities(load(config))
    assert len({found["lm_rs", "w"] for found in (identities(absent), one, other)}) == 3
    assert one["torch", "w"] == other["torch", "w"]


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        ("cache_prompt: false", "cache_prompt: true", True),
        ("- --slots={concurrency}", "- --slots=1", True),
        ("past_eos: banned", "past_eos: goes_on", True),
        ("ttft_ms: prompt_ms", "ttft_ms: another_ms", False),
        ("description: The server", "description: A server", False),
    ],
)
def test_how_a_server_is_started_and_asked_is_part_of_its_launches(config, repository, tmp_path, old, new, moves):
    shutil.copytree(repository / "engines" / "llama-cpp-server", tmp_path / "engines" / "llama-cpp-server")
    shutil.copytree(repository / "envs", tmp_path / "envs")
    config["engines"].append({"name": "server", "binary_path": "./target/release/llama-cpp-server"})
    config["engines"].pop(1)
    page = tmp_path / "engines" / "llama-cpp-server" / "adapter.yaml"
    before = identities(load_campaign(config, [], tmp_path / "engines"))
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new))
    after = identities(load_campaign(config, [], tmp_path / "engines"))
    changed = {engine for engine, workload in before if before[engine, workload] != after[engine, workload]}
    assert changed == ({"server", "server_control"} & {engine for engine, _ in before} if moves else set())


@pytest.mark.parametrize("options", [{}, {"chat": "chat"}, {"chat": "/nowhere/chat"}])
def test_a_program_that_is_not_brought_is_noted_with_the_remedy_and_not_waited_for(config, load, tmp_path, options):
    (tmp_path / "chat").write_text("#!/bin/sh\n")
    config["engines"].append({"name": "lm_rs", "binary_path": "./target/release/lm-rs-bench", "options": options})
    campaign = load(config)
    (note,) = [line for line in campaign.notices() if "lm_rs" in line]
    assert "launches will be unavailable; build it from github.com/samuel-vitorino/lm.rs" in note
    assert not engine_is_back(campaign.engines["lm_rs"], campaign.engines_folder)


@pytest.mark.parametrize("content", ["", "[]", '{"status": "built"}'])
def test_a_build_record_of_another_shape_is_refused_before_any_job(config, load, tmp_path, content):
    record = tmp_path / "target" / "release" / "pytorch-baseline.build.json"
    record.parent.mkdir(parents=True)
    record.write_text(content)
    with pytest.raises(
        BenchmarkError, match=r"^target/release/pytorch-baseline\.build\.json.* move it away and run again"
    ):
        load(config)


def test_a_program_that_nothing_builds_is_refused_whatever_its_engine_is_called(config, load):
    config["engines"].append({"name": "llama_cpp", "binary_path": "./target/release/not-there-bench"})
    with pytest.raises(ConfigurationError, match="is no file, and no adapter of the workflow builds it"):
        load(config)


def test_a_model_path_that_is_not_there_is_named_with_the_remedy(config, load):
    config["benchmark"]["model_path"] = "./models/nowhere"
    with pytest.raises(ConfigurationError, match="use the embedded model"):
        load(config)
