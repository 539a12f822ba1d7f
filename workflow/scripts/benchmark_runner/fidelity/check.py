"""Whether an engine computes the same model: python -m benchmark_runner.fidelity.check --engine … --out …."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.engines import may_serve_load
from benchmark_runner.campaign.weights import REFERENCE_ADAPTER
from benchmark_runner.checked import FAIL, NOT_CHECKABLE
from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.fidelity.at_once import AtOnce, at_once_cases, judge_at_once
from benchmark_runner.fidelity.compare import Agreement, Distance, distance, forced_partings, free_parting
from benchmark_runner.fidelity.document import Findings, describe
from benchmark_runner.fidelity.probe import (
    LOGITS,
    Answer,
    Probe,
    ask,
    case,
    forced_cases,
    free_cases,
    joined,
    planned_engine,
    reuse_cases,
    split_logits,
)
from benchmark_runner.fidelity.reference import ask_reference
from benchmark_runner.fidelity.reference import describe as describe_reference
from benchmark_runner.fidelity.reuse import Reuse, judge_reuse
from benchmark_runner.fidelity.sampling import DRAWS, Sampling, entropy, judge_draws, probabilities
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.processes.files import remove
from benchmark_runner.processes.guard import guarded
from benchmark_runner.processes.watch import Watch
from benchmark_runner.protocol.logits import Logits, LogitsError
from benchmark_runner.status import Status
from benchmark_runner.terminal import printable

SHORT_PROMPT_TOKENS: Final = 32
"""Draws begin with a prompt of at most this length, since each of them reads it again (chosen); unit: tokens."""


def require_same_prompts(reference: Mapping[str, Any], prompts: Mapping[str, Any], path: Path) -> None:
    """Raise BenchmarkError where the reference answered other prompts than the engine is about to."""
    answered = [entry["prompt_ids"] for entry in reference["prompts"]]
    if answered != [entry["prompt_ids"] for entry in prompts["fidelity"]]:
        raise BenchmarkError(f"{path} belongs to other prompts than prompts.json; delete it and run again")


def reference_logits(reference: Mapping[str, Any], folder: Path) -> list[Logits] | None:
    """Logits [tokens, vocabulary] of each prompt; None where the reference gave none.

    Raises LogitsError where the file is not what reference.json tells.
    """
    if not reference["logits"]:
        return None
    return split_logits(
        folder / reference["logits"]["file"], [len(entry["token_ids"]) for entry in reference["prompts"]]
    )


def own_prompts(prompts: Mapping[str, Any], iterations: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The prompts with the ids that an engine says it used in their place; None where it used those of the spec.

    An engine that takes text, and puts ids of its own around it, tells them in used_prompt_ids.
    """
    asked = [entry["prompt_ids"] for entry in prompts["fidelity"]]
    used = [event.get("used_prompt_ids", ids) for ids, event in zip(asked, iterations, strict=False)]
    if used == asked:
        return None
    entries = zip(prompts["fidelity"], used, strict=True)
    return {**prompts, "fidelity": [{**entry, "prompt_ids": ids} for entry, ids in entries]}


@dataclass
class Check:
    """One engine as it is configured, against the reference."""

    plan: Mapping[str, Any]
    prompts: Mapping[str, Any]
    reference: Mapping[str, Any]
    engine: Mapping[str, Any]
    logits_folder: Path
    """Where the reference's logits lie."""
    folder: Path
    watch: Watch

    def _ask(
        self, name: str, cases: Sequence[Mapping[str, Any]], *, iterations: int = 1, logits: bool = False
    ) -> Answer:
        engine = self.engine
        probe = Probe(self.plan, engine, engine["dtype"], engine["options"], cases, iterations, logits)
        return ask(probe, self.folder / name, self.watch)

    @property
    def is_its_own_reference(self) -> bool:
        """Whether the engine is the reference's program, so that a check only shows that it repeats itself."""
        own = planned_engine(self.plan, self.reference["engine"])["binary_path"]
        same = own == self.engine["binary_path"]
        return bool(same and self.engine["dtype"] == self.reference["dtype"])

    def _empty_because(self) -> str | None:
        """Why a check would say nothing: an engine that the workflow builds is held against its own program."""
        adapter, reference = self.engine.get("adapter"), self.reference
        if reference["status"] != Status.OK:
            return f"there is no reference: {reference['engine']} is {reference['status']} ({reference['reason']})"
        if adapter in (None, REFERENCE_ADAPTER) or not self.is_its_own_reference:
            return None
        return (
            f"it is its own reference here, since no engine on {REFERENCE_ADAPTER} takes part; let pytorch_baseline "
            "take part (only_engines, or enabled: true in the configuration)"
        )

    def run(self) -> dict[str, Any]:
        """Content of fidelity/<engine>.json; raises InterruptedLaunchError when stopped."""
        if (empty := self._empty_because()) is not None:
            return describe(self.engine, self.reference, None, Findings(reason=empty))
        cases = free_cases(self.prompts, self.plan["fidelity"]["max_new_tokens"])
        free = self._ask("free", [*cases, *reuse_cases(self.prompts["unseen"], self.prompts["eos_ids"])])
        if not free.takes_ids:
            asked = [self._ask(f"free-{place}", [one]) for place, one in enumerate(cases, start=1)]
            self.prompts, free = joined(self.prompts, asked)
        if free.status != Status.OK:
            return describe(self.engine, self.reference, free.device, Findings(reason=f"{free.status}: {free.reason}"))
        if (used := own_prompts(self.prompts, free.iterations)) is not None:
            self._take_own_reference(used)
            if self.reference["status"] != Status.OK:
                reason = f"no reference on the ids that the engine used: {self.reference['reason']}"
                return describe(self.engine, self.reference, free.device, Findings(reason=reason))
        given = len(self.prompts["fidelity"])
        findings = self._findings(free, given)
        if given < len(cases):
            findings = replace(
                findings, note=f"{len(cases) - given} of {len(cases)} prompts cannot be given to it as text"
            )
        # As large as the reference's, and of no use once they have been compared.
        remove(self.folder / "forced" / LOGITS)
        return describe(self.engine, self.reference, free.device, findings)

    def _take_own_reference(self, prompts: Mapping[str, Any]) -> None:
        """Hold the engine against what the reference answers to the ids that it really used."""
        self.prompts = prompts
        self.logits_folder = self.folder / "reference"
        answer = ask_reference(self.plan, prompts, self.logits_folder, self.watch)
        self.reference = describe_reference(self.plan, prompts, answer)

    def _findings(self, free: Answer, prompts: int) -> Findings:
        if not self.is_its_own_reference:
            note = ""
            forced, no_forcing = self._forced(free.capabilities)
            distances, no_logits = self._distances(forced, free.capabilities)
        else:
            note = no_forcing = no_logits = "it is the reference's own program, so this shows that it repeats itself"
            forced, distances = None, [None] * prompts
        return Findings(
            self._agreements(free, forced, distances),
            no_forcing=no_forcing,
            no_logits=no_logits,
            sampling=self._sampling(free, forced),
            reuse=self._reuse(free, prompts),
            at_once=self._at_once(free.capabilities),
            ids_are_the_engine_s=bool(free.capabilities.get("token_ids", True)),
            note=note,
        )

    def _reuse(self, free: Answer, prompts: int) -> Reuse:
        """What the run's iterations behind those of the prompts say, in which unseen prompts came twice."""
        if not free.takes_ids:
            return Reuse(NOT_CHECKABLE, "it takes a line of text, so each prompt was asked in a run of its own")
        if not self.prompts["unseen"]:
            return Reuse(NOT_CHECKABLE, "no prompt that it cannot have seen fits into the model's context")
        found = judge_reuse(free.iterations[prompts:])
        return found if found.result != FAIL else self._reuse_again(found)

    def _reuse_again(self, found: Reuse) -> Reuse:
        """What failed, unless a second run on other prompts does not: other programs may have slowed the new ones."""
        other = [ids[::-1] for ids in self.prompts["unseen"]]
        again = self._ask("reuse", reuse_cases(other, self.prompts["eos_ids"]))
        if again.status != Status.OK or (second := judge_reuse(again.iterations)).result == FAIL:
            return found
        return replace(second, reason=f"{second.reason} (a first run said: {found.reason})")

    def _at_once(self, capabilities: Mapping[str, Any]) -> AtOnce | None:
        """What requests in flight together get; None where the campaign does not ask the engine for that."""
        asked, engine = self.plan["fidelity"].get("at_once"), self.engine
        if asked is None or not may_serve_load(engine):
            return None
        concurrency = min(asked, int(capabilities["max_concurrency"]))
        if concurrency == 1:
            return AtOnce(NOT_CHECKABLE, "it takes one request at a time")
        answer = self._ask("at_once", at_once_cases(self.reference, self.prompts["eos_ids"], concurrency))
        if answer.status != Status.OK or answer.report is None:
            return AtOnce(NOT_CHECKABLE, f"the run with requests at once is {answer.status}: {answer.reason}")
        return judge_at_once(self.reference, answer.report.requests, engine["dtype"])

    def _forced(self, capabilities: Mapping[str, Any]) -> tuple[Answer | None, str | None]:
        """The run that is fed the reference's ids and leaves its logits, or why there is none."""
        if not capabilities.get("teacher_forcing", False):
            return None, "the engine cannot be fed other ids than it chose"
        cases = forced_cases(self.reference, self.prompts["eos_ids"])
        logits = bool(capabilities.get("logits", False) and self.reference["logits"])
        answer = self._ask("forced", cases, logits=logits)
        if answer.status != Status.OK:
            return None, f"the run with forced ids is {answer.status}: {answer.reason}"
        return answer, None

    def _distances(
        self, forced: Answer | None, capabilities: Mapping[str, Any]
    ) -> tuple[list[Distance | None], str | None]:
        """Distance of the logits of each prompt, or why there is none."""
        none: list[Distance | None] = [None] * len(self.reference["prompts"])
        if not capabilities.get("logits", False):
            return none, "the engine gives no logits"
        if forced is None:
            return none, "logits are comparable only where the reference's ids are fed"
        try:
            ours = reference_logits(self.reference, self.logits_folder)
            if ours is None:
                return none, "the reference gave no logits"
            theirs = forced.logits()
        except LogitsError as error:
            return none, str(error)
        if ours[0].shape[1] != theirs[0].shape[1]:
            return none, f"{theirs[0].shape[1]} logits a token; the reference gives {ours[0].shape[1]}"
        return [distance(one, other) for one, other in zip(ours, theirs, strict=True)], None

    def _agreements(
        self, free: Answer, forced: Answer | None, distances: Sequence[Distance | None]
    ) -> tuple[Agreement, ...]:
        found = []
        for place, (entry, apart) in enumerate(zip(self.reference["prompts"], distances, strict=True)):
            wanted, margins = entry["token_ids"], entry["margins"]
            parting = free_parting(wanted, margins, free.token_ids[place])
            found.append(
                Agreement(
                    prompt=entry["text"],
                    prompt_tokens=len(entry["prompt_ids"]),
                    agreed=len(wanted) if parting is None else parting.step,
                    of=len(wanted),
                    free=parting,
                    forced=None if forced is None else forced_partings(wanted, margins, forced.token_ids[place]),
                    distance=apart,
                )
            )
        return tuple(found)

    def _sampling(self, free: Answer, forced: Answer | None) -> Sampling:
        """First tokens drawn against the softmax, where workloads sample and the engine can."""
        asked = self.plan["fidelity"]["sampling"]
        if asked is None:
            return Sampling("not asked", "no workload draws at a temperature")
        temperature, top_p = asked["temperature"], asked["top_p"]
        wanted = ["temperature", *(["top_p"] if top_p < 1 else [])]
        missing = [way for way in wanted if way not in free.capabilities["sampling"]]
        if missing:
            return Sampling(NOT_CHECKABLE, f"the engine has no sampling by {missing[0]}")
        if not free.takes_ids:
            return Sampling(
                NOT_CHECKABLE, f"{DRAWS} draws behind a prompt of its own are not made; its greedy ids count"
            )
        try:
            first, why_not = self._first_logits(forced)
        except LogitsError as error:
            first, why_not = None, str(error)
        if first is None:
            return Sampling(NOT_CHECKABLE, why_not)
        place = self._most_telling(first, temperature, top_p)
        sampling = {"temperature": temperature, "top_p": top_p, "seed": 0}
        prompt_ids = self.reference["prompts"][place]["prompt_ids"]
        draw = case(prompt_ids, 1, self.prompts["eos_ids"], sampling=sampling)
        answer = self._ask("drawn", [draw], iterations=DRAWS)
        if answer.status != Status.OK:
            return Sampling(NOT_CHECKABLE, f"the run that draws is {answer.status}: {answer.reason}")
        drawn = [ids[0] for ids in answer.token_ids]
        distribution = probabilities(first[place], temperature, top_p)
        return judge_draws(drawn, distribution, temperature=temperature, top_p=top_p)

    def _first_logits(self, forced: Answer | None) -> tuple[list[Logits] | None, str]:
        """Logits of each prompt's first token, or why there are none.

        The reference's; in 16 bits the engine's own, which have been held against those: rounding alone would shift
        probabilities by more than a test of so many draws lets pass.
        """
        if self.engine["dtype"] == self.reference["dtype"]:
            logits = reference_logits(self.reference, self.logits_folder)
            return (None, "the reference gave no logits") if logits is None else ([one[0] for one in logits], "")
        if forced is None or not forced.capabilities.get("logits", False):
            return None, f"in {self.engine['dtype']} the engine's own logits are needed, which it does not give"
        return [one[0] for one in forced.logits()], ""

    def _most_telling(self, first: Sequence[Logits], temperature: float, top_p: float) -> int:
        """Place of the short prompt whose next token is least certain; the shortest where none is short."""
        lengths = [len(entry["prompt_ids"]) for entry in self.reference["prompts"]]
        short = [place for place, length in enumerate(lengths) if length <= SHORT_PROMPT_TOKENS]
        candidates = short or [lengths.index(min(lengths))]
        return max(candidates, key=lambda place: entropy(probabilities(first[place], temperature, top_p)))


def main(argv: Sequence[str]) -> int:
    """Write fidelity/<engine>.json; whatever the result, the exit status is 0."""
    made = {"reference": "reference.json, its logits beside it", "out": "fidelity/<engine>.json"}
    parser = command("fidelity.check", main.__doc__, "plan", "prompts", **made)
    parser.add_argument("--engine", required=True, help="name of the engine in the plan")
    parser.add_argument("--work", type=Path, help="folder for the engine's files; beside --out by default")
    arguments = parser.parse_args(argv)
    plan, prompts, reference = (read_json(getattr(arguments, name)) for name in ("plan", "prompts", "reference"))
    engine = planned_engine(plan, arguments.engine)
    if reference["status"] == Status.OK:
        require_same_prompts(reference, prompts, arguments.reference)
    folder = arguments.work or arguments.out.parent / engine["name"]
    result = Check(plan, prompts, reference, engine, arguments.reference.parent, folder, Watch()).run()
    write_json(arguments.out, result)
    print(printable(f"fidelity of {engine['name']}: {result['result']}: {result['reason']}"))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(guarded(lambda: exit_status(main, sys.argv[1:])))
