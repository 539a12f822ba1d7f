"""What an adapter is asked in a check, the run of it, and what it answered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.device import choose_place, limits_of
from benchmark_runner.launch.outcome import Ending, decide
from benchmark_runner.launch.program import not_executed, why_missing
from benchmark_runner.launch.server import server_of
from benchmark_runner.model.checkpoint import weights_name
from benchmark_runner.model.formats import DerivedWeights, format_of, read_derived
from benchmark_runner.model.llama_config import known_vocabulary
from benchmark_runner.processes.adapter import CannotExecuteError, run_in_folder
from benchmark_runner.processes.client import Server
from benchmark_runner.processes.engine import engine_environment
from benchmark_runner.processes.files import own_folder, remove
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.events import EventReport, Window, read_events
from benchmark_runner.protocol.logits import Logits, LogitsError, read_logits
from benchmark_runner.protocol.requests import is_load
from benchmark_runner.protocol.spec import make_spec, needed_seq_len, under_load
from benchmark_runner.records.build import read_build
from benchmark_runner.status import Status

LOGITS: Final = "logits.f32"
"""File of logits in the folder of a run: 32-bit little-endian numbers, a vocabulary a token."""

GREEDY: Final[Mapping[str, Any]] = {"temperature": 0, "top_p": 1, "seed": 0}


def case(
    prompt_ids: Sequence[int], max_new_tokens: int, eos_ids: Sequence[int], sampling: Mapping[str, Any] = GREEDY
) -> dict[str, Any]:
    """One case of a spec, which goes past the end of sequence."""
    return {
        "prompt_ids": list(prompt_ids),
        "max_new_tokens": max_new_tokens,
        "ignore_eos": True,
        "eos_ids": list(eos_ids),
        "sampling": dict(sampling),
    }


def free_cases(prompts: Mapping[str, Any], max_new_tokens: int) -> list[dict[str, Any]]:
    """Each fidelity prompt, greedily."""
    return [case(entry["prompt_ids"], max_new_tokens, prompts["eos_ids"]) for entry in prompts["fidelity"]]


def reuse_cases(unseen: Sequence[Sequence[int]], eos_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Prompts that no engine has seen, one token each, and each of them again at once: what else computes meanwhile
    slows both alike."""
    return [case(ids, 1, eos_ids) for ids in unseen for _ in range(2)]


def forced_cases(reference: Mapping[str, Any], eos_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Each fidelity prompt, fed the reference's ids."""
    return [
        {**case(entry["prompt_ids"], len(entry["token_ids"]), eos_ids), "forced_ids": list(entry["token_ids"])}
        for entry in reference["prompts"]
    ]


def split_logits(path: Path, lengths: Sequence[int]) -> list[Logits]:
    """Logits [tokens, vocabulary] of each answer in a file, by the answers' tokens; raises LogitsError."""
    return np.split(read_logits(path, sum(lengths)), np.cumsum(lengths)[:-1])


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
    def takes_ids(self) -> bool:
        """Whether the engine computes on the ids of a prompt as they are given (capability prompt_ids).

        Otherwise it takes a line of text and refuses prompts that are none, so each is a run of its own.
        """
        return bool(self.capabilities.get("prompt_ids", True))

    @property
    def is_refused(self) -> bool:
        """Whether the adapter said that it cannot do what it was asked."""
        return self.status == Status.UNAVAILABLE and self.report is not None and self.report.error is not None

    def logits(self) -> list[Logits]:
        """Logits [tokens, vocabulary] of each iteration of a probe that asked for them; raises LogitsError."""
        if self.folder is None or not self.token_ids:
            raise LogitsError("there is no run that left logits")
        return split_logits(self.folder / LOGITS, [len(ids) for ids in self.token_ids])


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
    if "load" in probe.cases[0]:
        spec = under_load(spec, range(len(probe.cases)))
    spec["launch"] = {"engine": probe.engine["name"], "workload": "fidelity"}
    return {**spec, "logits_path": str(folder / LOGITS)} if probe.logits else spec


def ask(probe: Probe, folder: Path, watch: Watch) -> Answer:
    """Run the adapter in folder; whatever it does is told in the answer, and nothing of it is left running.

    Raises InterruptedLaunchError when this command is stopped from outside.
    """
    engine, system = probe.engine, probe.plan["config"]["system"]
    device, cores, _ = choose_place(system, engine)  # as the launches have them, so that the arithmetic is theirs
    build = read_build(engine["build_record"])
    missing = why_missing(engine, build, probe.derived)
    if missing is not None:
        return Answer(Status.UNAVAILABLE, missing.reason, device.name, None)
    if device.refused is not None:
        return Answer(Status.UNAVAILABLE, f"system.device is cuda, and {device.refused}", device.name, None)
    folder = folder.absolute()
    own_folder(folder)
    remove(folder / LOGITS)
    spec = spec_of(probe, folder, device=device.name, threads=cores.threads)
    environment = engine_environment(os.environ, visible_gpus=device.visible, threads=cores.threads)
    limits = limits_of(system)
    server = server_of(engine, spec, build, cores=cores, limits=limits)
    try:
        run, events, replaced = run_in_folder(
            Path(engine["binary_path"]),
            json.dumps(spec, allow_nan=False),
            folder=folder,
            environment=environment,
            cores=cores.engine,
            limits=limits,
            watch=watch,
            server=server if server is None or is_load(spec) else asked_past_the_end(server),
        )
    except CannotExecuteError as error:
        return Answer(Status.UNAVAILABLE, not_executed(engine["binary_path"], error).reason, device.name, None)
    report = read_events(events, spec, Window(run.start_ns, run.exit.time_ns), probe.vocabulary)
    outcome = decide(Ending(run.cause, run.message, run.exit.code, run.exit.signal, 0, run.last_words), report)
    if replaced is not None and outcome.status == Status.OK:
        return Answer(Status.FAILED, replaced, device.name, report, folder)
    return Answer(outcome.status, outcome.reason, device.name, report, folder)


def asked_past_the_end(server: Server) -> Server:
    """The server, whose client goes on where it can only keep end-of-sequence ids from being chosen, or stops there.

    It asks again with the ids so far, which gives the greedy ids that an engine has that goes on by itself.
    """
    told = server.told
    if told["past_eos"] == "goes_on":
        return server
    can = {**told["capabilities"], "ignore_eos": True}
    return server._replace(told={**told, "past_eos": "asked_again", "capabilities": can})


def joined(prompts: Mapping[str, Any], answers: Sequence[Answer]) -> tuple[dict[str, Any], Answer]:
    """The prompts that could be given to an engine that takes lines of text, and the answers to them as one, in order.

    answers holds one for each fidelity prompt. Where one failed, or all were refused, that one is the answer.
    """
    failed = [answer for answer in answers if answer.status != Status.OK and not answer.is_refused]
    spoken = [
        (entry, answer)
        for entry, answer in zip(prompts["fidelity"], answers, strict=True)
        if answer.status == Status.OK
    ]
    if failed or not spoken:
        return dict(prompts), (failed or answers)[0]
    first = spoken[0][1]
    iterations = [event for _, answer in spoken for event in answer.iterations]
    report = first.report._replace(iterations=iterations) if first.report else None
    return {**prompts, "fidelity": [entry for entry, _ in spoken]}, replace(first, report=report)
