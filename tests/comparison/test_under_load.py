"""Campaigns with load before and after: throughput of all requests, the load client's error, failed requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmark_runner.comparison.engines import main
from benchmark_runner.comparison.terms import terms_file
from benchmark_runner.jsonio import write_json
from comparison_case import write_campaign
from scripted_launch import ScriptedEngine, ScriptedWorkload
from scripted_load import LOAD_CALIBRATION, ScriptedLoad

SERVING = ScriptedWorkload("serving", ((8, 5),), load=ScriptedLoad(concurrency=(1, 4), requests=12))
TIMES: dict[str, Any] = {"ttft_ms": 20.0, "itl_ms": 10.0, "launch_spread": 0.003}


def found(tmp_path: Path, *engines: ScriptedEngine, p99_ms: float = 0.01) -> dict[tuple[str, str], dict[str, Any]]:
    """Findings by case and metric of the second engine against the first."""
    folder = tmp_path / "after"
    folder.mkdir()
    error = {"p50": 0.001, "p99": p99_ms}
    calibration = LOAD_CALIBRATION | {"ttft_bias_ms": error, "gap_error_ms": error}
    (folder / "load_calibration.json").write_text(json.dumps(calibration))
    flags = [flag.replace("--after-", "--") for flag in write_campaign(folder, engines, workloads=[SERVING])]
    terms = {"confidence_level": 0.95, "margin": 0.02, "metrics": ["e2e_ms", "output_tokens_per_s"]}
    write_json(agreed := tmp_path / terms_file(terms), terms)
    made = ["--before", engines[0].name, "--after", engines[1].name, "--terms", str(agreed)]
    made += ["--looks", str(tmp_path / "looks.json"), "--out", str(tmp_path / "comparison.json")]
    assert main([*flags, *made, "--table", str(tmp_path / "comparison.md")]) == 0
    content = json.loads((tmp_path / "comparison.json").read_text())
    return {(one["case"], one["metric"]): one for one in content["comparisons"]}


def test_throughput_of_all_requests_is_compared_at_each_level(tmp_path: Path) -> None:
    one, four = ScriptedEngine("one", slots=1, **TIMES), ScriptedEngine("four", slots=4, **TIMES)
    told = found(tmp_path, one, four)
    assert told["c4", "output_tokens_per_s"]["verdict"] == "improved"
    assert told["c1", "output_tokens_per_s"]["verdict"] == "no_regression"


def test_a_difference_below_the_clients_own_error_is_no_change(tmp_path: Path) -> None:
    near = ScriptedEngine("near", **TIMES | {"ttft_ms": 21.0})
    told = found(tmp_path, ScriptedEngine("first", **TIMES), near, p99_ms=3.0)
    one = told["c1", "ttft_ms"]
    assert one["verdict"] not in ("regression", "improved") and "client_error" in one["qualifiers"]


def test_a_level_at_which_requests_failed_is_not_compared(tmp_path: Path) -> None:
    failing = ScriptedEngine("failing", failing={("c4", 6): "cut"}, **TIMES)
    told = found(tmp_path, ScriptedEngine("first", **TIMES), failing)
    assert "failing: 10 of its 120 requests failed" in told["c4", "e2e_ms"]["reason"]
    assert told["c1", "e2e_ms"]["reason"] is None
