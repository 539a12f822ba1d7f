"""The real engines on the real model: each keeps the protocol, and a small campaign goes through the real Snakefile."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml

from benchmark_runner.conformance.__main__ import main as conformance
from benchmark_runner.jsonio import read_json
from tiny_campaign import Campaign

pytestmark = pytest.mark.real_engine

CONFIGURED = yaml.safe_load((Path(__file__).parent / "engines.yaml").read_text(encoding="utf-8"))["engines"]
ENGINES = tuple(engine["name"] for engine in CONFIGURED)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_adapter_keeps_the_protocol(engine, program, opened_by, tmp_path, capsys):
    folder, weights = opened_by(engine)
    arguments = ["--binary", program(engine), "--model-dir", folder, "--weights", weights, "--engine", engine]
    arguments += ["--out", tmp_path / "conformance.json", "--work", tmp_path / "work"]
    status = conformance([str(argument) for argument in arguments])
    assert status == 0, capsys.readouterr().out


@pytest.fixture(scope="module")
def small(program, embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Two launches of one workload by each engine and the control, run to the end."""
    campaign = Campaign(tmp_path_factory.mktemp("real"))
    campaign.config = {
        "benchmark": {
            "name": "Small real campaign",
            "output_dir": "results/real",
            "model_path": str(embedded_model),
            "launches": 2,
            "allow_underpowered": True,
        },
        "engines": [{"name": engine, "binary_path": str(program(engine))} for engine in ENGINES],
        "workloads": [
            {
                "name": "chat",
                "test_cases": [{"prompt": [{"role": "user", "content": "Hello!"}], "max_tokens": 6}],
                "iterations": 4,
                "warmup_iterations": 1,
            }
        ],
        "fidelity": {"max_tokens": 8, "prompts": ["The capital of France is", "def fibonacci(n):"]},
        "analysis": {"generate_plots": False},
        "system": {"cool_down_seconds": 0, "device": "cpu"},
    }
    result = campaign.snakemake()
    assert result.status == 0, result.words
    return campaign


def records(campaign: Campaign) -> list[dict]:
    plan = read_json(campaign.out / "plan.json")
    return [read_json(campaign.folder / launch["folder"] / "record.json") for launch in plan["order"]]


def test_every_launch_of_a_real_engine_is_ok_and_yields_exactly_the_tokens_asked_for(small):
    read = records(small)
    assert [record["status"] for record in read] == ["ok"] * 2 * (len(ENGINES) + 1)
    for record in read:
        assert [len(iteration["token_ids"]) for iteration in record["iterations"]] == [6, 6, 6]
        assert [iteration["warmup"] for iteration in record["iterations"]] == [True, False, False]
        assert record["monitor"]["engine_peak_rss_bytes"] > 538_000_000


def test_real_engines_agree_on_every_greedy_token(small):
    for engine in (*ENGINES, "pytorch_baseline_control"):
        fidelity = read_json(small.out / "fidelity" / f"{engine}.json")
        assert fidelity["result"] == "pass", fidelity["reason"]
        # Two texts and the one that nobody can have seen.
        assert fidelity["tokens_checked"] == 24
    candle = read_json(small.out / "fidelity" / "candle_cuda.json")
    assert candle["no_teacher_forcing"] is None
    assert candle["logits"]["max_abs"] < candle["logits_tolerance"]["max_abs"]
    assert len({json.dumps(record["iterations"][-1]["token_ids"]) for record in records(small)}) == 1


def test_two_launches_are_estimated_but_not_judged(small):
    statistics = read_json(small.out / "analysis" / "statistical_summary.json")
    verdicts = [pair["verdict"] for pair in statistics["comparisons"] if pair["kind"] == "primary"]
    assert verdicts == ["untestable"] * math.comb(len(ENGINES), 2)
    summary = read_json(small.out / "summary.json")
    assert summary["summary"]["fastest_engine"] is None
    for engine in ENGINES:
        assert math.isfinite(summary["comparison_matrix"][engine]["latency_ms"])


def test_the_environment_names_versions_and_hashes_of_what_ran(small):
    text = json.dumps(read_json(small.out / "environment.json"))
    weights = read_json(small.out / "model" / "manifest.json")["files"]["model.safetensors"]["sha256"]
    for word in (
        "rustc",
        "candle-core",
        "burn-flex",
        "torch",
        "transformers",
        "mistralrs",
        "xllamacpp",
        "ctranslate2",
        weights,
    ):
        assert word in text


def test_a_second_run_does_nothing(small):
    assert "Nothing to be done" in small.snakemake().words
