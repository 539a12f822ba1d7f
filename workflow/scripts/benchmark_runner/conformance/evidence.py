"""Gathers what the checks look at: a handful of runs of the adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmark_runner.conformance import specs
from benchmark_runner.conformance.outcome import Outcome
from benchmark_runner.conformance.specs import Refusal, Setup
from benchmark_runner.errors import BenchmarkError

WARMUP_ITERATIONS: Final = 1
ITERATIONS: Final = 2
"""Rounds of the main run: the fewest that tell warm-ups from iterations and show seed + n."""

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


def _run_refusals(evidence: Evidence, run: Run) -> None:
    """Run what must be refused."""
    wanted = specs.refusals(evidence.setup, evidence.capabilities)
    evidence.refusals = {
        name: (refusal, None if refusal.spec is None else run(name, refusal.spec)) for name, refusal in wanted.items()
    }


def gather(setup: Setup, run: Run) -> Evidence:
    """Run the adapter as often as the checks need; BenchmarkError where it cannot do what it says it can."""
    probe = run("unknown_key", specs.unknown_key_spec(setup))
    hello = probe.named("hello")
    capabilities = hello[0]["capabilities"] if hello else CAUTIOUS
    cases = specs.main_cases(setup, capabilities)
    spec = setup.spec(list(cases.values()), warmup_iterations=WARMUP_ITERATIONS, iterations=ITERATIONS)
    first = run("first", spec)
    if hello and first.error_kind == "unsupported" and not first.iterations:
        # By its own capabilities it could: something here is missing, and every other check would say so again.
        told = first.named("error")[-1]["message"]
        raise BenchmarkError(f"the engine is unavailable, so nothing of it was checked: {told}")
    evidence = Evidence(
        setup=setup,
        capabilities=capabilities,
        case_names=list(cases),
        probe=probe,
        first=first,
        second=run("second", spec),
    )
    _run_to_an_end(evidence, run)
    _run_forced(evidence, run)
    _run_refusals(evidence, run)
    return evidence
