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
    """The campaign to examine for a changed section `benchmark`, and the problems."""
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "tiny")

    def run(**benchmark):
        raw = copy.deepcopy(CONFIG)
        raw["benchmark"] |= benchmark
        stand_in = repository / "config" / "config.yaml"
        return load_examinable(stand_in, raw, [], repository / "engines", {})

    return run


def test_a_model_that_is_yet_to_be_fetched_is_the_campaign_s_whatever_else_is_wrong(examine):
    campaign, problems = examine(model_path="models/m", hugging_face=HUB, launches=0)
    assert len(problems) == 1 and "launches" in problems[0]
    assert (campaign.model.path, campaign.model.source["id"]) == ("models/m", "a/b")


def test_a_path_whose_hub_model_is_in_no_order_is_not_looked_for(examine):
    campaign, problems = examine(model_path="models/m", hugging_face={"id": "a/b", "revision": "main"})
    assert len(problems) == 1 and "revision" in problems[0]
    assert campaign.model.source["kind"] == "embedded"
