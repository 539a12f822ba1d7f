"""Runs an adapter on the fidelity prompts and gives back its greedy ids; its times are never used."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.cores import Cores, divide_cores, read_topology
from benchmark_runner.launch.device import Device, choose_device, visible_gpu
from benchmark_runner.launch.engine import EngineExit, ask_to_end, collect_exit, last_words, start_engine
from benchmark_runner.launch.events import EventReport, read_events
from benchmark_runner.launch.outcome import Ending, decide
from benchmark_runner.launch.surroundings import engine_environment
from benchmark_runner.launch.watch import Watch
from benchmark_runner.model.checkpoint import weights_name
from benchmark_runner.model.derived import DerivedWeights, format_of, read_derived
from benchmark_runner.monitor.gpu import open_gpu
from benchmark_runner.monitor.summary import Window
from benchmark_runner.orphans import below_process, end_all

PROTOCOL: Final = 1
MARKER: Final = "fidelity"
ENGINE: Final = "engine"


@dataclass(frozen=True)
class Probe:
    """What an adapter is asked: the plan's model and machine, the prompts, and how to compute."""

    plan: Mapping[str, Any]
    prompts: Mapping[str, Any]
    engine: Mapping[str, Any]
    """The engine's entry in the plan."""
    dtype: str
    options: Mapping[str, Any]

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

    @property
    def token_ids(self) -> list[list[int]]:
        """Ids a prompt."""
        return [event["token_ids"] for event in self.report.iterations] if self.report else []

    @property
    def margins(self) -> list[list[float] | None]:
        """Margins a prompt; None where the adapter reports none."""
        return [event.get("margins") for event in self.report.iterations] if self.report else []


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


def greedy_spec(probe: Probe, *, device: str, threads: int) -> dict[str, Any]:
    """Spec with one case a fidelity prompt: greedy, past the end of sequence, once."""
    count = probe.plan["fidelity"]["max_new_tokens"]
    cases = [
        {
            "prompt_ids": entry["prompt_ids"],
            "max_new_tokens": count,
            "ignore_eos": True,
            "eos_ids": probe.prompts["eos_ids"],
            "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
        }
        for entry in probe.prompts["fidelity"]
    ]
    derived = probe.derived
    model_dir = derived.folder if derived else Path(probe.plan["model"]["path"]).absolute()
    return {
        "protocol": PROTOCOL,
        "launch": {"engine": probe.engine["name"], "workload": "fidelity"},
        "model_dir": str(model_dir),
        "weights": derived.manifest["weights"] if derived else weights_name(model_dir),
        "dtype": probe.dtype,
        "device": device,
        "threads": threads,
        "max_seq_len": max(len(case["prompt_ids"]) for case in cases) + count,
        "cases": cases,
        "warmup_iterations": 0,
        "iterations": 1,
        "load": {"mode": "closed", "concurrency": 1},
        "options": dict(probe.options),
    }


def _where(probe: Probe) -> tuple[Device, Cores]:
    """Device and cores as the launches have them, so that the arithmetic is theirs; no monitor runs beside it."""
    system = probe.plan["config"]["system"]
    inherited = os.environ.get("CUDA_VISIBLE_DEVICES")
    _, gpu_absent = open_gpu(visible_gpu(system["gpu_device"], inherited))
    built_for = probe.engine.get("build_device")
    device = choose_device(system, built_for, inherited=inherited, gpu_absent_reason=gpu_absent)
    return device, divide_cores(read_topology(), threads=system["threads"], affinity=system["cpu_affinity"])


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
    unavailable = why_unavailable(probe.engine) or (refusal and refusal[0])
    if unavailable is not None:
        return Answer("unavailable", unavailable, device.name, None)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    spec_file, events, log = (folder / name for name in ("spec.json", "events.jsonl", "engine.log"))
    spec = greedy_spec(probe, device=device.name, threads=cores.threads)
    write_json(spec_file, spec, indent=None)
    events.unlink(missing_ok=True)
    binary = Path(probe.engine["binary_path"]).absolute()
    marker = f"{MARKER}-{os.getpid()}"
    start_ns = time.monotonic_ns()
    try:
        process = start_engine(
            [str(binary), "--spec", str(spec_file), "--events", str(events)],
            folder=folder,
            environment=engine_environment(os.environ, device=device, threads=cores.threads, marker=marker),
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
    return Answer(outcome.status, outcome.reason, device.name, report)
