"""Builds a Rust adapter with cargo, in a folder of the user's cache so that clones share what was compiled."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from benchmark_runner.build.adapter import CAPABILITY_VARIABLE, REMEDIES, Adapter, find_tool, missing_tool
from benchmark_runner.build.cuda_toolkit import Toolkit, compute_capability, locked_toolkit, machine_toolkit
from benchmark_runner.build.tools import (
    BuildError,
    Progress,
    alone,
    install_program,
    is_network_trouble,
    reason_of,
    remedy_of,
    run_tool,
)
from benchmark_runner.environment.machine import gpu_facts
from benchmark_runner.hashes import text_identity
from benchmark_runner.terminal import say

_FOREIGN_SETTINGS: Final = re.compile(r"^(CARGO_ENCODED_RUSTFLAGS|CARGO_(BUILD|PROFILE|TARGET)_.*|RUSTFLAGS)$")
"""Variables of the user's that would build another program than the one that the record describes."""

_OLD_COMPILER: Final = re.compile(r"requires rustc|edition ?2024|lock file version|is not supported by the following")
"""What cargo says when a manifest or a lock is newer than itself."""


def _cpu() -> str:
    """Model and features of this machine's processor, which target-cpu=native compiles for."""
    wanted = ("model name", "flags", "CPU part", "Features")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except FileNotFoundError:
        return os.uname().machine
    return "\n".join(line for line in lines if line.startswith(wanted))


def target_folder(cache: Path, adapter: Adapter, compiler: str, cuda: Toolkit | None = None) -> Path:
    """Folder for cargo's files: one for each adapter, compiler, processor, set of flags, toolkit and kind of GPU.

    cargo itself does not see that `native` means another processor, as on a shared home folder.
    """
    assert adapter.cargo is not None
    parts = [compiler, _cpu(), adapter.cargo.flags]
    if cuda is not None:
        parts += [f"{name}={value}" for name, value in sorted(cuda.variables.items())]
    key = text_identity("\n".join(parts))
    return cache / "cargo" / f"{adapter.name}-{key}"


def locked_packages(lock: Path) -> dict[str, str]:
    """Crates of a Cargo.lock with their versions; a crate in two versions has both, newest last."""
    found: dict[str, str] = {}
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        name, version = package["name"], package["version"]
        found[name] = f"{found[name]}, {version}" if name in found else version
    return found


def _environment(flags: str, cuda: Toolkit | None) -> dict[str, str]:
    """The user's environment with the tools on its PATH, without what would build another program."""
    kept = {key: value for key, value in os.environ.items() if not _FOREIGN_SETTINGS.match(key)}
    cargo = find_tool("cargo")
    folders = [str(cargo.parent)] if cargo else []
    if cuda is not None:
        folders.append(str(cuda.folder / "bin"))
        kept |= cuda.variables
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])
    return {**kept, "PATH": path, "RUSTFLAGS": flags, "CARGO_TERM_COLOR": "never"}


def _compiler(environment: Mapping[str, str], folder: Path) -> str:
    """What `rustc -vV` says in the adapter's folder, where a toolchain file may choose another."""
    try:
        done = subprocess.run(
            ["rustc", "-vV"], cwd=folder, env=dict(environment), capture_output=True, text=True, check=True
        )
    except FileNotFoundError as error:
        raise BuildError("rustc is not on the PATH", REMEDIES["cargo"], "cargo") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"rustc does not run: {reason_of(error.stderr)}", REMEDIES["cargo"]) from error
    return done.stdout.strip()


def cargo_environment(adapter: Adapter, cache: Path, cuda: Toolkit | None = None) -> dict[str, str]:
    """Variables under which cargo builds the adapter; raises BuildError where there is no compiler."""
    assert adapter.cargo is not None
    environment = _environment(adapter.cargo.flags, cuda)
    compiler = _compiler(environment, adapter.folder)
    return {**environment, "CARGO_TARGET_DIR": str(target_folder(cache, adapter, compiler, cuda))}


def _cuda_toolkit(adapter: Adapter, cache: Path, log: IO[str]) -> Toolkit | None:
    """Toolkit of a build for a GPU, with the compute capability; None for an engine that needs none."""
    assert adapter.cargo is not None
    lock, compiles_kernels = adapter.cargo.cuda_toolkit, "nvcc" in adapter.cargo.cuda_tools
    if lock is None and not compiles_kernels:
        return None
    capability = None
    if compiles_kernels:
        facts, _ = gpu_facts()
        present = [device["compute_capability"] for device in facts["devices"]] if facts else []
        capability = compute_capability(os.environ.get(CAPABILITY_VARIABLE), present)
    toolkit = machine_toolkit()
    if toolkit is None:
        assert lock is not None  # missing_tool has refused a machine without nvcc and lock
        toolkit = locked_toolkit(cache, lock, log)
    return replace(toolkit, capability=capability)


class _Artifacts:
    """Reads cargo's messages: counts what was compiled and finds the program."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._compiled = 0
        self._progress = Progress(name)
        self.executable: Path | None = None

    def read(self, line: str) -> None:
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") != "compiler-artifact":
            return
        if message["executable"] and message["target"]["name"] == self._name:
            self.executable = Path(message["executable"])
        if not message["fresh"]:
            self._compiled += 1
            self._progress.tell(f"{self._compiled} crates compiled")


def _failure(words: str, log: IO[str]) -> BuildError:
    remedy = remedy_of(words, log)
    if _OLD_COMPILER.search(words) and not is_network_trouble(words):
        remedy = "this Rust is too old: install the current one from https://rustup.rs (or `rustup update stable`)"
    return BuildError(f"cargo build failed: {reason_of(words)}", remedy)


def _linker_flags(libraries: Path) -> list[str]:
    """Flags by which a program finds the toolkit's libraries.

    The old kind of note (DT_RPATH), because it also counts for what a library opens: libnvrtc has no note of its own by
    which to find libnvrtc-builtins.
    """
    arguments = ("--disable-new-dtags", "-rpath", str(libraries))
    return [word for argument in arguments for word in ("-C", "link-arg=-Xlinker", "-C", f"link-arg={argument}")]


def _command(adapter: Adapter, cargo: Path, features: Sequence[str], cuda: Toolkit | None) -> list[str | Path]:
    return [
        *(cargo, "rustc" if cuda else "build", "--release", "--locked"),
        *("--manifest-path", adapter.folder.resolve() / "Cargo.toml"),
        *("--message-format", "json-render-diagnostics"),
        *(("--features", ",".join(features)) if features else ()),
        # Flags for the program alone: in RUSTFLAGS they would count for every crate and build script.
        *(("--bin", adapter.name, "--", *_linker_flags(cuda.libraries)) if cuda else ()),
    ]


def _lacking(tool: str, adapter: Adapter) -> BuildError:
    reason = f"{tool} is not installed, {adapter.name} is built with it"
    if tool == CAPABILITY_VARIABLE:
        reason = f"there is no GPU here that tells for which compute capability {adapter.name} is to be compiled"
    return BuildError(reason, REMEDIES[tool], tool)


def build_rust(adapter: Adapter, device: str, cache: Path, binary: Path, log: IO[str]) -> dict[str, Any]:
    """Build the adapter and put the program at binary; gives the build record's fields of it.

    Raises BuildError where a tool is missing or cargo fails.
    """
    assert adapter.cargo is not None
    missing, cargo = missing_tool(adapter, device), find_tool("cargo")
    if missing or cargo is None:
        raise _lacking(missing or "cargo", adapter)
    features = adapter.cargo.cuda_features if device == "cuda" else ()
    cuda = _cuda_toolkit(adapter, cache, log) if device == "cuda" else None
    environment = cargo_environment(adapter, cache, cuda)
    target = Path(environment["CARGO_TARGET_DIR"])
    is_first = not target.is_dir()
    # The copy belongs to the build: another one may put its program in the same place right after.
    with alone(target / ".building", adapter.name):
        say(f"building {adapter.name} with cargo" + (f": {adapter.first_build} the first time" if is_first else ""))
        artifacts = _Artifacts(adapter.name)
        status, words = run_tool(
            _command(adapter, cargo, features, cuda),
            log=log,
            environment=environment,
            folder=adapter.folder,
            on_line=artifacts.read,
        )
        if status != 0:
            raise _failure(words, log)
        if artifacts.executable is None:
            raise BuildError(
                f"cargo made no program called {adapter.name}", f"name it so in {adapter.folder}/Cargo.toml"
            )
        install_program(artifacts.executable.read_bytes(), binary)
    return {
        "compiler": _compiler(environment, adapter.folder).splitlines()[0],
        "flags": f"{adapter.cargo.flags}; profile release; features {', '.join(features) or 'none'}",
        "packages": locked_packages(adapter.lock),
        "from_nothing": is_first,
        "cuda_toolkit": cuda.describe() if cuda else None,
    }
