"""Models that the workflow makes or fetches, through the real Snakefile; the hub is a server on 127.0.0.1."""

from __future__ import annotations

import json

import pytest

from hub_server import COMMIT, REPOSITORY, serving
from tiny_campaign import Campaign, fake
from tiny_model import make_tiny_llama


@pytest.fixture
def one_engine(tmp_path):
    """A campaign of two launches, without a model."""
    campaign = Campaign(tmp_path)
    campaign.config["benchmark"] |= {"launches": 2, "control": False}
    campaign.config["engines"] = [fake("fast")]
    campaign.config["workloads"] = campaign.config["workloads"][:1]
    return campaign


def records(campaign):
    return [json.loads(path.read_text()) for path in sorted(campaign.out.glob("launches/**/record.json"))]


def test_a_synthetic_model_is_made_once_and_measured(one_engine):
    one_engine.config["benchmark"]["model_path"] = "models/synthetic-tiny"
    assert one_engine.owed("launches")["make_synthetic_model"] == 1
    made = one_engine.snakemake("launches")
    assert made.status == 0, made.words
    assert [record["status"] for record in records(one_engine)] == ["ok", "ok"]
    manifest = json.loads((one_engine.out / "model" / "manifest.json").read_text())
    assert (manifest["source"]["kind"], manifest["source"]["shape"]) == ("synthetic", "tiny")
    assert one_engine.owed("launches") == {}
    with (one_engine.folder / "models/synthetic-tiny/model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"X")
    one_engine.config["benchmark"]["output_dir"] = "results/second"
    refused = one_engine.snakemake("results/second/model/manifest.json")
    assert refused.status != 0
    log = (one_engine.out / "logs/stages/describe_model.log").read_text()
    assert "is not what was written: the folder was changed; delete" in log
    assert log.splitlines()[-1] in refused.words.splitlines()  # why, and not the log's name alone


def test_a_model_in_shards_is_fetched_from_the_hub_and_measured(one_engine, tmp_path, monkeypatch):
    source = make_tiny_llama(tmp_path / "hub", shards=2, max_position_embeddings=1024)
    one_engine.config["benchmark"] |= {
        "model_path": "models/fetched",
        "hugging_face": {"id": REPOSITORY, "revision": COMMIT},
    }
    with serving(source) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        fetched = one_engine.snakemake("launches")
    assert fetched.status == 0, fetched.words
    (first, _) = records(one_engine)
    assert first["spec"]["weights"] == "model.safetensors.index.json"
    assert {"model-00001.safetensors", "model-00002.safetensors"} < set(first["model"]["files"])
    manifest = json.loads((one_engine.out / "model" / "manifest.json").read_text())
    assert manifest["source"] == {"kind": "hugging_face", "id": REPOSITORY, "revision": COMMIT}
    # The hub is gone: what is here is not asked for again.
    assert one_engine.owed("launches") == {}
    one_engine.config["benchmark"]["hugging_face"]["revision"] = "f" * 40
    assert one_engine.owed("launches")["fetch_model"] == 1
