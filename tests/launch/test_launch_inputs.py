from __future__ import annotations

import json

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.inputs import LaunchInputs, build_spec, read_inputs
from benchmark_runner.launch.program import Missing, why_missing
from benchmark_runner.launch.record import Stopwatch, new_record
from benchmark_runner.model.formats import derived_folder
from benchmark_runner.schemas import require_valid
from launch_case import IDENTITY, MANIFEST, LaunchCase


def read(case: LaunchCase, **changes) -> LaunchInputs:
    place = {"engine": "fake", "workload": "quick", "identity": IDENTITY, "block": 1, "model_dir": None} | changes
    files = (case.folder / f"{name}.json" for name in ("plan", "prompts", "manifest"))
    return read_inputs(*files, **place)


def missing_engine(inputs: LaunchInputs) -> Missing | None:
    return why_missing(inputs.engine, inputs.build, inputs.derived)


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


@pytest.fixture
def on_gguf(tmp_path, monkeypatch):
    """A launch of an engine that opens GGUF, and the folder where its weights are expected."""
    monkeypatch.chdir(tmp_path)
    case = LaunchCase(tmp_path)
    case.plan["engines"][0]["weights_format"] = "gguf"
    (tmp_path / "plan.json").write_text(json.dumps(case.plan))
    folder = derived_folder(case.plan["model"], "gguf", "f32")
    folder.mkdir(parents=True)
    manifest = {
        "schema_version": 1,
        "model": {"name": "tiny", "identity": "tiny-1"},
        "status": "ok",
        "reason": None,
        "remedy": None,
        "format": "gguf",
        "dtype": "f32",
        "weights": "model.gguf",
        "converter": {"module": "m", "version": 1, "packages": {"gguf": "1"}},
        "files": {"model.gguf": {"sha256": "a" * 64, "bytes": 1}, "config.json": {"sha256": "b" * 64, "bytes": 1}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return case, folder.absolute(), manifest


def test_derived_weights_are_what_the_engine_opens_and_the_record_proves_them(on_gguf):
    case, folder, manifest = on_gguf
    inputs = read(case)
    spec = build_spec(inputs, device="cpu", threads=1)
    assert (spec["model_dir"], spec["weights"]) == (str(folder), "model.gguf")
    model = new_record(inputs, 1, Stopwatch())["model"]
    assert (model["identity"], model["weights_format"], model["weights_sha256"]) == ("tiny-1", "gguf", "a" * 64)
    assert model["files"] == {"model.gguf": "a" * 64, "config.json": "b" * 64}
    assert model["converter"] == manifest["converter"]
    gpu = {"name": "NVIDIA L4", "uuid": None, "compute_capability": "8.9", "driver_version": "580.95"}
    gpu |= {"cuda_driver_version": "13.2", "absent": {"uuid": "NVML: Not Supported"}}
    ended = {"ended_at": "2026-01-05T08:00:00.000Z", "ended_ns": 1, "gpu": gpu}
    require_valid("record", new_record(inputs, 1, Stopwatch()) | ended, "record")


def test_a_model_that_is_not_to_be_had_in_the_format_makes_the_engine_unavailable(on_gguf):
    case, folder, manifest = on_gguf
    refused = manifest | {"status": "unavailable", "reason": "yarn", "remedy": "another model", "files": {}}
    (folder / "manifest.json").write_text(json.dumps(refused))
    assert missing_engine(read(case)) == ("yarn", "another model")
    assert new_record(read(case), 1, Stopwatch())["model"]["weights_sha256"] is None


def test_weights_that_were_not_derived_are_named(on_gguf):
    case, folder, _ = on_gguf
    (folder / "manifest.json").unlink()
    with pytest.raises(BenchmarkError, match="gguf-f32"):
        read(case)


def test_of_a_sharded_model_the_index_is_opened_and_all_shards_are_proved(tmp_path):
    case = LaunchCase(tmp_path)
    names = ("a.safetensors", "b.safetensors", "model.safetensors.index.json")
    files = {name: {"sha256": f"{place}" * 64, "bytes": 1} for place, name in enumerate(names)}
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"weights": names[2], "files": files}))
    inputs = read(case)
    assert build_spec(inputs, device="cpu", threads=1)["weights"] == "model.safetensors.index.json"
    model = new_record(inputs, 1, Stopwatch())["model"]
    assert (model["weights_format"], model["converter"], model["weights_sha256"]) == ("safetensors", None, "2" * 64)
    assert set(model["files"]) == set(names)


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


def test_a_program_whose_cuda_toolkit_was_removed_is_missing(tmp_path):
    binary, toolkit = tmp_path / "program", tmp_path / "toolkit"
    binary.touch(0o755)
    toolkit.mkdir()
    case = LaunchCase(
        tmp_path,
        binary=binary,
        build_record={
            "cuda_toolkit": {
                "origin": "lock",
                "version": "13.0",
                "folder": str(toolkit),
                "compute_capability": None,
                "packages": {},
            }
        },
    )
    assert missing_engine(read(case)) is None
    toolkit.rmdir()
    missing = missing_engine(read(case))
    assert missing is not None and str(toolkit) in missing.reason
    assert missing.remedy.startswith("Delete ") and ".build.json" in missing.remedy


def under_load(folder, block: int = 1, seed: int = 5) -> dict:
    """Spec of a launch whose two cases are levels of a load."""
    return build_spec(read(with_levels(LaunchCase(folder), seed), block=block), device="cpu", threads=2)


def with_levels(case: LaunchCase, seed: int = 5) -> LaunchCase:
    case.plan["campaign"] = {"seed": seed}
    workload = case.plan["workloads"][0]
    workload["warmup_iterations"] = 0
    load = {"mode": "closed", "requests": 3, "duration_seconds": None, "warmup_requests": 1, "timeout_seconds": 60}
    for level, planned in zip((1, 2), workload["cases"], strict=True):
        planned["load"] = {**load, "concurrency": level}
    prompts = [{"case": f"case_{n}", "prompt_ids": list(range(n, n + 12))} for n in (1, 2)]
    for name, content in (("plan", case.plan), ("prompts", {"eos_ids": [2], "workloads": {"quick": prompts}})):
        (case.folder / f"{name}.json").write_text(json.dumps(content))
    return case


def test_levels_of_a_file_of_prompts_are_given_its_lines_which_no_other_level_has(tmp_path):
    case = with_levels(LaunchCase(tmp_path))
    for planned in case.plan["workloads"][0]["cases"]:
        planned["prompt"] = {"kind": "lines", "path": "mine.jsonl", "sha256": "f", "lines": 30}
    prompts = json.loads((case.folder / "prompts.json").read_text())
    prompts["pools"] = {"f": [{"prompt_ids": [1, line], "max_tokens": 2 if line == 9 else None} for line in range(30)]}
    for name, content in (("plan", case.plan), ("prompts", prompts)):
        (case.folder / f"{name}.json").write_text(json.dumps(content))
    spec = build_spec(read(case), device="cpu", threads=2)
    require_valid("spec", spec, "spec")
    sent = [tuple(prompt) for one in spec["cases"] for prompt in one["prompts"]]
    assert len(sent) == len(set(sent)) and {prompt[0] for prompt in sent} == {1}
    each = [zip(one["prompts"], one["max_new_tokens_each"], strict=True) for one in spec["cases"]]
    asked = {prompt[1]: tokens for level in each for prompt, tokens in level}
    assert {n for line, n in asked.items() if line != 9} == {4} and asked.get(9, 2) == 2


def test_a_launch_under_load_asks_for_stages_in_place_of_iterations(tmp_path):
    spec = under_load(tmp_path)
    require_valid("spec", spec, "spec")
    assert (spec["protocol"], spec["max_seq_len"]) == (2, 12 + 4)
    assert not {"iterations", "warmup_iterations", "load"} & set(spec)
    assert sorted(spec["stages"]) == [0, 1]
    assert [case["load"]["concurrency"] for case in spec["cases"]] == [1, 2]
    assert [case["prompt_ids"] for case in spec["cases"]] == [list(range(1, 13)), list(range(2, 14))]
    assert spec["launch"] == {"workload": "quick", "block": 1}


def test_an_open_level_is_given_the_times_of_its_requests_the_same_to_all_of_a_block(tmp_path):
    case = with_levels(LaunchCase(tmp_path))
    for planned in case.plan["workloads"][0]["cases"]:
        del planned["load"]["concurrency"]
        arrivals = {"mode": "open", "requests_per_second": 2.0, "arrivals": "poisson", "burstiness": 1.0, "seed": 0}
        planned["load"] |= arrivals
    (case.folder / "plan.json").write_text(json.dumps(case.plan))
    first, again, other = (build_spec(read(case, block=block), device="cpu", threads=2) for block in (1, 1, 2))
    require_valid("spec", first, "spec")
    assert first == again
    times = [one["load"]["arrivals_ns"] for one in first["cases"]]
    assert all(len(due) == len(one["prompts"]) + 1 for due, one in zip(times, first["cases"], strict=True))
    assert len({*map(tuple, times), *(tuple(one["load"]["arrivals_ns"]) for one in other["cases"])}) == 4


def test_an_adapter_of_one_request_at_a_time_is_unavailable_under_load_and_not_started(tmp_path):
    build = {"status": "built", "reason": None, "remedy": None, "cuda_toolkit": None, "binary_sha256": "0"}
    case = with_levels(LaunchCase(tmp_path, build_record=build))
    assert case.run().returncode == 0
    record = case.record()
    assert (record["status"], record["spec"], record["engine_exit"]) == ("unavailable", None, None)
    assert record["reason"] == "fake takes one request at a time, and quick asks for load of mode closed"
    assert "workload without load" in record["remedy"]


def test_a_launch_without_load_asks_as_it_always_did(tmp_path):
    spec = build_spec(read(LaunchCase(tmp_path)), device="cpu", threads=2)
    sampling = {"temperature": 0, "top_p": 1, "seed": 0}
    case = {"max_new_tokens": 4, "ignore_eos": True, "eos_ids": [2], "sampling": sampling}
    assert json.dumps(spec) == json.dumps(
        {
            "protocol": 1,
            "model_dir": str(tmp_path / "model"),
            "weights": "model.safetensors",
            "dtype": "f32",
            "device": "cpu",
            "threads": 2,
            "max_seq_len": 7,
            "cases": [{"prompt_ids": [5, 6, 7], **case}, {"prompt_ids": [5, 6], **case}],
            "warmup_iterations": 1,
            "iterations": 2,
            "load": {"mode": "closed", "concurrency": 1},
            "options": {},
            "launch": {"workload": "quick", "block": 1},
        }
    )


def test_an_engine_that_is_not_asked_for_a_level_is_asked_for_the_others_as_all_are(tmp_path):
    case = with_levels(LaunchCase(tmp_path))
    whole = build_spec(read(case), device="cpu", threads=2)
    case.plan["workloads"][0]["cases"][0]["max_new_tokens"] = 9
    for left_out, kept in (("case_1", 1), ("case_2", 0)):
        reason = "it serves no conversations"
        row = {"engine": "fake", "workload": "quick", "case": left_out, "reason": reason}
        (case.folder / "plan.json").write_text(json.dumps(case.plan | {"not_asked": [row]}))
        inputs = read(case)
        spec = build_spec(inputs, device="cpu", threads=2)
        require_valid("spec", spec, "spec")
        assert spec["stages"] == [0]
        assert spec["max_seq_len"] == 12 + 9  # the same room as for engines that are asked for all
        (asked,) = spec["cases"]
        assert asked["prompts"] == whole["cases"][kept]["prompts"]
        assert asked["load"] == whole["cases"][kept]["load"]
        record = new_record(inputs, 1, Stopwatch())
        assert record["not_asked"] == {left_out: reason}
    (case.folder / "plan.json").write_text(json.dumps(case.plan))
    assert "not_asked" not in new_record(read(case), 1, Stopwatch())


def test_the_levels_that_are_left_follow_each_other_as_they_do_for_all(tmp_path):
    case = with_levels(LaunchCase(tmp_path))
    cases = case.plan["workloads"][0]["cases"]
    cases += [{**cases[0], "name": f"case_{number}"} for number in (3, 4, 5)]
    prompts = json.loads((tmp_path / "prompts.json").read_text())
    prompts["workloads"]["quick"] += [
        {"case": f"case_{number}", "prompt_ids": list(range(number, number + 12))} for number in (3, 4, 5)
    ]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    rows = [
        {"engine": "fake", "workload": "quick", "case": f"case_{number}", "reason": "too many"} for number in (2, 4)
    ]
    kept = [0, 2, 4]
    for block in (1, 2):
        (case.folder / "plan.json").write_text(json.dumps(case.plan))
        whole = build_spec(read(case, block=block), device="cpu", threads=2)["stages"]
        (case.folder / "plan.json").write_text(json.dumps(case.plan | {"not_asked": rows}))
        spec = build_spec(read(case, block=block), device="cpu", threads=2)
        assert [kept[number] for number in spec["stages"]] == [number for number in whole if number in kept]
