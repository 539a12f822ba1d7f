from __future__ import annotations

import json

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.inputs import Inputs, missing_engine, read_inputs, weights_file
from benchmark_runner.launch.spec import build_spec
from benchmark_runner.schemas import require_valid
from launch_case import IDENTITY, LaunchCase


def read(case: LaunchCase, **changes) -> Inputs:
    place = {"engine": "fake", "workload": "quick", "identity": IDENTITY, "block": 1, "model_dir": None} | changes
    files = (case.folder / f"{name}.json" for name in ("plan", "prompts", "manifest"))
    return read_inputs(*files, **place)


@pytest.mark.parametrize(
    "changes", [{"engine": "other"}, {"workload": "other"}, {"identity": "ffffffffffff"}, {"block": 9}]
)
def test_what_the_plan_does_not_know_is_refused(tmp_path, changes):
    with pytest.raises(BenchmarkError, match="plan"):
        read(LaunchCase(tmp_path), **changes)


def test_a_case_without_prompt_is_refused(tmp_path):
    case = LaunchCase(tmp_path)
    (tmp_path / "prompts.json").write_text(json.dumps({"eos_ids": [], "workloads": {"quick": []}}))
    with pytest.raises(BenchmarkError, match="case_1, case_2"):
        read(case)


@pytest.mark.parametrize("names", [[], ["a.safetensors", "b.safetensors"]])
def test_exactly_one_weight_file_is_wanted(names):
    with pytest.raises(BenchmarkError, match="exactly one"):
        weights_file({"files": {name: {} for name in names}})


def test_the_prompts_hash_is_this_workloads_alone(tmp_path):
    case = LaunchCase(tmp_path)
    before = read(case).prompts_sha256
    content = json.loads((tmp_path / "prompts.json").read_text())
    content["workloads"]["other"] = []
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    assert read(case).prompts_sha256 == before
    content["workloads"]["quick"][0]["prompt_ids"].append(1)
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    assert read(case).prompts_sha256 != before


def test_the_spec_is_valid_and_holds_the_cases_in_order(tmp_path):
    spec = build_spec(read(LaunchCase(tmp_path, options={"load_ms": 1})), device="cpu", threads=1)
    require_valid("spec", spec, "spec")
    assert [case["prompt_ids"] for case in spec["cases"]] == [[5, 6, 7], [5, 6]]
    assert spec["cases"][0]["sampling"] == {"temperature": 0, "top_p": 1, "seed": 0}
    assert (spec["max_seq_len"], spec["iterations"], spec["options"]) == (7, 2, {"load_ms": 1})


def test_a_program_that_may_not_be_executed_is_missing(tmp_path):
    binary = tmp_path / "program"
    binary.touch()
    missing = missing_engine(read(LaunchCase(tmp_path, binary=binary)))
    assert missing is not None and missing.remedy.startswith("chmod +x")


def test_an_adapter_that_was_not_built_is_missing(tmp_path):
    case = LaunchCase(tmp_path, binary=tmp_path / "nothing", build_record={"status": "built"})
    missing = missing_engine(read(case))
    assert missing is not None and "was not built" in missing.reason
