"""Can an engine be started here? One answer for all who start one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.configuration.load import slots_of
from benchmark_runner.display import plural
from benchmark_runner.launch.running import is_running
from benchmark_runner.model.formats import DerivedWeights
from benchmark_runner.processes.adapter import CannotExecuteError

WITHOUT_LOAD: Final = "Measure it on a workload without load, or leave the engine out"
"""What to do about an engine that takes one request at a time."""

WITHOUT_TURNS: Final = "Measure it on test cases without turns, or leave the engine out"
"""The same about one that serves no conversations."""

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


def _lacking(engine: Mapping[str, Any], cases: Iterable[Mapping[str, Any]]) -> list[str]:
    """Loads of the cases that an engine of the plan serves not; none of a program that the user brought: its launch
    tells."""
    loads = [case["load"] for case in cases if "load" in case]
    asked = {load["mode"] for load in loads} | {CONVERSATIONS for load in loads if "turns" in load}
    lacking = asked - set(engine.get("load", ())) if engine["adapter"] is not None else set()
    return sorted(lacking, key=lambda one: (one == CONVERSATIONS, one))


def _serves_no(engine: Mapping[str, Any], lacking: Sequence[str]) -> str:
    served = CONVERSATIONS if lacking[0] == CONVERSATIONS else f"{lacking[0]} loop"
    return f"{engine['adapter']} {f'serves no {served}' if engine.get('load') else 'takes one request at a time'}"


def _chooses_no(server: Mapping[str, Any], case: Mapping[str, Any]) -> str | None:
    """In which way a server cannot choose the tokens that a case asks for."""
    can, drawn = server["capabilities"], case["temperature"] > 0
    if drawn and "temperature" not in can["sampling"]:
        return "draws no tokens (temperature)"
    if drawn and case["top_p"] < 1 and "top_p" not in can["sampling"]:
        return "cuts no draws (top_p)"
    return "stops at the end of an answer (ignore_eos)" if case["ignore_eos"] and can["past_eos"] == "stops" else None


def why_not_asked(engine: Mapping[str, Any], case: Mapping[str, Any], most_at_once: int | None) -> str | None:
    """Why an engine of the plan, which serves so many requests at once, cannot serve a test case; None where it can, or
    where only its launch tells."""
    if lacking := _lacking(engine, [case]):
        return _serves_no(engine, lacking)
    if most_at_once is not None and "load" in case and slots_of(case["load"]) > most_at_once:
        return f"{engine['adapter']} serves at most {plural(most_at_once, 'request')} at once"
    server = engine.get("server")
    chosen = _chooses_no(server, case) if server is not None else None
    return None if server is None or chosen is None else f"{server['engine']} {chosen}"


def cannot_load(engine: Mapping[str, Any], workload: Mapping[str, Any]) -> Missing | None:
    """Why an engine of the plan cannot do a workload of several requests at once, or None where it can; workload has
    the test cases that it is asked for, which are all where it can serve none of them.

    A program that the user brought is not known: its launch tells.
    """
    if not (lacking := _lacking(engine, workload["cases"])):
        return None
    wanted = " and ".join(one if one == CONVERSATIONS else f"load of mode {one}" for one in lacking)
    remedy = WITHOUT_TURNS if lacking == [CONVERSATIONS] else WITHOUT_LOAD
    return Missing(f"{_serves_no(engine, lacking)}, and {workload['name']} asks for {wanted}", remedy)


def why_missing(
    engine: Mapping[str, Any], build: Mapping[str, Any] | None, derived: DerivedWeights | None
) -> Missing | None:
    """Why an engine of the plan cannot be started, or None where it can."""
    if is_running(engine):
        from benchmark_runner.launch.answering import unreachable  # the load client, which no other engine needs here

        found = unreachable(engine)
        return None if found is None else Missing(*found)
    missing = missing_program(engine["binary_path"], engine["build_record"], build)
    if missing is None and derived is not None and derived.refusal is not None:
        return Missing(*derived.refusal)
    return missing


def not_executed(path: str, error: CannotExecuteError) -> Missing:
    """The same, learnt by trying."""
    return Missing(f"{path} cannot be executed: {error}", "Build the engine on this machine: snakemake engines")
