"""A campaign for the doctor: what of a configuration with problems it still looks at."""

from __future__ import annotations

import copy

import pytest

from benchmark_runner.campaign.examinable import load_examinable
from tiny_campaign import CONFIG
from tiny_model import make_tiny_model

HUB = {"id": "a/b", "revision": "0" * 40}


@pytest.fixture
def examine(tmp_path, monkeypatch, repository):
    """What is there of a configuration with a changed section `benchmark`."""
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")

    def run(here=True, system=(), **benchmark):
        raw = copy.deepcopy(CONFIG)
        raw["benchmark"] |= benchmark
        raw["system"] |= dict(system)
        stand_in = repository / "config" / "config.yaml"
        return load_examinable(stand_in, raw, [], repository / "engines", {}, here)

    return run


def test_a_model_that_is_yet_to_be_fetched_is_the_campaign_s_whatever_else_is_wrong(examine):
    found = examine(model_path="models/m", hugging_face=HUB, launches=0)
    assert len(found.problems) == 1 and "launches" in found.problems[0]
    assert (found.config["benchmark"]["model_path"], found.config["benchmark"]["hugging_face"]) == ("models/m", HUB)
    assert found.config["engines"][0]["name"] == CONFIG["engines"][0]["name"]


def test_a_path_whose_hub_model_is_in_no_order_is_not_looked_for(examine):
    found = examine(model_path="models/m", hugging_face={"id": "a/b", "revision": "main"})
    assert len(found.problems) == 1 and "revision" in found.problems[0]
    assert found.config["benchmark"]["hugging_face"] is None


def test_problems_are_told_without_hashing_the_user_s_model_or_losing_the_output_folder(examine):
    found = examine(output_dir="results/mine", launches=0)
    assert found.campaign.model.source["kind"] == "embedded"
    assert found.campaign.output_dir == found.config["benchmark"]["output_dir"] == "results/mine"


@pytest.mark.parametrize("here", [True, False])
def test_strict_asks_this_machine_only_where_launches_run_on_it(examine, here):
    found = examine(here, {"strict": True, "cpu_affinity": [4095]})
    assert bool(found.problems) is here


def test_a_configuration_in_order_is_its_campaign_s(examine):
    found = examine()
    assert found.problems == [] and found.config == found.campaign.config
    assert found.campaign.model.path == "models/tiny"
