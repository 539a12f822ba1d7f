"""environment.json as the stage writes it on this machine."""

from __future__ import annotations

import json
import platform

import pytest

from benchmark_runner.environment.__main__ import main
from benchmark_runner.errors import BenchmarkError
from build_case import build_record
from launch_case import MANIFEST


@pytest.fixture
def inputs(tmp_path, repository):
    build = tmp_path / "candle.build.json"
    build.write_text(json.dumps(build_record(compiler="rustc 1.95.0")))
    engine = {"control_of": None, "adapter": None, "options": {}}
    engines = [
        engine | {"name": "candle", "adapter": "candle-bench", "build_record": str(build)},
        engine | {"name": "lost", "adapter": "burn-bench", "build_record": str(tmp_path / "gone.json")},
        engine | {"name": "brought", "build_record": None},
    ]
    (tmp_path / "plan.json").write_text(json.dumps({"engines": engines}))
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    flags = {"plan": tmp_path / "plan.json", "manifest": tmp_path / "manifest.json", "repository": repository}
    return [f"--{name}={value}" for name, value in flags.items()]


def test_the_stage_tells_machine_software_engines_and_model(inputs, tmp_path, repository):
    locks = [str(path) for path in (repository / "envs").glob("*.txt")]
    assert main([*inputs, "--locks", *locks, "--out", str(tmp_path / "environment.json")]) == 0
    found = json.loads((tmp_path / "environment.json").read_text())
    assert found["operating_system"]["kernel"] == platform.release()
    assert found["cpu"]["logical_cores"] >= 1
    assert found["python"]["version"] == platform.python_version()
    assert {lock["file"] for lock in found["workflow"]["locks"]} >= {"workflow.txt", "test.txt"}
    assert len(found["workflow"]["packages"]) > 50
    assert found["model"] == MANIFEST
    engines = {engine["engine"]: engine for engine in found["engines"]}
    assert engines["candle"]["build"]["compiler"] == "rustc 1.95.0"
    assert engines["lost"]["build_reason"] == "its build left no record"
    assert engines["brought"]["build_reason"] == "the binary was brought by its user"
    assert (found["gpu"] is None) == ("gpu" in found["absent"])


def test_a_call_that_measures_nothing_keeps_the_machine_that_measured(inputs, tmp_path, repository):
    out, owed = tmp_path / "environment.json", tmp_path / "owed.json"
    command = [*inputs, "--locks", str(repository / "envs" / "workflow.txt"), "--out", str(out), "--owed", str(owed)]
    owed.write_text('{"owed": []}')
    assert main(command) == 0  # there is nothing to keep
    first = json.loads(out.read_text())
    elsewhere = first | {"host": {"hostname": "another"}, "collected_at": "2026-01-01T00:00:00Z", "engines": []}
    out.write_text(json.dumps(elsewhere) + "\n")
    assert main(command) == 0
    assert json.loads(out.read_text()) == elsewhere | {"engines": first["engines"]}
    owed.write_text('{"owed": [3]}')
    assert main(command) == 0
    assert json.loads(out.read_text())["host"] == first["host"]


def test_the_workflow_s_lock_is_needed(inputs, tmp_path, repository):
    with pytest.raises(BenchmarkError, match=r"workflow\.txt"):
        main([*inputs, "--locks", str(repository / "envs" / "test.txt"), "--out", str(tmp_path / "x.json")])
