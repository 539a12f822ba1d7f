"""The CUDA toolkit of a build: the machine's, or NVIDIA's packages from a lock, put into the user's cache folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from benchmark_runner.build.adapter import CAPABILITY_VARIABLE, REMEDIES, find_tool
from benchmark_runner.build.environment import STAMP, installed_packages, run_uv
from benchmark_runner.build.tools import BuildError, alone, reason_of, required_tool, run_tool
from benchmark_runner.errors import lack_of
from benchmark_runner.hashes import IDENTITY_DIGITS, file_sha256
from benchmark_runner.jsonio import write_json
from benchmark_runner.terminal import say

NEWEST_KNOWN: Final = (13, 4)
"""Newest CUDA that cudarc 0.19.10 has bindings for (its build.rs); its build fails on an unknown one."""

_PACKAGED: Final = Path("nvidia") / "cu13"
"""Where NVIDIA's packages for CUDA 13 put their files."""

_CAPABILITY: Final = re.compile(r"(?:sm_)?(\d{1,2})\.?(\d)([af]?)")

_NVCC_RELEASE: Final = re.compile(r"release (\d+)\.(\d+), V([\d.]+)")

_DRIVER_FUNCTION: Final = re.compile(r"\bcu[A-Z]\w*")

_STUB_STATUS: Final = 34
"""CUDA_ERROR_STUB_LIBRARY (cuda.h), which NVIDIA's own stubs answer too."""


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit: a folder with bin/nvcc, include and lib64 (lib in conda's)."""

    folder: Path
    version: str
    """By nvcc's own words."""
    packages: Mapping[str, str]
    """Packages of the lock that it was installed from, with versions; empty for the machine's."""
    capability: str | None = None
    """Compute capability that kernels are compiled for; None where the engine compiles them when it runs."""

    @property
    def libraries(self) -> Path:
        """Folder of what a program that was built with it loads."""
        lib64, lib = self.folder / "lib64", self.folder / "lib"
        return lib if lib.is_dir() and not lib64.is_dir() else lib64

    @property
    def variables(self) -> dict[str, str]:
        """Variables by which cudarc and candle's build find it and know for which GPU to compile."""
        found = {name: str(self.folder) for name in ("CUDA_HOME", "CUDA_PATH")}
        found["NVCC"] = str(self.folder / "bin" / "nvcc")
        if self.capability is not None:
            found[CAPABILITY_VARIABLE] = self.capability
        if tuple(map(int, self.version.split(".")[:2])) > NEWEST_KNOWN:
            found["CUDARC_CUDA_VERSION"] = f"{NEWEST_KNOWN[0]}0{NEWEST_KNOWN[1]}0"
        return found

    def describe(self) -> dict[str, Any]:
        """The build record's field `cuda_toolkit`."""
        return {
            "origin": "lock" if self.packages else "machine",
            "version": self.version,
            "folder": str(self.folder),
            "compute_capability": self.capability,
            "packages": dict(self.packages),
        }


def compute_capability(asked: str | None, present: Iterable[str | None]) -> str:
    """Compute capability that kernels are compiled for, as 90 for 9.0: the one asked for, else that of the GPUs here.

    Raises BuildError where it is no number, or where none is asked for and the GPUs do not tell one and the same.
    """
    remedy = REMEDIES[CAPABILITY_VARIABLE]
    if asked:
        match = _CAPABILITY.fullmatch(asked.strip())
        if match is None:
            raise BuildError(f"{CAPABILITY_VARIABLE} is {asked!r}, which is no compute capability", remedy)
        return "".join(match.groups())
    found = sorted({capability for capability in present if capability})
    if not found:
        raise BuildError("no GPU here tells its compute capability", remedy)
    if len(found) > 1:
        raise BuildError(f"the GPUs here have several compute capabilities: {', '.join(found)}", remedy)
    return found[0].replace(".", "")


def _version(nvcc: Path) -> str:
    try:
        done = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if lack_of(error) is not None:
            raise
        words = reason_of(error.stderr) if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise BuildError(f"{nvcc} does not run: {words}", REMEDIES["nvcc"]) from error
    match = _NVCC_RELEASE.search(done.stdout)
    if match is None:
        raise BuildError(f"{nvcc} --version names no release", REMEDIES["nvcc"])
    return match[3]


def machine_toolkit() -> Toolkit | None:
    """The toolkit whose nvcc is on this machine; None where there is none.

    nvcc may be a link into the toolkit, or lie in /usr/bin with the headers in /usr/include.
    """
    nvcc = find_tool("nvcc")
    if nvcc is None:
        return None
    folders = (nvcc.parents[1], nvcc.resolve().parents[1])
    folder = next((folder for folder in folders if (folder / "include" / "cuda.h").is_file()), folders[0])
    return Toolkit(folder, _version(nvcc), {})


def _link_plain_names(libraries: Path) -> None:
    """libcublas.so for libcublas.so.13: packages have only names with versions, linkers ask for the plain ones."""
    for library in sorted(libraries.glob("lib*.so.*")):
        name = library.name.partition(".so.")[0]
        if "." not in name:  # libnvrtc.alt is another build of the same library
            (libraries / f"{name}.so").symlink_to(library.name)


def _make_driver_stub(toolkit: Path, log: IO[str]) -> None:
    """A libcuda to link with: the driver brings the real one. Each function of cuda.h is there and answers an error."""
    compiler = required_tool("cc", "the stub of libcuda is made")
    functions = sorted(set(_DRIVER_FUNCTION.findall((toolkit / "include" / "cuda.h").read_text(encoding="utf-8"))))
    stubs = toolkit / "lib64" / "stubs"
    stubs.mkdir()
    source = stubs / "libcuda.c"
    source.write_text("".join(f"int {name}(void) {{ return {_STUB_STATUS}; }}\n" for name in functions), "utf-8")
    flags = ("-shared", "-fPIC", "-Wl,-soname,libcuda.so.1")
    command: list[str | Path] = [compiler, *flags, "-o", stubs / "libcuda.so", source]
    status, words = run_tool(command, log=log, environment=os.environ, folder=stubs)
    if status != 0:
        raise BuildError(f"cc failed to make the stub of libcuda: {reason_of(words)}", f"read {log.name}")


def _install(uv: Path, folder: Path, lock: Path, log: IO[str]) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    say(f"installing NVIDIA's CUDA compiler and libraries from {lock.name}: 1.2 GB, minutes the first time")
    run_uv(
        uv,
        [
            *("pip", "install", "--require-hashes", "--no-deps", "--python", sys.executable),
            *("--target", folder, "-r", lock.resolve()),
        ],
        "the CUDA toolkit",
        log,
    )
    toolkit = folder / _PACKAGED
    (toolkit / "lib64").symlink_to("lib")
    _link_plain_names(toolkit / "lib")
    _make_driver_stub(toolkit, log)
    write_json(folder / STAMP, {"lock": lock.name})


def locked_toolkit(cache: Path, lock: Path, log: IO[str]) -> Toolkit:
    """NVIDIA's packages of a lock as a toolkit in the cache folder, installed unless they are there.

    Raises BuildError where uv is missing or fails, or the packages do not make a toolkit.
    """
    uv = required_tool("uv", "the CUDA toolkit is installed")
    folder = cache / f"cuda-toolkit-{file_sha256(lock)[:IDENTITY_DIGITS]}"
    with alone(cache / f".{folder.name}.making", "CUDA toolkit"):
        if not (folder / STAMP).is_file():
            _install(uv, folder, lock, log)
    toolkit = folder / _PACKAGED
    return Toolkit(toolkit, _version(toolkit / "bin" / "nvcc"), installed_packages([folder]))
