"""What a launch runs is what its identity was made from, before the engine starts and after it has ended."""

from __future__ import annotations

import json
import os

import pytest

from benchmark_runner.hashes import file_sha256
from benchmark_runner.launch.identity import altered_file, installed_names
from benchmark_runner.launch.inputs import read_inputs
from launch_case import FAKE_ENGINE, IDENTITY, WAIT_SECONDS, LaunchCase, killed_at_last, wait_for


def planned(case: LaunchCase, **engine) -> LaunchCase:
    """The case with more in its engine's entry of the plan."""
    case.plan["engines"][0] |= engine
    (case.folder / "plan.json").write_text(json.dumps(case.plan))
    return case


def altered(case: LaunchCase) -> str | None:
    files = (case.folder / f"{name}.json" for name in ("plan", "prompts", "manifest"))
    place = {"engine": "fake", "workload": "quick", "identity": IDENTITY, "block": 1, "model_dir": None}
    return altered_file(read_inputs(*files, **place), case.folder / "hashes.json")


def written_in_place(path) -> None:
    """Other content of the same length, with the times of before."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_in_place(path) -> None:
    new = path.with_name("new")
    new.write_bytes(path.read_bytes() + b"\n")
    new.replace(path)


def removed(path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [written_in_place, put_in_place, removed])
@pytest.mark.parametrize("name", ["program", "model/model.safetensors"])
def test_a_program_or_weights_that_were_changed_are_named(tmp_path, change, name):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    case = planned(LaunchCase(tmp_path, binary=program), source=file_sha256(program))
    assert altered(case) is None
    os.utime(tmp_path / name)
    assert altered(case) is None
    change(tmp_path / name)
    assert str(tmp_path / name) in (altered(case) or "")


def test_a_program_that_came_after_the_plan_is_not_measured_under_its_identity(tmp_path):
    assert str(FAKE_ENGINE) in (altered(planned(LaunchCase(tmp_path), source="absent")) or "")


def test_a_file_that_an_option_names_is_held_against_the_hash_of_what_was_brought(tmp_path):
    chat = tmp_path / "chat"
    chat.write_text("one")
    case = planned(LaunchCase(tmp_path, options={"chat": str(chat), "mode": "x"}), brought=file_sha256(chat))
    assert altered(case) is None
    chat.write_text("two")
    assert str(chat) in (altered(case) or "")


@pytest.fixture
def python_build(tmp_path):
    """A launch of a built Python adapter, its copied source and its packages."""
    sources, environment = tmp_path / "sources", tmp_path / "environment"
    packages = environment / "lib" / "python3.11" / "site-packages"
    (sources / "tiny").mkdir(parents=True)
    (sources / "tiny" / "main.py").write_text("import numpy\n")
    (packages / "numpy-2.0.dist-info").mkdir(parents=True)
    build = {
        "status": "built",
        "binary_sha256": file_sha256(FAKE_ENGINE),
        "source_sha256": "a" * 64,
        "sources": {"folder": str(sources), "files": {"tiny/main.py": file_sha256(sources / "tiny" / "main.py")}},
        "environment": {"folder": str(environment), "installed": installed_names(environment)},
    }
    return planned(LaunchCase(tmp_path, build_record=build), source="a" * 64), sources, packages


def test_source_and_packages_of_a_python_adapter_are_those_of_its_build(python_build):
    case, sources, packages = python_build
    (sources / "tiny" / "__pycache__").mkdir()
    (sources / "tiny" / "__pycache__" / "main.pyc").touch()
    assert altered(case) is None
    (packages / "numpy-2.0.dist-info").rename(packages / "numpy-2.1.dist-info")
    assert "environment" in (altered(case) or "")
    (sources / "tiny" / "numpy.py").touch()
    assert "numpy.py" in (altered(case) or "")
    put_in_place(sources / "tiny" / "main.py")
    assert "main.py" in (altered(case) or "")


def test_a_build_from_other_source_than_was_planned_is_told(python_build):
    case, *_ = python_build
    assert "other source" in (altered(planned(case, source="b" * 64)) or "")


def test_a_launch_of_a_changed_program_starts_nothing(tmp_path):
    case = planned(LaunchCase(tmp_path), source="0" * 64)
    assert case.run().returncode == 0
    record = case.record()
    assert (record["status"], record["hello"]) == ("unavailable", None)
    assert str(FAKE_ENGINE) in record["reason"]


def weights_of(case):
    return case.folder / "model" / "model.safetensors"


def spec_of(case):
    return (case.out_dir / "events.jsonl").resolve().with_name("spec.json")


@pytest.mark.parametrize("which", [weights_of, spec_of])
def test_weights_or_a_spec_that_change_while_the_launch_runs_fail_it(tmp_path, which):
    case = LaunchCase(tmp_path, options={"load_ms": 1500})
    with killed_at_last(case.start()) as process:
        events = case.out_dir / "events.jsonl"
        wait_for(lambda: events.is_file() and "load_start" in events.read_text(), "the engine")
        file = which(case)
        file.write_bytes(file.read_bytes() + b" 1")
        assert process.wait(WAIT_SECONDS) == 0
    record = case.record()
    assert record["status"] == "failed"
    assert str(file) in record["reason"] and "while the launch ran" in record["reason"]
