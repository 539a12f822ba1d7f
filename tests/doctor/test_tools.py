"""Toolchains: what is found, whether it is new enough, and what its absence costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.build.adapter import BroughtFile, load_adapter
from benchmark_runner.doctor import tools
from benchmark_runner.doctor.tools import Tool, ask_version, complaint_about
from benchmark_runner.launch.program import missing_program
from build_case import write_adapter

HERE = Path("/usr/bin/tool")


@pytest.fixture
def adapters(repository):
    return [load_adapter(path.parent) for path in sorted((repository / "engines").glob("*/adapter.yaml"))]


@pytest.fixture
def program(tmp_path):
    def make(text):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


def test_a_brought_program_that_cannot_be_started_is_told_as_a_launch_tells_it(program):
    path = program("echo usage: --seed")
    wanted = BroughtFile("chat", "a chat program", "build it", ("--seed",))
    assert complaint_about(wanted, str(path)) is None
    path.chmod(0o644)
    for gone in (False, True):
        if gone:
            path.unlink()
        assert complaint_about(wanted, str(path)) == missing_program(str(path), None, None).reason


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", "1.95.0"),
        ("cc (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
        ("nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 12.4, V12.4.131", "12.4"),
    ],
)
def test_a_version_is_read_from_the_tools_own_words(program, words, version):
    assert ask_version(program(f"echo '{words}'")).version == version


def test_a_tool_that_does_not_run_is_there_with_a_complaint(program):
    tool = ask_version(program("echo 'no default toolchain' >&2; exit 1"))
    assert "no default toolchain" in (tool.complaint or "")
    finding = tools.c_compiler(tool)
    assert finding.state == "limited"
    assert finding.values == {"version": None}


def test_a_tool_without_a_version_is_told(program):
    assert "names no version" in (ask_version(program("echo hello")).complaint or "")


def test_a_missing_tool_has_the_remedy_of_the_build(adapters):
    finding = tools.cargo(Tool(None, None, None), adapters)
    assert finding.state == "missing"
    assert "candle-bench" in finding.lacks[0].cost
    assert "rustup.rs" in finding.lacks[0].remedy


def test_a_rust_older_than_an_adapter_needs_is_named_with_the_adapter(adapters):
    needed = tools.rust_needed(adapters)
    assert needed["candle-bench"] == "1.89"
    old = tools.cargo(Tool(HERE, "1.88.9", None), adapters)
    assert "candle-bench needs Rust 1.89 or newer" in [lack.reason for lack in old.lacks]
    assert tools.cargo(Tool(HERE, "1.1000.0", None), adapters).state == "there"


def test_versions_compare_as_numbers():
    assert tools.as_numbers("1.100.0") > tools.as_numbers("1.89")


def test_nvcc_costs_something_only_where_there_is_a_gpu(adapters):
    lacking = Tool(None, None, None)
    (lack,) = tools.cuda_compiler(lacking, adapters, has_gpu=True).lacks
    assert "the GPU of burn-bench, candle-bench installs NVIDIA's packages" in lack.cost
    assert "nothing here" in tools.cuda_compiler(lacking, adapters, has_gpu=False).lacks[0].cost


def test_without_nvcc_an_adapter_that_names_no_toolkit_computes_on_the_cpu(tmp_path):
    adapter = load_adapter(write_adapter(tmp_path))
    (lack,) = tools.cuda_compiler(Tool(None, None, None), [adapter], has_gpu=True).lacks
    assert lack.cost == "tiny-bench computes on the CPU"


def test_uv_is_needed_by_python_adapters(adapters):
    assert "pytorch-baseline" in tools.uv(Tool(None, None, None), adapters).lacks[0].cost


def test_a_missing_browser_costs_no_result():
    finding = tools.chromium(None)
    assert finding.lacks[0].cost.startswith("no result")
    assert tools.chromium(HERE).found == str(HERE)
