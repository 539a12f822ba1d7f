"""Builds for a GPU against an installed toolkit, and the check by hand that makes them."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build import cuda_check
from benchmark_runner.build.__main__ import main as build
from benchmark_runner.build.source import cuda_request
from benchmark_runner.errors import BenchmarkError
from build_case import PYTHON, RUST_WITH_TOOLKIT, write_adapter, write_tool

PROGRAM = """\
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let hello = r#"{"event": "hello", "build": {"cuda": CUDA}}"#;
    std::fs::write(&arguments[4], format!("{hello}\\n")).unwrap();
    eprintln!("SAID, built for {} in {}", env!("CUDA_COMPUTE_CAP"), env!("CUDA_HOME"));
}
"""


@pytest.fixture
def workflow(without_toolkit, lacking, monkeypatch):
    """Folder with a tiny adapter whose program says what it was built with."""
    if adapters.find_tool("cargo") is None or adapters.find_tool("cc") is None:
        lacking("cargo or cc is missing; install Rust and a C compiler")
    monkeypatch.setenv("CUDA_COMPUTE_CAP", "9.0")
    root = without_toolkit.parent
    write_program(root)
    return root


def write_program(root, cuda="true", said="no GPU can be used"):
    folder = write_adapter(root, RUST_WITH_TOOLKIT)
    (folder / "src" / "main.rs").write_text(PROGRAM.replace("CUDA}", f"{cuda}}}").replace("SAID", said), "utf-8")


def checked(root) -> int:
    arguments = ["--engines", root / "engines", "--out", root / "out", "--cache", root / "cache"]
    return cuda_check.main([str(argument) for argument in arguments])


def record_of(root) -> dict:
    record = root / "out" / "tiny-bench.build.json"
    folder, binary = root / "engines" / "tiny-bench", root / "out" / "tiny-bench"
    arguments = ["--adapter", folder, "--binary", binary, "--record", record, "--cache", root / "cache"]
    assert build([str(argument) for argument in [*arguments, "--device", "cuda"]]) == 0
    return json.loads(record.read_text(encoding="utf-8"))


def test_a_machine_without_nvcc_builds_with_the_packages_of_the_lock(workflow):
    toolkit = record_of(workflow)["cuda_toolkit"]
    folder = next((workflow / "cache").glob("cuda-toolkit-*")) / "nvidia" / "cu13"
    assert toolkit == {
        "origin": "lock",
        "version": "13.0.88",
        "folder": str(folder),
        "compute_capability": "90",
        "packages": {"nvidia-cuda-nvcc": "13.0.88"},
    }
    dynamic = subprocess.run(
        ["readelf", "--dynamic", workflow / "out" / "tiny-bench"], capture_output=True, text=True, check=True
    )
    # RUNPATH would not count for libnvrtc, which opens libnvrtc-builtins.
    assert re.search(rf"\(RPATH\).*\[{folder}/lib64\]", dynamic.stdout), "the toolkit's libraries would not be found"


def test_builds_for_other_gpus_lie_apart_from_each_other_and_from_the_cpus(workflow, monkeypatch):
    record_of(workflow)
    monkeypatch.setenv("CUDA_COMPUTE_CAP", "80")
    record_of(workflow)
    assert len(list((workflow / "cache" / "cargo").glob("tiny-bench-*"))) == 2


def test_without_a_gpu_and_without_the_variable_the_engine_is_unavailable_with_the_remedy(workflow, monkeypatch):
    monkeypatch.delenv("CUDA_COMPUTE_CAP")
    record = record_of(workflow)
    assert (record["status"], record["cuda_toolkit"]) == ("unavailable", None)
    assert (record["missing_tool"], record["reason"][:20]) == ("CUDA_COMPUTE_CAP", "there is no GPU here")
    assert record["remedy"].startswith("set CUDA_COMPUTE_CAP to")
    assert not list((workflow / "cache").glob("cuda-toolkit-*")), "1.2 GB would be fetched in vain"


def test_the_gpu_of_the_machine_tells_the_compute_capability(workflow, monkeypatch):
    monkeypatch.delenv("CUDA_COMPUTE_CAP")
    monkeypatch.setattr(adapters, "_has_gpu", lambda _: True)
    facts = {"devices": [{"compute_capability": "8.6"}]}
    monkeypatch.setattr("benchmark_runner.build.rust.gpu_facts", lambda: (facts, None))
    assert record_of(workflow)["cuda_toolkit"]["compute_capability"] == "86"


def test_a_build_for_a_gpu_is_owed_anew_for_another_lock_or_capability(tmp_path):
    adapter = adapters.load_adapter(write_adapter(tmp_path, RUST_WITH_TOOLKIT))
    asked = {cuda_request(adapter, "cuda", None), cuda_request(adapter, "cuda", "90")}
    (tmp_path / "envs" / "tiny.txt").write_text("# another\n", encoding="utf-8")
    asked.add(cuda_request(adapter, "cuda", "90"))
    assert len(asked) == 3
    assert cuda_request(adapter, "cpu", "90") is None


def test_the_check_says_what_came_out(workflow, capsys):
    assert checked(workflow) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("tiny-bench: built in 0.")
    assert said[1].startswith("  CUDA 13.0.88 (lock) in ") and said[1].endswith("compute capability 90")
    assert "libc.so.6" in said[2]
    assert "no GPU can be used, built for 90 in " in said[3]


@pytest.mark.parametrize(
    ("cuda", "said", "words"),
    [
        ("false", "", "was not built for cuda"),
        ("true", "libnvrtc is not found", "does not find all of its libraries"),
    ],
)
def test_the_check_fails_where_the_program_lacks_the_gpu_or_a_library(workflow, capsys, cuda, said, words):
    write_program(workflow, cuda, said)
    assert checked(workflow) == 1
    assert words in capsys.readouterr().err


def test_the_check_fails_where_the_program_does_not_start(workflow, capsys):
    (workflow / "engines" / "tiny-bench" / "src" / "main.rs").write_text(
        "fn main() { std::process::exit(9) }\n", "utf-8"
    )
    assert checked(workflow) == 1
    assert "does not start (status 9)" in capsys.readouterr().err


def test_the_check_fails_where_the_build_does(workflow, capsys, without_toolkit):
    write_tool(without_toolkit, "uv", "#!/bin/sh\nexit 2\n")
    assert checked(workflow) == 1
    assert "tiny-bench was not built: uv failed" in capsys.readouterr().err


def test_a_folder_without_rust_adapters_is_refused(tmp_path):
    write_adapter(tmp_path, PYTHON)
    with pytest.raises(BenchmarkError, match=r"no adapter with cargo\.cuda_features"):
        checked(tmp_path)
