"""Runs an adapter on the cases of a check and gives back what it answered."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.outcome import Ending, decide
from benchmark_runner.launch.place import choose_place, limits_of
from benchmark_runner.launch.program import not_executed, read_build, why_missing
from benchmark_runner.model.checkpoint import weights_name
from benchmark_runner.model.derived import DerivedWeights, format_of, read_derived
from benchmark_runner.model.llama_config import known_vocabulary
from benchmark_runner.processes.adapter import CannotExecuteError, run_in_folder
from benchmark_runner.processes.files import own_folder, remove
from benchmark_runner.processes.variables import engine_environment
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.events import EventReport, Window, read_events
from benchmark_runner.protocol.logits import Logits, LogitsError, read_logits
from benchmark_runner.protocol.spec import make_spec, needed_seq_len
from benchmark_runner.status import Status

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
    def vocabulary(self) -> int | None:
        """Number of token ids that the model has; None where its folder does not tell."""
        return known_vocabulary(Path(self.plan["model"]["path"]))

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
        return self.status == Status.UNAVAILABLE and self.report is not None and self.report.error is not None

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


def ask(probe: Probe, folder: Path, watch: Watch) -> Answer:
    """Run the adapter in folder; whatever it does is told in the answer, and nothing of it is left running.

    Raises InterruptedLaunchError when this command is stopped from outside.
    """
    engine, system = probe.engine, probe.plan["config"]["system"]
    device, cores, _ = choose_place(system, engine)  # as the launches have them, so that the arithmetic is theirs
    missing = why_missing(engine, read_build(engine["build_record"]), probe.derived)
    if missing is not None:
        return Answer(Status.UNAVAILABLE, missing.reason, device.name, None)
    if device.refused is not None:
        return Answer(Status.UNAVAILABLE, f"system.device is cuda, and {device.refused}", device.name, None)
    folder = folder.absolute()
    own_folder(folder)
    remove(folder / LOGITS)
    spec = spec_of(probe, folder, device=device.name, threads=cores.threads)
    environment = engine_environment(os.environ, visible_gpus=device.visible, threads=cores.threads)
    try:
        run, events, replaced = run_in_folder(
            Path(engine["binary_path"]),
            json.dumps(spec, allow_nan=False),
            folder=folder,
            environment=environment,
            cores=cores.engine,
            limits=limits_of(system),
            watch=watch,
        )
    except CannotExecuteError as error:
        return Answer(Status.UNAVAILABLE, not_executed(engine["binary_path"], error).reason, device.name, None)
    report = read_events(events, spec, Window(run.start_ns, run.exit.time_ns), probe.vocabulary)
    outcome = decide(Ending(run.cause, run.message, run.exit.code, run.exit.signal, 0, run.last_words), report)
    if replaced is not None and outcome.status == Status.OK:
        return Answer(Status.FAILED, replaced, device.name, report, folder)
    return Answer(outcome.status, outcome.reason, device.name, report, folder)
