"""Servers that already run, as engines of a campaign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.campaign.campaign import Campaign, load_campaign
from benchmark_runner.campaign.engines import campaign_engines, engine_is_back
from benchmark_runner.campaign.parts import part_files
from benchmark_runner.campaign.recorded import RecordedCampaign
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.statistics.inputs import not_restarted
from tiny_model import make_tiny_model

KEY = "UNSET_KEY_OF_A_TEST"


def server(**asked: Any) -> dict[str, Any]:
    return {"name": "ours", "openai_server": {"base_url": "http://127.0.0.1:9/v1", "model": "m", **asked}}


@pytest.fixture
def load(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=1024)

    def loaded(**asked: Any) -> Campaign:
        config = {
            "benchmark": {"output_dir": "x", "model_path": "models/m", "launches": 2, "allow_underpowered": True},
            "engines": [server(**asked)],
            "workloads": [
                {
                    "name": "w",
                    "test_cases": [{"prompt_tokens": 7, "max_tokens": 4, "load": {"mode": "closed", "concurrency": 2}}],
                }
            ],
        }
        return load_campaign(config, [], repository / "engines")

    return loaded


def test_the_same_server_is_the_same_engine_however_its_address_is_written(load):
    names = ("http://127.0.0.1:9", "http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/")
    found = {load(base_url=name).launches[0].identity for name in names}
    assert len(found) == 1
    assert load(base_url="http://127.0.0.1:8").launches[0].identity not in found


def test_what_is_asked_of_a_server_is_part_of_its_identity_and_the_key_s_variable_is_not(load):
    own = load().launches[0].identity
    assert load(api_key_env=KEY).launches[0].identity == own
    for other in ({"model": "n"}, {"body": {"top_k": 0}}, {"ids": {"in": True}}, {"path": "/completions"}):
        assert load(**other).launches[0].identity != own


def test_a_missing_key_stops_the_command_before_anything_starts(load, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(BenchmarkError, match=f"^ours: the variable {KEY} .api_key_env. holds no key; export it"):
        load(api_key_env=KEY).require_owed()
    monkeypatch.setenv(KEY, "there")
    load(api_key_env=KEY).require_owed()


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"body": {"user": "me-wander-9"}}, "openai_server.body"),
        ({"base_url": "http://127.0.0.1:9/wander-9"}, "openai_server.base_url"),
        ({"model": "wander-9"}, "openai_server.model"),
    ],
)
def test_the_key_of_the_variable_in_what_is_kept_stops_the_command(load, monkeypatch, asked, place):
    monkeypatch.setenv(KEY, "wander-9")
    with pytest.raises(BenchmarkError, match=f"^ours: {place} holds the key itself; take it out") as told:
        load(api_key_env=KEY, **asked)
    assert "wander-9" not in str(told.value)


def test_a_server_is_neither_built_nor_looked_for_as_a_file(load):
    campaign = load()
    assert campaign.builds == {}
    assert campaign.owed_launches
    (engine,) = campaign_engines(campaign.config, Path("/nowhere"))
    assert engine_is_back(engine, Path("/nowhere"))


def test_an_analysis_elsewhere_knows_as_much_of_engines_as_the_campaign_that_measured(load):
    plan = json.loads(json.dumps(load(api_key_env=KEY).plan()))
    recorded = RecordedCampaign(plan, plan["config"]).plan()
    assert recorded["engines"] == plan["engines"]
    assert not_restarted(recorded) == ["ours", "ours_control"]
    assert set(part_files(recorded, recorded=True)) <= set(part_files(plan, recorded=False))  # nothing is made again
