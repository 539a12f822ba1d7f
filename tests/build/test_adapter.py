"""Reading adapter.yaml, finding tools, choosing the device of a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build.adapter import build_device, find_tool, load_adapter, missing_tool
from benchmark_runner.errors import BenchmarkError
from build_case import RUST, write_adapter


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """The only folder in which tools are found."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(adapters, "_USUAL_FOLDERS", {})
    monkeypatch.setattr(adapters.sys, "executable", str(tmp_path / "none" / "python"))
    monkeypatch.setenv("CUDA_COMPUTE_CAP", "90")
    return folder


@pytest.mark.parametrize("name", ["burn-bench", "candle-bench", "pytorch-baseline"])
def test_the_adapters_of_the_workflow_are_in_order(repository, name):
    adapter = load_adapter(repository / "engines" / name)
    assert adapter.name == name
    assert adapter.lock.is_file()
    assert adapter.devices == ("cpu", "cuda")


def test_paths_are_relative_to_the_adapter(tmp_path):
    adapter = load_adapter(write_adapter(tmp_path))
    assert adapter.shared == (tmp_path / "engines" / "shared",)
    assert adapter.lock == tmp_path / "engines" / "tiny-bench" / "Cargo.lock"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"speed": "high"}, "speed"),
        ({"language": "go"}, "go"),
        ({"devices": []}, "devices"),
        ({"cargo": {"flags": ""}}, "cuda_features"),
        ({"language": "python"}, "environment"),
        ({"shared": ["../nowhere"]}, "nowhere is missing"),
        ({"cargo": RUST["cargo"] | {"cuda_toolkit": "../../envs/gone.txt"}}, r"gone\.txt is missing"),
    ],
)
def test_a_mistake_in_adapter_yaml_is_named_with_its_file(tmp_path, change, words):
    folder = write_adapter(tmp_path, RUST | change)
    with pytest.raises(BenchmarkError, match=words) as caught:
        load_adapter(folder)
    assert str(folder / "adapter.yaml") in str(caught.value)


def test_a_folder_without_adapter_yaml_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"adapter\.yaml: the file cannot be read \(No such file"):
        load_adapter(tmp_path)


def test_the_first_missing_tool_is_told(tmp_path, tools):
    adapter = load_adapter(write_adapter(tmp_path))
    assert missing_tool(adapter) == "cargo"
    program(tools, "cargo")
    assert missing_tool(adapter) == "cc"
    program(tools, "cc")
    assert missing_tool(adapter) is None
    assert missing_tool(adapter, "cuda") == "nvcc"
    program(tools, "nvcc")
    assert missing_tool(adapter, "cuda") is None


def test_nvcc_wants_a_gpu_or_the_compute_capability_of_one(tmp_path, tools, monkeypatch):
    adapter = load_adapter(write_adapter(tmp_path))
    for tool in ("cargo", "cc", "nvcc"):
        program(tools, tool)
    devices = tmp_path / "dev"
    devices.mkdir()
    monkeypatch.delenv("CUDA_COMPUTE_CAP")
    assert missing_tool(adapter, "cuda", devices) == "CUDA_COMPUTE_CAP"
    assert missing_tool(adapter, "cpu", devices) is None
    (devices / "nvidia0").touch()
    assert missing_tool(adapter, "cuda", devices) is None


def test_an_adapter_without_cuda_tools_is_built_for_the_gpu_without_nvcc(tmp_path, tools):
    adapter = load_adapter(write_adapter(tmp_path, RUST | {"cargo": {"flags": "", "cuda_features": ["cuda"]}}))
    for tool in ("cargo", "cc"):
        program(tools, tool)
    assert missing_tool(adapter, "cuda") is None


def test_uv_stands_in_for_nvcc_where_the_adapter_names_a_lock_of_the_toolkit(tmp_path, tools):
    cargo = RUST["cargo"] | {"cuda_toolkit": "../../envs/tiny.txt"}
    adapter = load_adapter(write_adapter(tmp_path, RUST | {"cargo": cargo}))
    for tool in ("cargo", "cc"):
        program(tools, tool)
    assert missing_tool(adapter, "cuda") == "uv"
    assert missing_tool(adapter) is None
    program(tools, "uv")
    assert missing_tool(adapter, "cuda") is None
    (tools / "uv").unlink()
    program(tools, "nvcc")
    assert missing_tool(adapter, "cuda") is None


def test_uv_is_taken_from_the_environment_of_the_workflow_first(tmp_path, tools, monkeypatch):
    assert find_tool("uv") is None
    on_path = program(tools, "uv")
    assert find_tool("uv") == on_path
    beside = program(tmp_path / "environment", "uv")
    monkeypatch.setattr(adapters.sys, "executable", str(beside.with_name("python")))
    assert find_tool("uv") == beside


@pytest.mark.parametrize(
    ("wanted", "gpu", "nvcc", "device"),
    [
        ("cpu", True, True, "cpu"),
        ("cuda", False, False, "cuda"),
        ("auto", False, True, "cpu"),
        ("auto", True, False, "cpu"),
        ("auto", True, True, "cuda"),
    ],
)
def test_auto_builds_for_the_gpu_only_where_that_can_succeed(tmp_path, tools, wanted, gpu, nvcc, device):
    for tool in ("cargo", "cc", *(["nvcc"] if nvcc else [])):
        program(tools, tool)
    devices = tmp_path / "dev"
    devices.mkdir()
    (devices / "nvidiactl").touch()
    if gpu:
        (devices / "nvidia0").touch()
    assert build_device(load_adapter(write_adapter(tmp_path)), wanted, devices) == device


def test_an_adapter_without_cuda_is_built_for_the_cpu(tmp_path):
    adapter = load_adapter(write_adapter(tmp_path, RUST | {"devices": ["cpu"]}))
    assert build_device(adapter, "cuda") == "cpu"


def test_an_adapter_names_the_format_of_its_weights(tmp_path):
    assert load_adapter(write_adapter(tmp_path / "own")).weights_format == "safetensors"
    assert (
        load_adapter(write_adapter(tmp_path / "gguf", RUST | {"weights": {"format": "gguf"}})).weights_format == "gguf"
    )
    with pytest.raises(BenchmarkError, match=r"weights\.format is 'ggml'; the formats are safetensors, gguf"):
        load_adapter(write_adapter(tmp_path / "other", RUST | {"weights": {"format": "ggml"}}))
