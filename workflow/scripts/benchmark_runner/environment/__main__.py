"""The stage that writes environment.json."""

from __future__ import annotations

import datetime
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import benchmark_runner
from benchmark_runner.commands import command
from benchmark_runner.environment.machine import MachineFacts, gpu_facts
from benchmark_runner.environment.software import (
    WORKFLOW_LOCK_NAME,
    git_facts,
    lock_facts,
    package_facts,
    python_facts,
    variable_facts,
)
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, read_valid, write_json
from benchmark_runner.records.build import read_build
from benchmark_runner.records.whole import is_cut

SCHEMA_VERSION: Final = 1


def machine_document(root: Path) -> dict[str, Any]:
    """The machine's part of environment.json; values that it lacks are null and named under absent."""
    machine = MachineFacts(root)
    gpu, no_gpu_reason = gpu_facts()
    document = {
        "host": {"hostname": socket.gethostname()},
        "operating_system": machine.operating_system(),
        "cpu": machine.cpu(),
        "memory": machine.memory(),
        "gpu": gpu,
        "virtualisation": machine.virtualisation(),
    }
    if no_gpu_reason is not None:
        machine.absent["gpu"] = no_gpu_reason
    machine.absent.update({f"gpu.{name}": reason for name, reason in (gpu["absent"] if gpu else {}).items()})
    return document | {"absent": dict(sorted(machine.absent.items()))}


def workflow_document(repository: Path, locks: Sequence[Path]) -> dict[str, Any]:
    """The workflow's part: version, commit, packages against the lock, lock hashes."""
    workflow_lock = next((lock for lock in locks if lock.name == WORKFLOW_LOCK_NAME), None)
    if workflow_lock is None:
        raise BenchmarkError(f"--locks names no {WORKFLOW_LOCK_NAME}; pass all of envs/*.txt")
    git, no_git_reason = git_facts(repository)
    return {
        "name": benchmark_runner.__name__,
        "git": git,
        "git_reason": no_git_reason,
        "locks": [lock_facts(lock) for lock in sorted(locks)],
        "packages": package_facts(workflow_lock),
    }


def engine_documents(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each engine of the plan with its build record; null with a reason where the user brought the binary."""
    engines = []
    for engine in plan["engines"]:
        path = engine["build_record"]
        build = read_build(path)
        reason = None if build else ("its build left no record" if path else "the binary was brought by its user")
        engines.append(
            {
                "engine": engine["name"],
                **{key: engine[key] for key in ("control_of", "adapter", "options")},
                "build": build,
                "build_reason": reason,
            }
        )
    return engines


def _measured_on(out: Path, owed: Path | None) -> dict[str, Any]:
    """What a document that is there says of the machine that measured, where this call measures nothing."""
    if owed is None or read_json(owed)["owed"] or not out.is_file() or is_cut(out):
        return {}
    return {key: value for key, value in read_json(out).items() if key not in ("schema_version", "engines", "model")}


def main(argv: Sequence[str]) -> int:
    """Write what the campaign runs on and with; to be run on the machine that measures."""
    parser = command("environment", main.__doc__, "plan", "manifest", out="environment.json")
    parser.add_argument("--locks", type=Path, nargs="+", required=True, help="lock files, envs/*.txt")
    parser.add_argument("--repository", type=Path, required=True, help="folder of the workflow")
    parser.add_argument("--owed", type=Path, help="file with the positions of the launches that this call runs")
    options = parser.parse_args(argv)
    document = {
        "schema_version": SCHEMA_VERSION,
        "collected_at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **machine_document(Path("/")),
        "python": python_facts(),
        "workflow": workflow_document(options.repository, options.locks),
        "environment_variables": variable_facts(os.environ),
        "engines": engine_documents(read_json(options.plan)),
        "model": read_valid("manifest", options.manifest),
    }
    document |= _measured_on(options.out, options.owed)
    write_json(options.out, document)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
