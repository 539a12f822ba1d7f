"""Gathers what the checks look at: a handful of runs of the adapter, each with what it wrote and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmark_runner.conformance import specs
from benchmark_runner.conformance.specs import Refusal, Setup
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.processes.adapter import AdapterRun, CannotExecuteError, Limits, run_in_folder
from benchmark_runner.processes.client import SERVED, Server
from benchmark_runner.processes.engine import EngineExit, signal_words
from benchmark_runner.processes.files import remove
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.events import longest_line
from benchmark_runner.protocol.fields import check_schema
from benchmark_runner.protocol.lines import BrokenEventsError, lines_of, parse_line


@dataclass(frozen=True)
class Outcome:
    """A run that is over."""

    name: str
    spec: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    """The lines that keep the schema, so that checks need not guard each access."""
    broken_lines: tuple[str, ...]
    """What is wrong with the other lines."""
    exit_code: int | None
    """None where a signal or the time limit ended the run."""
    ending: str
    """How the process ended, in words, with the last line of its log."""
    stdout_bytes: int
    began_ns: int
    ended_ns: int

    def named(self, event: str) -> list[Mapping[str, Any]]:
        """Events of one kind, in order."""
        return [entry for entry in self.events if entry["event"] == event]

    @property
    def iterations(self) -> list[Mapping[str, Any]]:
        """Iteration events, warm-ups included."""
        return self.named("iteration")

    @property
    def error_kind(self) -> str | None:
        """Kind of the error event; None where there is none."""
        errors = self.named("error")
        return errors[-1]["kind"] if errors else None

    @property
    def is_complete(self) -> bool:
        """Whether the adapter says that all went well."""
        return self.exit_code == 0 and bool(self.named("done"))


def read_events(path: Path, spec: Mapping[str, Any]) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """Events of a file that keep the schema, and what is wrong with the other lines."""
    events: list[Mapping[str, Any]] = []
    broken: list[str] = []
    for line in lines_of(path, longest_line(spec)):
        try:
            event = parse_line(line)
            check_schema(event, line)
        except BrokenEventsError as error:
            broken.append(str(error))
        else:
            events.append(event)
    return tuple(events), tuple(broken)


def run_for_checks(
    binary: Path,
    spec: Mapping[str, Any] | str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    cores: Sequence[int],
    limits: Limits,
    watch: Watch,
    server: Server | None = None,
) -> Outcome:
    """Run the adapter in a fresh folder, whose name is the run's; a spec that is text is written as it is.

    Raises BenchmarkError where the binary cannot be started at all.
    """
    folder = folder.absolute()
    remove(folder)
    if isinstance(spec, Mapping) and "logits_path" in spec:
        spec = {**spec, "logits_path": str(folder / spec["logits_path"])}
    try:
        run, path, replaced = run_in_folder(
            binary,
            spec if isinstance(spec, str) else json.dumps(spec),
            folder=folder,
            environment=environment,
            cores=cores,
            limits=limits,
            watch=watch,
            server=server,
        )
    except CannotExecuteError as error:
        raise BenchmarkError(f"{binary} cannot be started: {error}; build it, or check its mode") from error
    asked = spec if isinstance(spec, Mapping) else {}
    events, broken = read_events(path, asked)
    return Outcome(
        name=folder.name,
        spec=asked,
        events=events,
        broken_lines=broken if replaced is None else (*broken, replaced),
        exit_code=_speaker(run).code if run.cause in ("exit", SERVED) else None,
        ending=_ending(run),
        stdout_bytes=run.printed_bytes,
        began_ns=run.start_ns,
        ended_ns=run.exit.time_ns,
    )


def _speaker(run: AdapterRun) -> EngineExit:
    """The end of the process that spoke the protocol: a server's client, or the adapter itself."""
    return run.client if run.client is not None and run.cause == SERVED else run.exit


def _ending(run: AdapterRun) -> str:
    ended = _speaker(run)
    if run.message:
        how = run.message
    elif ended.signal is not None:
        how = signal_words(ended.signal)
    else:
        how = f"exit status {ended.code}"
    return f"{how}; its log ends: {run.last_words}" if run.last_words else how


WARMUP_ITERATIONS: Final = 1
ITERATIONS: Final = 2
"""Rounds of the main run: the fewest that tell warm-ups from iterations and show seed + n."""

TEXT_STARTS: Final = tuple(range(17, 177, 20))
"""Where in the vocabulary prompts begin, one after another (chosen)."""

Run = Callable[[str, Mapping[str, Any] | str], Outcome]
"""Runs the adapter under a name with a spec."""

CAUTIOUS: Final[Mapping[str, Any]] = {
    "devices": ["cpu", "cuda"],
    "dtypes": ["f32", "f16", "bf16"],
    "sampling": ["greedy"],
    "seed": False,
    "load_modes": ["closed"],
    "max_concurrency": 1,
    "ignore_eos": True,
}
"""Taken where the adapter says nothing valid about itself, which is a failed check of its own."""


@dataclass
class Evidence:
    """All runs, and what was asked in them."""

    setup: Setup
    capabilities: Mapping[str, Any]
    case_names: list[str]
    """Names of the main run's cases, in the order of the spec."""
    probe: Outcome
    """The run with an unknown key."""
    first: Outcome
    second: Outcome
    """The same spec in another process."""
    end: Outcome | None = None
    """The run with an end-of-sequence id; None where the first gave no ids to choose from."""
    eos_id: int | None = None
    forced: Outcome | None = None
    """The run with forced_ids and logits_path, as far as the adapter has them; None where it has neither."""
    together: Outcome | None = None
    """The run under load, of protocol 2; None where the adapter takes fewer requests at once."""
    conversations: Outcome | None = None
    """The same of conversations, which an adapter may refuse."""
    with_margins: bool = False
    """Whether the adapter knows the option margins."""
    refusals: dict[str, tuple[Refusal, Outcome | None]] = field(default_factory=dict)

    @property
    def outcomes(self) -> list[Outcome]:
        """All runs there are."""
        refused = [outcome for _, outcome in self.refusals.values() if outcome]
        more = [outcome for outcome in (self.end, self.forced) if outcome]
        return [self.probe, self.first, self.second, *more, *refused]

    def rounds(self, outcome: Outcome, case: str) -> list[list[int]]:
        """Ids of one case in each round of a main run, warm-ups first."""
        number = self.case_names.index(case)
        return [event["token_ids"] for event in outcome.iterations if event["case"] == number]


def eos_choice(ids: list[int]) -> int | None:
    """An id that ends the greedy sequence early: the third that occurs, or the last before it; None without ids."""
    distinct = list(dict.fromkeys(ids))[:3]
    return distinct[-1] if distinct else None


def _run_to_an_end(evidence: Evidence, run: Run) -> None:
    """Run with an end-of-sequence id, with margins where the adapter has them."""
    rounds = evidence.rounds(evidence.first, "greedy")
    evidence.eos_id = eos_choice(rounds[0] if rounds else [])
    if evidence.eos_id is None:
        return
    spec = evidence.setup.spec(specs.end_cases(evidence.setup, evidence.capabilities, evidence.eos_id))
    asking = run("end_with_margins", {**spec, "options": {**spec["options"], "margins": True}})
    evidence.with_margins = asking.error_kind != "unsupported"
    evidence.end = asking if evidence.with_margins else run("end", spec)


def _run_forced(evidence: Evidence, run: Run) -> None:
    """Run with forced ids and with logits, as far as the adapter says that it has them."""
    setup, can = evidence.setup, evidence.capabilities
    rounds = evidence.rounds(evidence.first, "greedy")
    if not rounds or not (can.get("teacher_forcing", False) or can.get("logits", False)):
        return
    spec = setup.spec(specs.forced_cases(setup, can, rounds[0]))
    if can.get("logits", False):
        spec["logits_path"] = specs.LOGITS
    evidence.forced = run("forced", spec)


def _first_run(setup: Setup, run: Run, capabilities: Mapping[str, Any]) -> tuple[Setup, list[str], Outcome]:
    """The main run, with the setup that its prompts come from and the names of its cases.

    Where ids are made of text, an answer may be one that the tokenizer reads as other ids than were generated. That
    says nothing of the adapter, so it is asked other prompts. What refuses before it has loaded refuses all of them.
    """
    starts = [setup.start] if capabilities.get("token_ids", True) else TEXT_STARTS
    for start in starts:
        asked = replace(setup, start=start)
        cases = specs.main_cases(asked, capabilities)
        spec = asked.spec(list(cases.values()), warmup_iterations=WARMUP_ITERATIONS, iterations=ITERATIONS)
        outcome = run("first", spec)
        if outcome.error_kind != "unsupported" or not outcome.named("load_end"):
            break
    return asked, list(cases), outcome


def gather(setup: Setup, run: Run) -> Evidence:
    """Run the adapter as often as the checks need; BenchmarkError where it cannot do what it says it can."""
    probe = run("unknown_key", specs.unknown_key_spec(setup))
    hello = probe.named("hello")
    capabilities = hello[0]["capabilities"] if hello else CAUTIOUS
    setup, names, first = _first_run(setup, run, capabilities)
    if hello and first.error_kind == "unsupported" and not first.iterations:
        # By its own capabilities it could: something here is missing, and every other check would say so again.
        told = first.named("error")[-1]["message"]
        what = "loaded and then refused each prompt" if first.named("load_end") else "is unavailable"
        raise BenchmarkError(f"the engine {what}, so nothing of it was checked: {told}")
    evidence = Evidence(setup, capabilities, names, probe, first, second=run("second", first.spec))
    _run_to_an_end(evidence, run)
    _run_forced(evidence, run)
    if capabilities["max_concurrency"] >= specs.TOGETHER:
        evidence.together = run("together", specs.together_spec(setup, capabilities))
        if "closed" in capabilities["load_modes"]:
            evidence.conversations = run("conversations", specs.conversations_spec(setup, capabilities))
    evidence.refusals = {
        name: (refusal, None if refusal.spec is None else run(name, refusal.spec))
        for name, refusal in specs.refusals(setup, capabilities).items()
    }
    return evidence
