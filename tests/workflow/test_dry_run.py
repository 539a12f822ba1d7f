"""What `-n` and bad input say, before anything runs."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from benchmark_runner.model.manifest import build_manifest
from tiny_campaign import SNAKEMAKE, Finished
from tiny_model import LLAMA_3_2_SCALING, make_tiny_model

pytestmark = pytest.mark.workflow


def test_a_dry_run_explains_the_jobs_and_makes_nothing(campaign):
    finished = campaign.snakemake("-n")
    assert finished.status == 0, finished.words
    jobs = finished.jobs()
    assert jobs["run_launch"] == 30
    assert jobs["collect_records"] == 3
    assert not campaign.out.exists()


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("engines", None),
        ("launches", "run_launch"),
        ("analysis", "summarise_statistics"),
        ("plots", "plot_latency"),
        ("report", "write_report"),
    ],
)
def test_targets_reach_their_stage(campaign, target, rule):
    jobs = campaign.owed(target)
    assert rule is None or rule in jobs


def test_only_engines_and_output_dir_are_taken_from_the_command_line(campaign):
    jobs = campaign.owed("--config", "only_engines=fast", "output_dir=results/other")
    assert jobs["run_launch"] == 20
    assert jobs["collect_records"] == 2


def test_the_cheapest_control_is_chosen_by_what_another_folder_measured(finished, tmp_path):
    campaign = finished.copy_to(tmp_path / "copy")
    for unmeasured in ("slow", "slow_control"):  # so that no busy machine decides which is the cheapest
        shutil.rmtree(campaign.out / "launches" / unmeasured)
    campaign.config["benchmark"] |= {"control": "cheapest", "output_dir": "results/another"}
    planned = campaign.snakemake("-n")
    assert planned.status == 0, planned.words
    assert {engine for engine, _, _ in planned.launches()} == {"slow", "fast", "fast_control"}


def test_engines_for_a_gpu_are_built_so_by_one_call(campaign):
    """The adapters are the workflow's own: candle and torch have a build for a GPU, mistral.rs' wheel has none."""
    names = ("candle-bench", "pytorch-baseline", "mistral-rs-bench")
    campaign.config["engines"] += [{"name": name, "binary_path": f"target/release/{name}"} for name in names]
    finished = campaign.snakemake("-n", "-p", "engines", "--config", "device=cuda")
    assert finished.status == 0, finished.words
    builds = dict(re.findall(r"--binary target/release/(\S+) .*--device (\S+)", finished.words))
    assert builds == {"candle-bench": "cuda", "pytorch-baseline": "cuda", "mistral-rs-bench": "cpu"}


def test_bad_input_is_one_message_without_a_traceback(campaign):
    campaign.config["benchmark"]["lanches"] = 3
    campaign.config["engines"][0]["dtype"] = "f33"
    finished = campaign.snakemake("-n")
    assert finished.status != 0
    assert "did you mean 'launches'?" in finished.words
    assert "one of f32, f16, bf16" in finished.words
    assert "Traceback" not in finished.words


def test_a_call_without_hooks_and_so_without_locks_is_refused(campaign):
    finished = campaign.snakemake("--no-hooks", "results/tiny/plan.json")
    assert finished.status != 0
    assert "error: --no-hooks leaves out the locks" in finished.words
    assert "Traceback" not in finished.words
    assert not (campaign.out / "plan").exists()


def test_a_binary_that_is_nowhere_is_named_before_anything_runs(campaign):
    campaign.config["engines"][1]["binary_path"] = "bin/nowhere"
    finished = campaign.snakemake()
    assert finished.status != 0
    assert "'bin/nowhere' is no file" in finished.words
    assert not campaign.out.exists()


LLAMA_3_2_SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009],
    "head_dim": 2,
    "hidden_size": 64,
    "intermediate_size": 256,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_scaling": LLAMA_3_2_SCALING,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "vocab_size": 128256,
}
"""config.json of Llama 3.2 1B Instruct, with a width of 64 instead of 2,048."""


def test_the_comprehensive_configuration_is_accepted_verbatim(repository, tmp_path):
    model = make_tiny_model(tmp_path / "models" / "llama-3.2-1b-instruct", **LLAMA_3_2_SHAPE)
    command = [SNAKEMAKE, "-n", "-s", repository / "Snakefile", "--directory", tmp_path, "--cores", "2"]
    command += ["--configfile", repository / "config" / "comprehensive.yaml"]
    result = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    finished = Finished(result.returncode, result.stdout)
    assert finished.status == 0, finished.words
    jobs = finished.jobs()
    assert jobs["run_launch"] == 10 * 3 * 6
    assert jobs["build_engine"] == 5
    assert build_manifest(model, model.name, "x")["architecture"]["context_length"] == 131072
