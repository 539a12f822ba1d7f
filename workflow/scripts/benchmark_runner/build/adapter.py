"""An adapter's folder: what adapter.yaml says, which tools its build needs, and for which device it is built."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.bodies import section_problems
from benchmark_runner.configuration.data_files import read_data_file
from benchmark_runner.configuration.files import dotted
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.server import require_known_places
from benchmark_runner.model.formats import FORMATS, SAFETENSORS

CAPABILITY_VARIABLE: Final = "CUDA_COMPUTE_CAP"
"""Compute capability that a user asks kernels to be compiled for; the name that candle's build gives it."""

REMEDIES: Final[Mapping[str, str]] = {
    "cargo": "install Rust from https://rustup.rs and run the same command again",
    "cc": "install a C compiler (Debian, Ubuntu: apt install build-essential; Fedora: dnf install gcc) and run again",
    "nvcc": "install the CUDA toolkit so that nvcc is on the PATH, or set system.device to cpu",
    "uv": "run `make run`, which installs uv into .venv from its lock",
    CAPABILITY_VARIABLE: f"set {CAPABILITY_VARIABLE} to the compute capability of the GPU it is for (80 for "
    "an A100, 89 for an L4 or RTX 4090, 90 for an H100) and run again",
}
"""What to do about each tool, and the one variable, that a build may lack."""

_USUAL_FOLDERS: Final[Mapping[str, Path]] = {
    "cargo": Path.home() / ".cargo" / "bin",
    "nvcc": Path("/usr/local/cuda/bin"),
}
"""Where installers put a tool without always extending the PATH."""

DEVICE_FILES: Final = "nvidia[0-9]*"
"""Names under /dev that the NVIDIA driver gives its GPUs."""


@dataclass(frozen=True)
class CargoBuild:
    """How cargo builds a Rust adapter."""

    flags: str
    cuda_features: tuple[str, ...]
    cuda_tools: tuple[str, ...]
    """Tools that only a build for cuda needs; none for an engine that compiles its kernels when it runs."""
    cuda_toolkit: Path | None = None
    """Lock from which a build for cuda gets the toolkit where the machine has none; None for an engine without one."""


@dataclass(frozen=True)
class PythonEnvironment:
    """What a Python adapter runs in: a requirements file with hashes, and the file that Python runs."""

    lock: Path
    main: Path


@dataclass(frozen=True)
class BroughtFile:
    """A program that the workflow cannot make: the user names it in an option of the engine."""

    option: str
    what: str
    remedy: str
    help_words: tuple[str, ...] = ()
    """Words that stand in its answer to --help, where it has one."""


@dataclass(frozen=True)
class Adapter:
    """A folder under engines/ and what its adapter.yaml says."""

    folder: Path
    description: str
    licence: str
    language: str
    devices: tuple[str, ...]
    shared: tuple[Path, ...]
    first_build: str
    cargo: CargoBuild | None
    environment: PythonEnvironment | None
    brought: BroughtFile | None
    load_modes: tuple[str, ...] = ()
    """How requests under load may come to it: closed, open; none where it takes one at a time."""
    most_at_once: int | None = None
    """Requests that it serves at once; None where nothing bounds them."""
    weights_format: str = SAFETENSORS
    """Format of the weights that its program opens."""
    server: Mapping[str, Any] | None = None
    """How its program is started and asked over HTTP; None where it speaks the protocol itself."""

    @property
    def name(self) -> str:
        """Name of the folder, which is the file name of the program."""
        return self.folder.name

    @property
    def lock(self) -> Path:
        """File that fixes the versions of all that the program is made from."""
        return self.environment.lock if self.environment else self.folder / "Cargo.lock"


def _inside(folder: Path, relative: str) -> Path:
    """Path relative to folder without its `..`, so that it reads well in messages."""
    return Path(os.path.normpath(folder / relative))


def _cargo_build(folder: Path, content: Mapping[str, Any]) -> CargoBuild:
    toolkit = content.get("cuda_toolkit")
    return CargoBuild(
        flags=content["flags"],
        cuda_features=tuple(content["cuda_features"]),
        cuda_tools=tuple(content.get("cuda_tools", ())),
        cuda_toolkit=_inside(folder, toolkit) if toolkit else None,
    )


def _adapter(folder: Path, content: Mapping[str, Any]) -> Adapter:
    cargo, environment, brought = (content.get(key) for key in ("cargo", "environment", "brought"))
    return Adapter(
        folder=folder,
        description=content["description"],
        licence=content["licence"],
        language=content["language"],
        devices=tuple(content["devices"]),
        shared=tuple(_inside(folder, name) for name in content["shared"]),
        first_build=content["first_build"],
        cargo=_cargo_build(folder, cargo) if cargo else None,
        environment=PythonEnvironment(_inside(folder, environment["lock"]), _inside(folder, environment["main"]))
        if environment
        else None,
        brought=BroughtFile(**{**brought, "help_words": tuple(brought.get("help_words", ()))}) if brought else None,
        load_modes=("closed", "open", "conversations") if "server" in content else tuple(content.get("load", ())),
        most_at_once=content.get("most_at_once"),
        weights_format=content.get("weights", {}).get("format", SAFETENSORS),
        server=content.get("server"),
    )


def load_adapter(folder: Path) -> Adapter:
    """Adapter in a folder; raises BenchmarkError that names the file and the key where adapter.yaml is not in order."""
    path = folder / "adapter.yaml"
    content = read_data_file(path, "adapter", "it says how the adapter is built")
    adapter = _adapter(folder, content)
    if adapter.weights_format not in FORMATS:
        raise BenchmarkError(
            f"{path}: weights.format is {adapter.weights_format!r}; the formats are {', '.join(FORMATS)}"
        )
    if adapter.server is not None:
        require_known_places(adapter.server, str(path))
        for place, words in section_problems(adapter.server):
            raise BenchmarkError(f"{path}: {dotted(['server', *place])}: {words}")
    toolkit = adapter.cargo.cuda_toolkit if adapter.cargo else None
    for needed in (adapter.lock, *adapter.shared, toolkit):
        if needed is not None and not needed.exists():
            raise BenchmarkError(f"{path}: {needed} is missing; check the paths in adapter.yaml")
    return adapter


def find_tool(name: str) -> Path | None:
    """Program called name; None where it is not.

    uv comes with the environment of the workflow; the others are on the PATH or where their installers put them.
    """
    places = [os.environ.get("PATH", os.defpath)]
    if name == "uv":
        places.insert(0, str(Path(sys.executable).parent))
    if name in _USUAL_FOLDERS:
        places.append(str(_USUAL_FOLDERS[name]))
    found = shutil.which(name, path=os.pathsep.join(places))
    return Path(found) if found else None


def missing_tool(adapter: Adapter, device: str = "cpu", devices_folder: Path = Path("/dev")) -> str | None:
    """First tool that this machine lacks to build the adapter for a device; None where it lacks none.

    uv stands in for nvcc where the adapter names a lock of the toolkit: it installs that. nvcc also wants a GPU to
    compile for: CAPABILITY_VARIABLE is missing where there is none and the variable is not set.
    """
    needed = ["uv"]
    if adapter.cargo is not None:
        needed = ["cargo", "cc"]
        if device == "cuda":
            is_installed = adapter.cargo.cuda_toolkit is not None and find_tool("nvcc") is None
            needed += ["uv"] if is_installed else adapter.cargo.cuda_tools
    missing = next((tool for tool in needed if find_tool(tool) is None), None)
    wants_gpu = device == "cuda" and adapter.cargo is not None and "nvcc" in adapter.cargo.cuda_tools
    if missing is None and wants_gpu and not os.environ.get(CAPABILITY_VARIABLE) and not _has_gpu(devices_folder):
        return CAPABILITY_VARIABLE
    return missing


def _has_gpu(devices_folder: Path) -> bool:
    return any(devices_folder.glob(DEVICE_FILES))


def build_device(adapter: Adapter, wanted: str, devices_folder: Path = Path("/dev")) -> str:
    """Kind of device that a build is for under system.device (auto, cpu, cuda).

    auto is cuda where there is a GPU, the adapter can use it, and the tools for such a build are here.
    """
    if wanted == "cpu" or "cuda" not in adapter.devices:
        return "cpu"
    if wanted == "cuda":
        return "cuda"
    can_build = _has_gpu(devices_folder) and missing_tool(adapter, "cuda", devices_folder) is None
    return "cuda" if can_build else "cpu"
