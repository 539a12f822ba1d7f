"""Which weights a campaign derives, and what that changes."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model import derive, formats
from build_case import RUST, write_adapter
from tiny_model import make_tiny_llama


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a campaign of an engine that opens GGUF in two dtypes, and of one that opens the model itself."""
    monkeypatch.chdir(tmp_path)
    make_tiny_llama(tmp_path / "mine" / "m", max_position_embeddings=1024)
    (tmp_path / "brought").write_text("#!/bin/sh\n")
    write_adapter(tmp_path, RUST | {"weights": {"format": "gguf"}})
    engines = [
        {"name": "own", "binary_path": "brought"},
        {"name": "gguf", "binary_path": "target/tiny-bench"},
        {"name": "gguf_again", "binary_path": "target/tiny-bench", "options": {"x": 1}},
        {"name": "gguf_f16", "binary_path": "target/tiny-bench", "dtype": "f16"},
    ]
    config = {
        "benchmark": {"output_dir": "results/x", "model_path": "mine/m", "launches": 2, "allow_underpowered": True},
        "engines": engines,
        "workloads": [{"name": "w", "test_cases": [{"prompt": "Hi", "max_tokens": 4}]}],
    }
    return lambda **changes: load_campaign(
        {**config, "benchmark": config["benchmark"] | changes}, [], tmp_path / "engines"
    )


def made(campaign, tmp_path, folder):
    derivation = campaign.weights.derivations[folder]
    model = {"name": campaign.model.name, "identity": campaign.model.identity}
    derive.make_derived(tmp_path / "mine" / "m", tmp_path / folder, *derivation, model)


def test_only_what_an_engine_needs_is_derived_and_once_for_all_who_share_it(load):
    campaign = load()
    folder = f"models/derived/m.{campaign.model.identity}"
    assert campaign.weights.derivations == {
        f"{folder}/gguf-f32.v1": ("gguf", "f32"),
        f"{folder}/gguf-f16.v1": ("gguf", "f16"),
    }
    assert campaign.weights.manifest_of("own") == []
    assert campaign.weights.manifest_of("gguf") == campaign.weights.manifest_of("gguf_again")
    assert campaign.weights.opened_by("gguf_f16") == f"{folder}/gguf-f16.v1"
    assert campaign.weights.opened_by("own") == "mine/m"


def test_the_reference_gets_its_weights_in_f32_whatever_its_dtype(load, tmp_path):
    config = load().config
    config["engines"] = [config["engines"][3]]
    config["benchmark"]["control"] = False
    config["benchmark"]["baseline"] = "gguf_f16"
    campaign = load_campaign(config, [], tmp_path / "engines")
    assert {derivation.dtype for derivation in campaign.weights.derivations.values()} == {"f16", "f32"}
    assert campaign.weights.manifest_of("gguf_f16", "f32")[0].endswith("gguf-f32.v1/manifest.json")


def test_another_version_of_a_converter_is_another_launch_on_another_folder(load, monkeypatch):
    def identities():
        return {launch.engine: launch.identity for launch in load().launches}

    before, folders = identities(), set(load().weights.derivations)
    newer = formats.DerivedFormat("model.gguf", "benchmark_runner.model.gguf_writer", version=2)
    monkeypatch.setitem(formats.DERIVED, "gguf", newer)
    after = identities()
    changed = {engine for engine in before if before[engine] != after[engine]}
    assert changed == {"gguf", "gguf_again", "gguf_f16"}
    assert not folders & set(load().weights.derivations)


def test_altered_weights_stop_the_campaign_before_it_begins(load, tmp_path):
    campaign = load()
    folder = next(iter(campaign.weights.derivations))
    made(campaign, tmp_path, folder)
    load()
    with (tmp_path / folder / "model.gguf").open("r+b") as file:
        file.write(b"X")
    with pytest.raises(BenchmarkError, match=r"model\.gguf is not the file .* delete"):
        load()


def test_an_engine_whose_weights_cannot_be_had_is_not_owed_again(load, tmp_path):
    config = tmp_path / "mine" / "m" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"rope_scaling": {"rope_type": "yarn"}}))
    campaign = load()
    for folder in campaign.weights.derivations:
        made(campaign, tmp_path, folder)
    for launch in campaign.launches:
        (tmp_path / launch.folder).mkdir(parents=True)
        (tmp_path / launch.record).write_text(json.dumps({"attempt": 1, "status": "unavailable"}))
    assert {launch.engine for launch in load().owed_launches.values()} == {"own", "own_control"}
