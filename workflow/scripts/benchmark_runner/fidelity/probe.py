"""Runs an adapter on the cases of a check and gives back what it answered."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.cores import Cores, cores_of
from benchmark_runner.launch.device import VISIBLE, Device, choose_device, find_gpu
from benchmark_runner.launch.outcome import Ending, decide
from benchmark_runner.model.checkpoint import weights_name
from benchmark_runner.model.derived import DerivedWeights, format_of, read_derived
from benchmark_runner.processes.engine import EngineExit, ask_to_end, collect_exit, last_words, start_engine
from benchmark_runner.processes.orphans import below_process, end_all
from benchmark_runner.processes.variables import engine_environment
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.events import EventReport, Window, read_events
from benchmark_runner.protocol.logits import Logits, LogitsError, read_logits
from benchmark_runner.protocol.spec import make_spec, needed_seq_len

MARKER: Final = "fidelity"
ENGINE: Final = "engine"

LOGITS: Final = "logits.f32"
"""File of logits in the folder of a run: 32-bit little-endian numbers, a vocabulary a token."""


@dataclass(frozen=True)
class Probe:
    """What an adapter is asked: the plan's model and machine, the cases, and how to compute."""

    plan: Mapping[str, Any]
    engine: Mapping[str, Any]
    """The engine's entry in the plan."""
    dtype: str
    options: Mapping[str, Any]
    cases: Sequence[Mapping[str, Any]]
    iterations: int = 1
    logits: bool = False
    """Whether the logits are to be left in the file LOGITS of the run's folder."""

    @property
    def derived(self) -> DerivedWeights | None:
        """What the engine opens instead of the model's own folder."""
        return read_derived(self.plan["model"], format_of(self.engine), self.dtype)


@dataclass(frozen=True)
class Answer:
    """What came back; reason says why there are no ids."""

    status: str
    """As of a launch: ok, failed, timeout, unavailable."""
    reason: str | None
    device: str
    report: EventReport | None
    folder: Path | None = None

    @property
    def iterations(self) -> list[dict[str, Any]]:
        """Iteration events in order."""
        return self.report.iterations if self.report else []

    @property
    def token_ids(self) -> list[list[int]]:
        """Ids a case and round."""
        return [event["token_ids"] for event in self.iterations]

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the adapter says that it can do; empty where it has said nothing."""
        hello = self.report.hello if self.report else None
        return dict(hello["capabilities"]) if hello else {}

    @property
    def is_refused(self) -> bool:
        """Whether the adapter said that it cannot do what it was asked."""
        return self.status == "unavailable" and self.report is not None and self.report.error is not None

    def logits(self) -> list[Logits]:
        """Logits [tokens, vocabulary] of each iteration of a probe that asked for them; raises LogitsError."""
        lengths = [len(ids) for ids in self.token_ids]
        ends = list(itertools.accumulate(lengths))
        if self.folder is None or not ends:
            raise LogitsError("there is no run that left logits")
        all_of_them = read_logits(self.folder / LOGITS, ends[-1])
        return [all_of_them[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def planned_engine(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Entry of an engine in the plan; raises BenchmarkError where there is none."""
    for entry in plan["engines"]:
        if entry["name"] == name:
            return dict(entry)
    raise BenchmarkError(f"plan.json has no engine {name!r}; make the plan again: snakemake plan")


def why_unavailable(engine: Mapping[str, Any]) -> str | None:
    """Why the engine's program cannot be started; None where it can be tried."""
    record = engine["build_record"]
    if record and Path(record).is_file():
        build = read_json(Path(record))
        if build["status"] == "unavailable":
            return build["reason"] or "its build failed"
    if not os.access(engine["binary_path"], os.X_OK):
        return f"{engine['binary_path']} is no program that can be run here"
    return None


def spec_of(probe: Probe, folder: Path, *, device: str, threads: int) -> dict[str, Any]:
    """Spec of a probe whose files lie in folder."""
    derived = probe.derived
    model_dir = derived.folder if derived else Path(probe.plan["model"]["path"]).absolute()
    spec = make_spec(
        probe.cases,
        model_dir=model_dir,
        weights=derived.manifest["weights"] if derived else weights_name(model_dir),
        dtype=probe.dtype,
        device=device,
        threads=threads,
        max_seq_len=needed_seq_len(probe.cases),
        options=probe.options,
        iterations=probe.iterations,
    )
    spec["launch"] = {"engine": probe.engine["name"], "workload": "fidelity"}
    return {**spec, "logits_path": str(folder / LOGITS)} if probe.logits else spec


def _where(probe: Probe) -> tuple[Device, Cores]:
    """Device and cores as the launches have them, so that the arithmetic is theirs; no monitor runs beside it."""
    system = probe.plan["config"]["system"]
    inherited = os.environ.get(VISIBLE)
    _, gpu_absent = find_gpu(system)
    built_for = probe.engine.get("build_device")
    device = choose_device(system, built_for, inherited=inherited, gpu_absent_reason=gpu_absent)
    return device, cores_of(system)


def _wait(process: subprocess.Popen[bytes], watch: Watch, limit_seconds: float) -> tuple[bool, EngineExit]:
    """Whether the engine ended in time, and how it ended; all that it started is gone afterwards."""
    pidfd = os.pidfd_open(process.pid)
    in_time = False
    watch.add(pidfd, ENGINE)
    try:
        in_time = bool(watch.wait(limit_seconds))
    finally:
        watch.remove(pidfd)
        if not in_time:
            ask_to_end(process, pidfd)
        ended = collect_exit(process)
        os.close(pidfd)
        end_all(below_process(os.getpid()))
    return in_time, ended


def ask(probe: Probe, folder: Path, watch: Watch) -> Answer:
    """Run the adapter in folder; whatever it does is told in the answer, and nothing of it is left running.

    Raises InterruptedLaunchError when this command is stopped from outside.
    """
    device, cores = _where(probe)
    refusal = probe.derived.refusal if probe.derived else None
    unavailable = why_unavailable(probe.engine) or (refusal and refusal[0]) or device.refused
    if unavailable is not None:
        return Answer("unavailable", unavailable, device.name, None)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    spec_file, events, log = (folder / name for name in ("spec.json", "events.jsonl", "engine.log"))
    spec = spec_of(probe, folder, device=device.name, threads=cores.threads)
    write_json(spec_file, spec, indent=None)
    for left in (events, folder / LOGITS):
        left.unlink(missing_ok=True)
    binary = Path(probe.engine["binary_path"]).absolute()
    marker = f"{MARKER}-{os.getpid()}"
    visible = device.visible
    environment = engine_environment(os.environ, visible_gpus=visible, threads=cores.threads, marker=marker)
    start_ns = time.monotonic_ns()
    try:
        process = start_engine(
            [str(binary), "--spec", str(spec_file), "--events", str(events)],
            folder=folder,
            environment=environment,
            cores=cores.engine,
            stdout=folder / "engine.stdout",
            log=log,
        )
    except OSError as error:
        reason = f"{probe.engine['binary_path']} cannot be executed: {error.strerror}"
        return Answer("unavailable", reason, device.name, None)
    limit_seconds = probe.plan["config"]["system"]["launch_timeout_seconds"]
    in_time, ended = _wait(process, watch, limit_seconds)
    cause, message = ("exit", "") if in_time else ("timeout", f"it had not ended after {limit_seconds:g} s")
    report = read_events(events, spec, Window(start_ns, ended.time_ns))
    outcome = decide(Ending(cause, message, ended.code, ended.signal, 0, last_words(log)), report)
    return Answer(outcome.status, outcome.reason, device.name, report, folder)
