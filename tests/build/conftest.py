"""A machine without a CUDA toolkit on which uv can install a tiny one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark_runner.build import adapter as adapters
from build_case import UV, write_tool


@pytest.fixture
def without_toolkit(tmp_path, monkeypatch) -> Path:
    """Folder of the tools that are found before all others; there is no nvcc and no GPU, and uv is a stand-in."""
    folder = tmp_path / "tools"
    write_tool(folder, "uv", UV)
    kept = [entry for entry in os.environ["PATH"].split(os.pathsep) if not Path(entry, "nvcc").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), *kept]))
    monkeypatch.setattr(adapters, "_USUAL_FOLDERS", {"cargo": Path.home() / ".cargo" / "bin"})
    monkeypatch.setattr(adapters.sys, "executable", str(folder / "python"))
    monkeypatch.setattr(adapters, "DEVICE_FILES", "no such file")
    monkeypatch.setattr("benchmark_runner.build.rust.gpu_facts", lambda: (None, "no GPU"))
    monkeypatch.delenv("CUDA_COMPUTE_CAP", raising=False)
    return folder
