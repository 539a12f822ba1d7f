"""The programs that engines are built with or that users bring for them, and the browser of the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.build.adapter import REMEDIES, Adapter, BroughtFile
from benchmark_runner.doctor.finding import Finding, Lack
from benchmark_runner.launch.program import missing_program

CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VERSION_TIMEOUT_S: Final = 20
TITLES: Final = {"cargo": "Rust (cargo)", "cc": "C compiler (cc)", "nvcc": "CUDA compiler (nvcc)", "uv": "uv"}
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")

Version = tuple[int, ...]


class Tool(NamedTuple):
    """A program of this machine: where it is, and the version that it tells; or why it does not run."""

    path: Path | None
    version: str | None
    complaint: str | None


def ask(path: Path | str, flag: str) -> subprocess.CompletedProcess[str]:
    """What a program answers to a flag; raises OSError or TimeoutExpired where it does not."""
    words: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run([path, flag], stdin=subprocess.DEVNULL, check=False, timeout=VERSION_TIMEOUT_S, **words)


def ask_version(path: Path | None) -> Tool:
    """Version of a program by its own words."""
    if path is None:
        return Tool(None, None, None)
    try:
        done = ask(path, "--version")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Tool(path, None, f"{path} does not run: {error}")
    if done.returncode != 0:
        return Tool(path, None, f"{path} does not run: {done.stderr.strip().partition(chr(10))[0]}")
    match = _VERSION.search(done.stdout)
    return Tool(path, match[0] if match else None, None if match else f"{path} --version names no version")


def as_numbers(version: str) -> Version:
    """1.89.0 as (1, 89, 0), so that versions can be compared."""
    return tuple(int(part) for part in version.split("."))


def rust_needed(adapters: Iterable[Adapter]) -> dict[str, str]:
    """Oldest Rust that builds each Rust adapter: the highest rust-version of its crate and of what it shares."""
    needed = {}
    for adapter in adapters:
        if adapter.cargo is None:
            continue
        manifests = (folder / "Cargo.toml" for folder in (adapter.folder, *adapter.shared))
        packages = [tomllib.loads(path.read_text(encoding="utf-8"))["package"] for path in manifests if path.is_file()]
        versions = [package["rust-version"] for package in packages if "rust-version" in package]
        if versions:
            needed[adapter.name] = max(versions, key=as_numbers)
    return needed


def _tool(name: str, tool: Tool, cost: str, lacks: Sequence[Lack] = ()) -> Finding:
    """Finding about a tool; cost is what its absence costs, lacks what else is wrong with it."""
    if tool.path is None:
        reason = f"there is no {name} on the PATH or where its installer puts it"
        return Finding.missing(name, TITLES[name], ["version"], Lack(reason, cost, REMEDIES[name]))
    if tool.complaint is not None:
        lack = Lack(tool.complaint, cost, REMEDIES[name])
        absent = {"version": tool.complaint}
        return Finding(name, TITLES[name], str(tool.path), values={"version": None}, absent=absent, lacks=[lack])
    return Finding(name, TITLES[name], tool.version, values={"version": tool.version}, lacks=lacks)


def cargo(tool: Tool, adapters: Sequence[Adapter]) -> Finding:
    """Rust, and whether it is new enough for each Rust adapter."""
    needed = rust_needed(adapters)
    lacks = [
        Lack(
            f"{adapter} needs Rust {version} or newer",
            f"{adapter} is unavailable; the other engines run",
            "`rustup update stable`, or install the current Rust from https://rustup.rs",
        )
        for adapter, version in needed.items()
        if tool.version is not None and as_numbers(tool.version) < as_numbers(version)
    ]
    rust = ", ".join(adapter.name for adapter in adapters if adapter.cargo is not None)
    return _tool("cargo", tool, f"{rust or 'no engine'} unavailable; the other engines run", lacks)


def c_compiler(tool: Tool) -> Finding:
    """The linker that Rust's builds need."""
    return _tool("cc", tool, "Rust engines are unavailable; the other engines run")


def cuda_compiler(tool: Tool, adapters: Sequence[Adapter], *, has_gpu: bool) -> Finding:
    """The compiler of CUDA kernels and the toolkit around it, for the adapters whose build for a GPU needs them."""
    rust = [(adapter.name, adapter.cargo) for adapter in adapters if adapter.cargo is not None]
    installing = ", ".join(name for name, cargo in rust if cargo.cuda_toolkit is not None)
    needing = ", ".join(name for name, cargo in rust if cargo.cuda_toolkit is None and "nvcc" in cargo.cuda_tools)
    costs = [
        *([f"{needing} computes on the CPU"] if needing else []),
        *([f"the first build for the GPU of {installing} installs NVIDIA's packages, 1.2 GB"] if installing else []),
    ]
    cost = "; ".join(costs or ["no engine needs it"]) if has_gpu else "nothing here: there is no GPU to build for"
    return _tool("nvcc", tool, cost)


def uv(tool: Tool, adapters: Sequence[Adapter]) -> Finding:
    """What makes the environments of Python adapters."""
    python = ", ".join(adapter.name for adapter in adapters if adapter.environment is not None)
    return _tool("uv", tool, f"{python or 'no engine'} unavailable; the other engines run")


def complaint_about(file: BroughtFile, path: str) -> str | None:
    """Why a program that is there is not the one that is wanted, by its answer to --help; None where it is."""
    if (unusable := missing_program(path, None, None)) is not None:
        return unusable.reason
    if not file.help_words:
        return None
    try:
        done = ask(path, "--help")
    except subprocess.TimeoutExpired:
        return f"{path} does not answer --help within {VERSION_TIMEOUT_S} s"
    except OSError as error:
        return f"{path} cannot be executed: {error.strerror}"
    if done.returncode != 0:
        return f"{path} --help ends with status {done.returncode}"
    missing = [word for word in file.help_words if word not in done.stdout]
    return f"{path} is another program: its --help lacks {', '.join(missing)}" if missing else None


def brought(adapter: Adapter, file: BroughtFile, named: Sequence[str]) -> Finding:
    """A program that the user brings for an adapter; named are those of the configuration's engines that are there."""
    check, title = f"{adapter.name.replace('-', '_')}_{file.option}", f"{file.option} (for {adapter.name})"
    complaints = [complaint for path in named if (complaint := complaint_about(file, path)) is not None]
    if named and not complaints:
        return Finding(check, title, ", ".join(named), values={"path": ", ".join(named)})
    missing = f"no engine of the configuration names one that is there (options.{file.option}): {file.what}"
    reason = "; ".join(complaints) or missing
    lack = Lack(reason, f"{adapter.name} unavailable; the other engines run", file.remedy)
    return Finding.missing(check, title, ["path"], lack)


def find_chromium() -> Path | None:
    """A Chromium or Chrome on the PATH; None where there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return Path(found) if found else None


def chromium(path: Path | None) -> Finding:
    """The browser in which the tests open a report."""
    title = "Chromium (for tests)"
    if path is not None:
        return Finding("chromium", title, str(path), values={"path": str(path)})
    reason = f"none of {', '.join(CHROMIUM_NAMES)} is on the PATH"
    lack = Lack(reason, "no result; tests that open a report in a browser are skipped", "`apt-get install chromium`")
    return Finding.missing("chromium", title, ["path"], lack)
