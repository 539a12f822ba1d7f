"""Can an engine be started here? One answer for all who start one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.launch.running import is_running, unreachable
from benchmark_runner.model.formats import DerivedWeights
from benchmark_runner.processes.adapter import CannotExecuteError

WITHOUT_LOAD: Final = "Measure it on a workload without load, or leave the engine out"
"""What to do about an engine that takes one request at a time."""

WITHOUT_TURNS: Final = "Measure it on test cases without turns, or leave the engine out"
SPLIT: Final = "Move the test cases with turns into a workload of their own, so that it is measured on the others"
"""The same about one that serves no conversations, alone in a workload or beside other levels."""

CONVERSATIONS: Final = "conversations"
"""What an adapter may serve beside the modes of load: closed loops whose requests are turns."""


class Missing(NamedTuple):
    """Why an engine cannot be started here, and what would change that."""

    reason: str
    remedy: str


def _unusable(build: Mapping[str, Any], record: str) -> Missing | None:
    """Why a build is of no use: it failed, or the CUDA toolkit whose libraries its program loads was removed."""
    if build["status"] == "unavailable":
        return Missing(build["reason"] or "the build failed", build["remedy"] or "See the build's log")
    toolkit = build.get("cuda_toolkit")
    if toolkit is not None and not Path(toolkit["folder"]).is_dir():
        reason = f"the CUDA toolkit that it was built with is gone: {toolkit['folder']}"
        return Missing(reason, f"Delete {record} and run the same command again")
    return None


def missing_program(path: str, record: str | None, build: Mapping[str, Any] | None) -> Missing | None:
    """Why a program cannot be started, or None where it can; a brought one has no record of its build."""
    if build is not None and record is not None and (unusable := _unusable(build, record)) is not None:
        return unusable
    if not Path(path).is_file():
        if record is not None:
            return Missing(f"{path} was not built", "Run snakemake engines and read its log")
        return Missing(f"{path} does not exist", "Put the engine's program there, or name another binary_path")
    if not os.access(path, os.X_OK):
        return Missing(f"{path} may not be executed", f"chmod +x {path}")
    return None


def cannot_load(engine: Mapping[str, Any], workload: Mapping[str, Any]) -> Missing | None:
    """Why an engine of the plan cannot do a workload of several requests at once, or None where it can.

    A program that the user brought is not known: its launch tells.
    """
    able = engine.get("load", ())
    loads = [case["load"] for case in workload["cases"] if "load" in case]
    asked = {load["mode"] for load in loads} | {CONVERSATIONS for load in loads if "turns" in load}
    lacking = sorted(asked - set(able), key=lambda one: (one == CONVERSATIONS, one))
    if engine["adapter"] is None or not lacking:
        return None
    served = CONVERSATIONS if lacking[0] == CONVERSATIONS else f"{lacking[0]} loop"
    takes = f"serves no {served}" if able else "takes one request at a time"
    wanted = " and ".join(one if one == CONVERSATIONS else f"load of mode {one}" for one in lacking)
    remedy = WITHOUT_LOAD
    if lacking == [CONVERSATIONS]:
        is_mixed = any("turns" not in load for load in loads)
        remedy = SPLIT if is_mixed else WITHOUT_TURNS
    return Missing(f"{engine['adapter']} {takes}, and {workload['name']} asks for {wanted}", remedy)


def why_missing(
    engine: Mapping[str, Any], build: Mapping[str, Any] | None, derived: DerivedWeights | None
) -> Missing | None:
    """Why an engine of the plan cannot be started, or None where it can."""
    if is_running(engine):
        found = unreachable(engine)
        return None if found is None else Missing(*found)
    missing = missing_program(engine["binary_path"], engine["build_record"], build)
    if missing is None and derived is not None and derived.refusal is not None:
        return Missing(*derived.refusal)
    return missing


def not_executed(path: str, error: CannotExecuteError) -> Missing:
    """The same, learnt by trying."""
    return Missing(f"{path} cannot be executed: {error}", "Build the engine on this machine: snakemake engines")
