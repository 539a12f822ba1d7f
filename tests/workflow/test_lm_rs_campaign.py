"""A campaign with lm_rs through the real rules: its files are derived, its program is a stand-in of ours."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from benchmark_runner.jsonio import read_json
from lmrs_case import CIRCLE_CONFIG, circle_ids, circle_weights, make_checkpoint
from tiny_campaign import REPOSITORY, Campaign, fake

pytestmark = pytest.mark.workflow

STAND_IN = REPOSITORY / "tests" / "lm_rs_bench" / "stand_in_chat.py"


@pytest.fixture
def with_lm_rs(tmp_path: Path) -> Campaign:
    """Two launches of the scripted engine and of lm_rs, whose program is yet to be brought."""
    make_checkpoint(tmp_path / "models" / "circle", CIRCLE_CONFIG, circle_weights())
    campaign = Campaign(tmp_path)
    campaign.config["benchmark"] |= {"model_path": "models/circle", "launches": 2, "control": False}
    options = {"chat": str(tmp_path / "chat")}
    lm_rs = {"name": "lm_rs", "binary_path": "./target/release/lm-rs-bench", "options": options}
    campaign.config["engines"] = [fake("slow"), lm_rs]
    campaign.config["workloads"] = campaign.config["workloads"][:1]
    campaign.config["workloads"][0] |= {"iterations": 2, "warmup_iterations": 0}
    campaign.config["analysis"] = {"generate_plots": False}
    return campaign


def bring_program(folder: Path) -> None:
    chat = folder / "chat"
    chat.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", str(STAND_IN)])} "$@"\n', encoding="utf-8")
    chat.chmod(0o755)


def records(campaign: Campaign) -> list[dict]:
    return [read_json(path) for path in sorted(campaign.out.glob("launches/lm_rs/*/*/record.json"))]


def test_without_its_program_the_engine_is_unavailable_and_with_it_it_is_measured(with_lm_rs):
    campaign = with_lm_rs
    result = campaign.snakemake("launches")
    assert result.status == 0, result.words
    assert result.words.count("note: lm_rs needs the program `chat` of lm.rs") == 1
    assert "build it from github.com/samuel-vitorino/lm.rs" in result.words
    assert [record["status"] for record in records(campaign)] == ["unavailable"] * 2
    assert "options: {chat: /path/to/chat}" in records(campaign)[0]["reason"]
    assert campaign.owed("launches").get("run_launch", 0) == 0

    bring_program(campaign.folder)
    result = campaign.snakemake()
    assert result.status == 0, result.words
    assert "note: lm_rs" not in result.words
    measured = [record for record in records(campaign) if record["status"] == "ok"]
    assert len(measured) == 2
    for record in measured:
        assert (record["model"]["weights_format"], "tokenizer.bin" in record["model"]["files"]) == ("lmrs", True)
        for event in record["iterations"]:
            assert event["token_ids"] == (circle_ids(6) * 2)[:11]
            assert event["used_prompt_ids"] != record["spec"]["cases"][0]["prompt_ids"]
    summary = read_json(campaign.out / "summary.json")
    assert summary["comparison_matrix"]["lm_rs"]["latency_ms"] > 0


def test_a_model_that_lm_rs_would_compute_wrongly_leaves_it_out_with_all_reasons(with_lm_rs):
    campaign = with_lm_rs
    bring_program(campaign.folder)
    config = CIRCLE_CONFIG | {"rope_theta": 10_000.0, "tie_word_embeddings": False}
    weights = circle_weights()
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    make_checkpoint(campaign.folder / "models" / "other", config, weights)
    campaign.config["benchmark"]["model_path"] = "models/other"
    result = campaign.snakemake("launches")
    assert result.status == 0, result.words
    (reason,) = {record["reason"] for record in records(campaign)}
    assert "its output layer is not tied" in reason
    assert "has no rope scaling" in reason
