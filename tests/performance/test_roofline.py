"""Shares of the roofline of a scripted campaign, worked by hand; and why there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.performance.__main__ import main
from benchmark_runner.performance.efficiency import scaling
from benchmark_runner.schemas import require_valid
from records import ScriptedEngine, ScriptedWorkload, write_results

# A table of 8,000 weights, a body of 1,000,000; a token adds 16 keys and values.
ARCHITECTURE: dict[str, Any] = {
    "layers": 1,
    "hidden_size": 8,
    "heads": 1,
    "kv_heads": 1,
    "head_dim": 8,
    "vocab_size": 1000,
    "tied_embeddings": True,
    "parameters": 1_008_000,
}
MANIFEST: dict[str, Any] = {
    "schema_version": 1,
    "name": "m",
    "identity": "m-1",
    "source": {"kind": "folder"},
    "architecture": ARCHITECTURE | {"context_length": 64},
    "weights": "model.safetensors",
    "weights_dtype": "f32",
    "weights_bytes": 4,
    "files": {},
}
LIMITS = {"point": 1e9, "low": 0.8e9, "high": 1.25e9, "repeats": 3, "kernel": "made up"}
CALIBRATION: dict[str, Any] = {
    "schema_version": 1,
    "measured_at": "2026-11-20T10:00:00+00:00",
    "machine": {"hostname": "here", "cpu": None, "available_cores": [0]},
    "cores": [0],
    "beyond_caches": True,
    "library": "made up",
    "busy_processes": [],
    "threads": 1,
    "bandwidth_bytes_per_s": LIMITS,
    "flop_per_s": LIMITS,
    "last_level_cache_bytes": 1000,
}


def _analysed(folder: Path, engine: ScriptedEngine, calibration: Any = CALIBRATION, **architecture: Any) -> Any:
    """performance_analysis.json of one engine whose first token takes 20 ms and each further one 10 ms."""
    write_results(folder, [engine], [ScriptedWorkload()], launches=3)
    numbers = {key: value for key, value in {**MANIFEST["architecture"], **architecture}.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | {"architecture": numbers}))
    arguments = [
        "--plan",
        "plan.json",
        "--statistics",
        "analysis/statistical_summary.json",
        "--manifest",
        "manifest.json",
    ]
    arguments += ["--iterations", "analysis/iterations.parquet", "--out", "performance.json"]
    if calibration is not None:
        (folder / "calibration.json").write_text(json.dumps(calibration))
        arguments += ["--calibration", "calibration.json"]
    assert main([one if one.startswith("--") else str(folder / one) for one in arguments]) == 0
    found = json.loads((folder / "performance.json").read_text())
    require_valid("performance_analysis", found, "performance.json")
    return found


def test_decode_reads_weights_and_context_and_is_bound_by_memory(tmp_path: Path) -> None:
    [found] = _analysed(tmp_path, ScriptedEngine("torch"))["bottlenecks"]
    decode = found["decode"]
    # 8 tokens of prompt, half of 11 of the answer: 1,008,000 x 4 + 16 x 13.5 x 4 bytes, 2 x 1,008,000 + 4 x 8 x 13.5.
    assert (decode["bytes"], decode["flop"]) == (4_032_864, 2_016_432)
    assert (decode["bound"], decode["ms"]) == ("memory", pytest.approx(10.0))
    assert decode["share_of_roofline"]["point"] == pytest.approx(0.4032864)
    assert decode["share_of_roofline"]["low"] == pytest.approx(0.4032864 / 1.25)
    assert decode["share_of_roofline"]["high"] == pytest.approx(0.4032864 / 0.8)
    assert (found["longest"], found["longest_cold"]) == ("decode", "load")
    assert "which neither memory nor arithmetic limits: it reaches 40 % (32 % to 50 %) of" in found["sentence"]


def test_an_engine_faster_than_its_limit_says_that_the_calibration_measured_too_little(tmp_path: Path) -> None:
    rate = {key: CALIBRATION["bandwidth_bytes_per_s"][key] / 4 for key in ("point", "low", "high")}
    slow = {**CALIBRATION, "bandwidth_bytes_per_s": {**CALIBRATION["bandwidth_bytes_per_s"], **rate}}
    [found] = _analysed(tmp_path, ScriptedEngine("torch"), slow)["bottlenecks"]
    assert (
        "faster than the memory bandwidth that the calibration measured allows, 161 % (129 % to 202 %)"
        in found["sentence"]
    )
    assert "the machine was slower during the calibration" in found["sentence"] and "limits" not in found["sentence"]


def test_a_prompt_is_bound_by_arithmetic(tmp_path: Path) -> None:
    [found] = _analysed(tmp_path, ScriptedEngine("torch"))["bottlenecks"]
    # 8 tokens: 2 x 1,000,000 x 8, the table for the last one alone, 2 x 8 x 8 x 9 of attention.
    assert found["prefill"]["flop"] == 16_000_000 + 16_000 + 1152
    assert found["prefill"]["bound"] == "arithmetic"
    assert found["prefill"]["share_of_roofline"]["point"] == pytest.approx(16.017152 / 20)


def test_a_table_that_is_only_looked_up_is_not_read(tmp_path: Path) -> None:
    [found] = _analysed(tmp_path, ScriptedEngine("torch"), tied_embeddings=False, parameters=1_016_000)["bottlenecks"]
    assert found["decode"]["bytes"] == 4_032_864


@pytest.mark.parametrize(
    ("engine", "calibration", "reason"),
    [
        ({}, None, "system.calibration_seconds"),
        ({"device": "cuda:0"}, CALIBRATION, "computed on cuda:0"),
        ({"threads": 2}, CALIBRATION, "it had 2 threads, the calibration 1"),
        ({"loaded": {"weights_dtype": "q4_0"}}, CALIBRATION, "a weight of type q4_0"),
        ({}, {**CALIBRATION, "last_level_cache_bytes": 1 << 30}, "fit into the processor's caches"),
    ],
)
def test_without_a_limit_the_share_is_null_with_its_reason(
    tmp_path: Path, engine: dict[str, Any], calibration: Any, reason: str
) -> None:
    analysed = _analysed(tmp_path, ScriptedEngine("torch", **engine), calibration)
    [found] = analysed["bottlenecks"]
    assert found["decode"]["share_of_roofline"] is None
    assert reason in found["decode"]["reason"] and reason in found["sentence"]
    assert (analysed["calibration"] is None) == (analysed["calibration_reason"] is not None) == (calibration is None)


@pytest.mark.parametrize("key", ["parameters", "hidden_size", "tied_embeddings"])
def test_a_number_of_the_model_that_a_manifest_lacks_is_told_as_the_reason(tmp_path: Path, key: str) -> None:
    [found] = _analysed(tmp_path, ScriptedEngine("torch"), **{key: None})["bottlenecks"]
    assert found["decode"]["reason"] == f"the manifest does not tell {key} of the model, by which its work is counted"


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("manifest", {"architecture": None}, "architecture: None is not of type 'object'"),
        ("manifest", {"architecture": MANIFEST["architecture"] | {"hidden_size": "8"}}, "architecture.hidden_size"),
        ("manifest", {"architecture": MANIFEST["architecture"] | {"layers": 10**12}}, "architecture.layers"),
        ("manifest", {"weights_bytes": 10**300}, "is not valid JSON"),
        ("calibration", {"flop_per_s": LIMITS | {"low": 0}}, "flop_per_s.low"),
        ("calibration", {"flop_per_s": None}, "flop_per_s"),
    ],
)
def test_numbers_that_nothing_can_be_computed_from_are_named_before_the_stage_does(
    tmp_path: Path, name: str, keys: dict[str, Any], words: str
) -> None:
    _analysed(tmp_path, ScriptedEngine("torch"))
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))
    names = {"plan": "plan.json", "statistics": "analysis/statistical_summary.json", "out": "performance.json"}
    names |= {
        "iterations": "analysis/iterations.parquet",
        "manifest": "manifest.json",
        "calibration": "calibration.json",
    }
    with pytest.raises(BenchmarkError, match=rf"{name}\.json.*{words}"):
        main([f"--{flag}={tmp_path / place}" for flag, place in names.items()])


def test_a_calibration_that_is_gone_is_told_and_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text(json.dumps(MANIFEST))
    names = ("plan", "statistics", "iterations", "manifest", "calibration", "out")
    with pytest.raises(BenchmarkError, match="calibration is missing"):
        main([f"--{name}={tmp_path / name}" for name in names])


def test_efficiency_is_throughput_over_memory_and_threads(tmp_path: Path) -> None:
    [found] = _analysed(tmp_path, ScriptedEngine("torch", threads=2, peak_rss_bytes=500_000_000))["efficiency"]
    # 11 tokens in 20 + 10 x 10 ms.
    assert found["tokens_per_s_per_gb"]["point"] == pytest.approx(11 / 0.120 / 0.5)
    assert found["tokens_per_s_per_thread"]["point"] == pytest.approx(11 / 0.120 / 2)
    assert found["tokens_per_joule"] is None and found["tokens_per_joule_reason"]


def test_stability_names_both_spreads(tmp_path: Path) -> None:
    [found] = _analysed(tmp_path, ScriptedEngine("torch"))["stability"]
    assert found["cv_within"] == found["cv_between"] == 0.0


def test_scaling_is_the_last_rate_over_the_first() -> None:
    place = {"engine": "torch", "workload": "chat", "case": "case_1"}
    rates = [(2.0, 50.0), (9.0, 45.0), (30.0, 40.0)]
    [found] = scaling([{**place, "position": at, "tokens_per_s": {"point": rate}} for at, rate in rates])
    assert (found["from_position"], found["to_position"], found["speed_kept"]) == (2.0, 30.0, 0.8)
    assert scaling([]) == []
