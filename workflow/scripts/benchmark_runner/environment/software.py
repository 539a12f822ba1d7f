"""Facts of the software: Python, packages against their locks, the workflow's commit, variables that matter."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.namedfile import read_own_text

# Variables that change what an engine computes or how fast. Nothing else of the environment is recorded, since it holds
# secrets.
VARIABLES: Final = (
    "BLIS_NUM_THREADS",
    "CANDLE_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "LANG",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MISTRALRS_CPU_KV_F32",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "RAYON_NUM_THREADS",
    "RUSTFLAGS",
    "TOKENIZERS_PARALLELISM",
    "TZ",
)
LOCK_LINE: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
# The lock whose packages the workflow itself runs on; the others belong to engines' environments.
WORKFLOW_LOCK_NAME: Final = "workflow.txt"
GIT_TIMEOUT_S: Final = 20


def python_facts() -> dict[str, Any]:
    """The interpreter that runs the workflow."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "byte_order": sys.byteorder,
    }


def lock_facts(lock: Path) -> dict[str, Any]:
    """Name, hash and number of pins of a lock file."""
    content = read_own_text(lock)
    pins = LOCK_LINE.findall(content)
    return {"file": lock.name, "sha256": hashlib.sha256(content.encode()).hexdigest(), "pins": len(pins)}


def package_facts(lock: Path) -> list[dict[str, Any]]:
    """Each package of the lock: version asked for, version installed (null where it is not) and whether they agree."""
    return [
        {"name": name, "locked": locked, "installed": installed, "as_locked": installed == locked}
        for name, locked in LOCK_LINE.findall(read_own_text(lock))
        for installed in (_installed_version(name),)
    ]


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def variable_facts(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the allow-list that are set."""
    return {name: environ[name] for name in VARIABLES if name in environ}


def git_facts(repository: Path) -> tuple[dict[str, Any] | None, str | None]:
    """(commit, whether and where it was changed, remote), or (None, reason) where it is no git repository.

    The remote is stripped of credentials; a path on this machine is no address for others and becomes null.
    """
    commit, complaint = _ask_git(repository, "rev-parse", "HEAD")
    if commit is None:
        return None, f"the workflow does not run from a git clone: {complaint}"
    changed = _changed_files(repository)
    return {
        "commit": commit.strip(),
        "committed_at": _git(repository, "show", "--no-patch", "--format=%cI", "HEAD"),
        "describe": _git(repository, "describe", "--tags", "--always"),
        "dirty": bool(changed),
        "changed_files": changed,
        "remote": public_address(_git(repository, "remote", "get-url", "origin")),
    }, None


def _changed_files(repository: Path) -> list[str]:
    """Paths that differ from the commit or are new, in order."""
    # Each entry is two letters of state, a space, the path; a renamed one is followed by its old path.
    status = _ask_git(repository, "status", "--porcelain", "-z", "--untracked-files=normal")[0] or ""
    changed, entries = [], iter(status.split("\0"))
    for entry in entries:
        if entry:
            changed.append(entry[3:])
        if entry.startswith("R"):
            next(entries)
    return sorted(changed)


def public_address(remote: str | None) -> str | None:
    """The remote's address without user and password; None for a path or file: of this machine."""
    if remote is None:
        return None
    web = re.fullmatch(r"(https?|ssh|git)://(?:[^@/]*@)?(.+)", remote)
    if web is not None:
        return f"{web[1]}://{web[2]}"
    short = re.fullmatch(r"(?:[^@/:]+@)?([A-Za-z0-9.-]+\.[A-Za-z]+):([^/].*)", remote)
    return None if short is None else f"ssh://{short[1]}/{short[2]}"


def _git(repository: Path, *arguments: str) -> str | None:
    output, _ = _ask_git(repository, *arguments)
    return None if output is None else output.strip()


def _ask_git(repository: Path, *arguments: str) -> tuple[str | None, str | None]:
    """(output, None) or (None, why there is none)."""
    command: Sequence[str] = ("git", "-C", os.fspath(repository), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return (done.stdout, None) if done.returncode == 0 else (None, done.stderr.strip().partition("\n")[0])
