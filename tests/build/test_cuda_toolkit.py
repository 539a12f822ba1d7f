"""The toolkit of a build for a GPU: the machine's or the lock's, and for which GPU kernels are compiled."""

from __future__ import annotations

import ctypes

import pytest

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build.cuda_toolkit import Toolkit, compute_capability, locked_toolkit, machine_toolkit
from benchmark_runner.build.tools import BuildError
from build_case import write_tool

NVCC = "#!/bin/sh\necho 'Cuda compilation tools, release 12.4, V12.4.131'\n"


@pytest.mark.parametrize(
    ("asked", "present", "capability"),
    [
        ("9.0", [], "90"),
        ("90", ["8.9"], "90"),
        (" sm_90a", [], "90a"),
        ("120", [], "120"),
        ("", ["8.9", None, "8.9"], "89"),
        (None, ["12.0"], "120"),
    ],
)
def test_kernels_are_compiled_for_what_is_asked_for_and_else_for_the_gpus_here(asked, present, capability):
    assert compute_capability(asked, present) == capability


@pytest.mark.parametrize(
    ("asked", "present", "words"),
    [
        ("ampere", ["8.0"], "'ampere', which is no compute capability"),
        ("9", [], "no compute capability"),
        (None, [], "no GPU here tells its compute capability"),
        (None, [None], "no GPU here tells its compute capability"),
        (None, ["9.0", "8.6"], r"several compute capabilities: 8\.6, 9\.0"),
    ],
)
def test_without_one_capability_the_build_is_refused_with_the_variable_to_set(asked, present, words):
    with pytest.raises(BuildError, match=words) as caught:
        compute_capability(asked, present)
    assert "set CUDA_COMPUTE_CAP to" in caught.value.remedy


def test_the_machines_toolkit_is_where_the_link_to_nvcc_leads(tmp_path, without_toolkit):
    assert machine_toolkit() is None
    home = tmp_path / "cuda-12.4"
    nvcc = write_tool(home / "bin", "nvcc", NVCC)
    (home / "include").mkdir()
    (home / "include" / "cuda.h").touch()
    (without_toolkit / "nvcc").symlink_to(nvcc)
    toolkit = machine_toolkit()
    assert toolkit == Toolkit(home, "12.4.131", {})
    (home / "lib").mkdir()
    assert toolkit.libraries == home / "lib"
    (home / "lib64").mkdir()
    assert toolkit.libraries == home / "lib64"


@pytest.mark.parametrize(("text", "words"), [("exit 3", "does not run"), ("echo 12.4", "names no release")])
def test_an_nvcc_that_tells_no_version_is_refused(without_toolkit, text, words):
    write_tool(without_toolkit, "nvcc", f"#!/bin/sh\n{text}\n")
    with pytest.raises(BuildError, match=words):
        machine_toolkit()


def test_the_variables_name_the_toolkit_and_the_gpu(tmp_path):
    variables = Toolkit(tmp_path, "13.0.88", {}, "90").variables
    assert variables == {
        "CUDA_HOME": str(tmp_path),
        "CUDA_PATH": str(tmp_path),
        "NVCC": str(tmp_path / "bin" / "nvcc"),
        "CUDA_COMPUTE_CAP": "90",
    }
    assert "CUDA_COMPUTE_CAP" not in Toolkit(tmp_path, "13.0.88", {}).variables


@pytest.mark.parametrize(("version", "said"), [("13.4.92", None), ("13.5.37", "13040"), ("14.0.1", "13040")])
def test_a_toolkit_newer_than_cudarc_knows_is_called_the_newest_that_it_knows(tmp_path, version, said):
    assert Toolkit(tmp_path, version, {}, "90").variables.get("CUDARC_CUDA_VERSION") == said


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "cuda-toolkit.txt"
    path.write_text("nvidia-cuda-nvcc==13.0.88\n", encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path):
    with (tmp_path / "build.log").open("w", encoding="utf-8") as file:
        yield file


@pytest.mark.usefixtures("without_toolkit")
def test_the_packages_of_the_lock_become_a_toolkit(tmp_path, lock, log, lacking):
    if adapters.find_tool("cc") is None:
        lacking("cc is missing; install a C compiler")
    toolkit = locked_toolkit(tmp_path / "cache", lock, log)
    assert (toolkit.version, toolkit.packages) == ("13.0.88", {"nvidia-cuda-nvcc": "13.0.88"})
    assert toolkit.describe()["origin"] == "lock"
    links = {path.name: path.readlink().name for path in toolkit.libraries.iterdir() if path.is_symlink()}
    assert links == {"libcublas.so": "libcublas.so.13", "libnvrtc.so": "libnvrtc.so.13"}
    stub = ctypes.CDLL(str(toolkit.libraries / "stubs" / "libcuda.so"))
    assert (stub.cuInit(0), stub.cuMemAlloc_v2()) == (34, 34)


@pytest.mark.usefixtures("without_toolkit")
def test_a_toolkit_is_installed_once_and_a_half_made_one_again(tmp_path, lock, log, capsys, lacking):
    if adapters.find_tool("cc") is None:
        lacking("cc is missing; install a C compiler")
    toolkit = locked_toolkit(tmp_path / "cache", lock, log)
    assert "installing NVIDIA's CUDA compiler" in capsys.readouterr().err
    marker = toolkit.folder / "marker"
    marker.touch()
    assert locked_toolkit(tmp_path / "cache", lock, log) == toolkit
    assert capsys.readouterr().err == ""
    assert marker.exists()
    (toolkit.folder.parents[1] / "complete.json").unlink()
    assert locked_toolkit(tmp_path / "cache", lock, log) == toolkit
    assert not marker.exists()


@pytest.mark.usefixtures("without_toolkit")
def test_another_lock_gets_a_toolkit_of_its_own(tmp_path, lock, log, lacking):
    if adapters.find_tool("cc") is None:
        lacking("cc is missing; install a C compiler")
    first = locked_toolkit(tmp_path / "cache", lock, log)
    lock.write_text("nvidia-cuda-nvcc==13.0.89\n", encoding="utf-8")
    assert locked_toolkit(tmp_path / "cache", lock, log).folder != first.folder


def test_packages_that_cannot_be_fetched_are_told_with_the_remedy(tmp_path, without_toolkit, lock, log):
    write_tool(without_toolkit, "uv", "#!/bin/sh\necho 'error: failed to fetch nvidia-cuda-nvcc' >&2\nexit 2\n")
    with pytest.raises(BuildError, match="uv failed to make the CUDA toolkit") as caught:
        locked_toolkit(tmp_path / "cache", lock, log)
    assert caught.value.remedy.startswith("connect this machine to the network")


def test_without_uv_the_toolkit_is_refused(tmp_path, without_toolkit, lock, log, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    (without_toolkit / "uv").unlink()
    with pytest.raises(BuildError, match="uv is not installed") as caught:
        locked_toolkit(tmp_path / "cache", lock, log)
    assert caught.value.missing_tool == "uv"
