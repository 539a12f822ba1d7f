"""The checks: each a function that is silent, or raises what is wrong or why it cannot be told."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_runner.conformance.evidence import Evidence, Outcome
from benchmark_runner.conformance.load_checks import check_conversations, check_together
from benchmark_runner.conformance.rules import BrokenRuleError, NotApplicableError, few, require
from benchmark_runner.conformance.specs import FORCED_PLACES, SEED
from benchmark_runner.protocol.logits import LogitsError, read_logits

EXIT_STATUS: Final = {"internal": 1, "out_of_memory": 1, "bad_spec": 2, "unsupported": 3}
"""Exit status after an error of each kind, from docs/protocol.md."""


def _iterations(outcome: Outcome) -> list[Any]:
    """Iterations of a run; without any, no rule about them is kept."""
    require(bool(outcome.iterations), f"run {outcome.name} has no valid iteration ({outcome.ending})")
    return outcome.iterations


def check_completes(evidence: Evidence) -> None:
    """A valid spec ends with done and status 0."""
    for outcome in (evidence.first, evidence.second):
        require(outcome.is_complete, f"run {outcome.name}: {outcome.ending}")


def check_stdout(evidence: Evidence) -> None:
    """Stdout stays empty."""
    for outcome in evidence.outcomes:
        require(outcome.stdout_bytes == 0, f"run {outcome.name} wrote {outcome.stdout_bytes} bytes to stdout")


def check_lines(evidence: Evidence) -> None:
    """Every line of the events file is a whole JSON object that keeps the event schema."""
    for outcome in evidence.outcomes:
        for problem in outcome.broken_lines:
            raise BrokenRuleError(f"run {outcome.name}: {problem}")


def check_hello(evidence: Evidence) -> None:
    """The first event, and no other, is hello; it says the same in each run whose options can be read."""
    greetings = []
    for outcome in evidence.outcomes:
        require(bool(outcome.events), f"run {outcome.name} wrote no valid event ({outcome.ending})")
        first = outcome.events[0]
        require(first["event"] == "hello", f"run {outcome.name} begins with {first['event']}")
        require(len(outcome.named("hello")) == 1, f"run {outcome.name} says hello more than once")
        if outcome.error_kind != "bad_spec":
            greetings.append(first)
    require(all(greeting == greetings[0] for greeting in greetings), "hello differs between runs on the same machine")


def check_order(evidence: Evidence) -> None:
    """hello, load_start, load_end, iterations, done, in this order."""
    names = [event["event"] for event in evidence.first.events]
    rounds = len(evidence.first.iterations)
    wanted = ["hello", "load_start", "load_end", *["iteration"] * rounds, "done"]
    require(names == wanted, f"the order is {' '.join(dict.fromkeys(names))}, with {rounds} iterations")


def check_load(evidence: Evidence) -> None:
    """load_end follows load_start in time, before the first iteration, and names what the spec asked for."""
    outcome = evidence.first
    starts, ends = outcome.named("load_start"), outcome.named("load_end")
    require(bool(starts and ends), "load_start or load_end is missing")
    start, end = starts[0], ends[0]
    require(start["time_ns"] <= end["time_ns"], "load_end is earlier than load_start")
    require(end["time_ns"] <= _iterations(outcome)[0]["start_ns"], "the first iteration starts before load_end")
    asked = evidence.setup
    require(end["device"] == asked.device, f"load_end.device is {end['device']}, {asked.device} was asked for")
    require(end["threads"] <= asked.threads, f"load_end.threads is {end['threads']}, {asked.threads} was asked for")


def check_settings(evidence: Evidence) -> None:
    """load_end tells batch_size and compiled_graph; a step computes no more sequences than requests are in flight."""
    ends = evidence.first.named("load_end")
    require(bool(ends), "load_end is missing")
    untold = [name for name in ("batch_size", "compiled_graph") if name not in ends[0]]
    if untold:
        raise NotApplicableError(f"load_end does not tell {' and '.join(untold)}: the report calls them unknown")
    asked, told = evidence.first.spec["load"]["concurrency"], ends[0]["batch_size"]
    require(told <= asked, f"load_end.batch_size is {told}; requests in flight are {asked}")


def check_rounds(evidence: Evidence) -> None:
    """Warm-ups come first, both kinds count from 0, and each round goes through the cases in order."""
    spec = evidence.first.spec
    rounds = [(True, index) for index in range(spec["warmup_iterations"])]
    rounds += [(False, index) for index in range(spec["iterations"])]
    wanted = [(*entry, case) for entry in rounds for case in range(len(spec["cases"]))]
    seen = [(event["warmup"], event["index"], event["case"]) for event in _iterations(evidence.first)]
    for due, found in zip(wanted, seen, strict=False):
        require(found == due, f"(warmup, index, case) is {found} where {due} is due")
    require(len(seen) == len(wanted), f"{len(seen)} iterations instead of {len(wanted)}")


def check_token_count(evidence: Evidence) -> None:
    """A case that no id ends yields exactly max_new_tokens ids, each with its time, and finish is length."""
    cases = evidence.first.spec["cases"]
    for event in _iterations(evidence.first):
        require(event["case"] < len(cases), f"case {event['case']} does not exist")
        wanted, given = cases[event["case"]]["max_new_tokens"], len(event["token_ids"])
        require(given == wanted, f"case {event['case']} gave {given} tokens instead of {wanted}")
        require(len(event["token_ns"]) == given, f"{len(event['token_ns'])} times for {given} tokens")
        require(event["finish"] == "length", f"finish is {event['finish']} after all tokens")


def check_token_times(evidence: Evidence) -> None:
    """Within an iteration times never go back: start, tokens, end."""
    for event in _iterations(evidence.first):
        times = [event["start_ns"], *event["token_ns"], event["end_ns"]]
        require(times == sorted(times), f"times go back in round {event['index']} of case {event['case']}")
        require(event["start_ns"] < event["end_ns"], f"round {event['index']} of case {event['case']} takes no time")


def check_apart(evidence: Evidence) -> None:
    """An iteration starts when the one before it has ended (closed, one request in flight)."""
    events = _iterations(evidence.first)
    for before, after in itertools.pairwise(events):
        require(before["end_ns"] <= after["start_ns"], f"round {after['index']} of case {after['case']} overlaps")


def check_clock(evidence: Evidence) -> None:
    """Times are CLOCK_MONOTONIC nanoseconds: they lie between start and end of the process."""
    outcome = evidence.first
    times = [event["time_ns"] for event in outcome.events if "time_ns" in event]
    times += [event[key] for event in _iterations(outcome) for key in ("start_ns", "end_ns")]
    require(
        outcome.began_ns <= min(times) and max(times) <= outcome.ended_ns,
        f"times from {min(times)} to {max(times)}; the process ran from {outcome.began_ns} to {outcome.ended_ns}",
    )


def check_greedy_rounds(evidence: Evidence) -> None:
    """A greedy case gives the same ids in each round: nothing of other prompts is left in a cache."""
    for case in ("greedy", "long"):
        rounds = evidence.rounds(evidence.first, case)
        require(bool(rounds), f"no round of case {case}")
        require(all(ids == rounds[0] for ids in rounds), f"rounds of case {case} give {few(rounds)}")


def check_greedy_processes(evidence: Evidence) -> None:
    """A second process gives the same greedy ids."""
    for case in ("greedy", "long"):
        one, other = (evidence.rounds(outcome, case)[:1] for outcome in (evidence.first, evidence.second))
        require(bool(one) and one == other, f"case {case} gives {few([*one, *other])}")


def _need_drawn(evidence: Evidence) -> None:
    if "drawn" not in evidence.case_names:
        raise NotApplicableError("the adapter does not say that it samples repeatably")
    require(len(evidence.rounds(evidence.first, "drawn")) >= 2, "too few rounds of the sampled case")


def check_seed_repeats(evidence: Evidence) -> None:
    """A second process with the same seeds gives the same sampled ids, round by round; warm-ups count from 0 too."""
    _need_drawn(evidence)
    for case in ("drawn", "drawn_next"):
        one, other = (evidence.rounds(outcome, case) for outcome in (evidence.first, evidence.second))
        require(one == other, f"case {case} gives {few([*one[:1], *other[:1]])} with the same seed")
        require(one[0] == one[1], "the first warm-up and the first iteration have one seed and other ids")


def check_seed_differs(evidence: Evidence) -> None:
    """Another seed gives other ids, and round n draws with seed + n."""
    _need_drawn(evidence)
    drawn, following = (evidence.rounds(evidence.first, case) for case in ("drawn", "drawn_next"))
    require(bool(following) and drawn[0] != following[0], f"seeds {SEED} and {SEED + 1} give {few(drawn[:1])}")
    require(drawn[-1] == following[0], f"round 1 of seed {SEED} is not round 0 of seed {SEED + 1}")


def check_nucleus(evidence: Evidence) -> None:
    """With a top_p that the likeliest token reaches alone, sampling is greedy."""
    if "nucleus" not in evidence.case_names:
        raise NotApplicableError("the adapter does not say that it has top_p")
    greedy, nucleus = (evidence.rounds(evidence.first, case)[:1] for case in ("greedy", "nucleus"))
    require(bool(greedy) and greedy == nucleus, f"greedy and a tiny top_p give {few([*greedy, *nucleus])}")


def _end_iterations(evidence: Evidence) -> tuple[list[Any], list[int]]:
    """Iterations of the run with an end-of-sequence id, and the greedy ids without it."""
    if evidence.end is None:
        raise BrokenRuleError("the first run gave no ids to choose an end-of-sequence id from")
    return _iterations(evidence.end), evidence.rounds(evidence.first, "greedy")[0]


def check_eos_honoured(evidence: Evidence) -> None:
    """With ignore_eos false, the id that ends the sequence is the last one, and finish is eos."""
    events, greedy = _end_iterations(evidence)
    wanted = greedy[: greedy.index(evidence.eos_id) + 1] if evidence.eos_id is not None else greedy
    event = events[0]
    require(event["token_ids"] == wanted, f"{event['token_ids']} instead of {wanted}")
    require(event["finish"] == "eos", f"finish is {event['finish']}")
    require(len(event["token_ns"]) == len(wanted), f"{len(event['token_ns'])} times for {len(wanted)} tokens")


def check_eos_ignored(evidence: Evidence) -> None:
    """With ignore_eos true, the same ids come as if it were none."""
    if not evidence.capabilities["ignore_eos"]:
        raise NotApplicableError("the adapter says that it cannot go on past an end-of-sequence id")
    events, greedy = _end_iterations(evidence)
    require(len(events) > 1, "the case is missing")
    require(events[1]["token_ids"] == greedy, f"{events[1]['token_ids']} instead of {greedy}")
    require(events[1]["finish"] == "length", f"finish is {events[1]['finish']}")


def check_margins(evidence: Evidence) -> None:
    """With options.margins there is one margin a token; without it there is none."""
    asked = evidence.setup.options.get("margins", False)
    for event in _iterations(evidence.first):
        require(asked or "margins" not in event, "margins come unasked")
    if not evidence.with_margins:
        raise NotApplicableError("the adapter has no option margins")
    for event in _end_iterations(evidence)[0]:
        given, wanted = len(event.get("margins", [])), len(event["token_ids"])
        require(given == wanted, f"{given} margins for {wanted} tokens")


def _forced(evidence: Evidence, capability: str) -> Outcome:
    """The run with forced ids and logits, where the adapter says that it has the capability."""
    if not evidence.capabilities.get(capability, False):
        raise NotApplicableError(f"the adapter does not say that it has {capability}")
    if evidence.forced is None:
        raise BrokenRuleError("the first run gave no ids to force")
    require(evidence.forced.is_complete, f"run {evidence.forced.name}: {evidence.forced.ending}")
    return evidence.forced


def check_teacher_forcing(evidence: Evidence) -> None:
    """With forced_ids each step reports the engine's own choice after the ids that were fed."""
    outcome = _forced(evidence, "teacher_forcing")
    wanted_count, answers = len(outcome.spec["cases"]), [event["token_ids"] for event in outcome.iterations]
    require(len(answers) == wanted_count, f"{len(answers)} answers to {wanted_count} cases")
    own, foreign, *prompts = answers
    greedy = evidence.rounds(evidence.first, "greedy")[0]
    require(own == greedy, f"{own} instead of {greedy} where its own ids are forced")
    after = [foreign[place] for place in FORCED_PLACES]
    wanted = [ids[0] for ids in prompts]
    # A prompt is computed in one go, which rounds otherwise than token by token: one tie may turn.
    agreeing = sum(one == other for one, other in zip(after, wanted, strict=True))
    require(agreeing >= len(FORCED_PLACES) - 1, f"{after} after forced ids, {wanted} after a prompt that ends in them")


def check_logits(evidence: Evidence) -> None:
    """With logits_path there is a vocabulary of finite logits a token, the highest of which is the greedy choice."""
    outcome = _forced(evidence, "logits")
    ids = [token for event in _iterations(outcome) for token in event["token_ids"]]
    try:
        logits = read_logits(Path(outcome.spec["logits_path"]), len(ids))
    except LogitsError as error:
        raise BrokenRuleError(str(error)) from error
    known = evidence.setup.known_vocabulary
    size = logits.shape[1]
    require(known is None or size == known, f"{size} logits a token; the vocabulary has {known}")
    require(bool(np.isfinite(logits).all()), "not all logits are finite")
    best = logits.argmax(axis=1).tolist()
    require(best == ids, f"the highest logits are those of {best}, the ids are {ids}")


def _refused(outcome: Outcome, kind: str, asked: str) -> None:
    """Require that a run ended in an error of this kind with its status, before anything was loaded."""
    require(outcome.error_kind is not None, f"{asked} is not refused ({outcome.ending})")
    require(outcome.error_kind == kind, f"{asked} is refused as {outcome.error_kind} instead of {kind}")
    names = [event["event"] for event in outcome.events]
    require(names == ["hello", "error"], f"{asked}: events are {' '.join(names)} instead of hello error")
    wanted = EXIT_STATUS[kind]
    require(outcome.exit_code == wanted, f"{asked}: {outcome.ending} instead of exit status {wanted}")


def check_unknown_key(evidence: Evidence) -> None:
    """A key that the spec does not have is refused as bad_spec, with status 2."""
    _refused(evidence.probe, "bad_spec", "an unknown key")


def _check_refusal(name: str, evidence: Evidence) -> None:
    """What the adapter says that it can't do, and what the protocol excludes, is refused before loading."""
    refusal, outcome = evidence.refusals[name]
    if outcome is None:
        raise NotApplicableError("the adapter says that it can do all of it")
    _refused(outcome, refusal.kind, refusal.asked)


REFUSALS: Final = {
    "refuses_dtype": "A dtype beyond the capabilities is refused as unsupported, with status 3.",
    "refuses_device": "A device beyond the capabilities is refused as unsupported, with status 3.",
    "refuses_load_mode": "A load mode beyond the capabilities is refused as unsupported, with status 3.",
    "refuses_concurrency": "More requests in flight than the capabilities allow are refused as unsupported.",
    "refuses_option": "An unknown option is refused as unsupported, with status 3.",
    "refuses_sampling": "Sampling that the capabilities lack is refused as unsupported, with status 3.",
    "refuses_ignore_eos": "ignore_eos is refused as unsupported where the capabilities lack it.",
    "refuses_teacher_forcing": "forced_ids are refused as unsupported where the capabilities lack teacher_forcing.",
    "refuses_logits": "logits_path is refused as unsupported where the capabilities lack logits.",
    "refuses_protocol": "Another version of the protocol is refused as bad_spec, with status 2.",
    "refuses_missing_key": "A spec that lacks a key is refused as bad_spec, with status 2.",
    "refuses_broken_spec": "A spec that is not JSON is refused as bad_spec, with status 2.",
}
"""Rules of the refusals, by name of the check and of the run."""

CHECKS: Final[dict[str, Callable[[Evidence], None]]] = {
    "completes": check_completes,
    "stdout": check_stdout,
    "lines": check_lines,
    "hello": check_hello,
    "order": check_order,
    "load": check_load,
    "settings": check_settings,
    "rounds": check_rounds,
    "token_count": check_token_count,
    "token_times": check_token_times,
    "apart": check_apart,
    "clock": check_clock,
    "greedy_rounds": check_greedy_rounds,
    "greedy_processes": check_greedy_processes,
    "seed_repeats": check_seed_repeats,
    "seed_differs": check_seed_differs,
    "nucleus": check_nucleus,
    "eos_honoured": check_eos_honoured,
    "eos_ignored": check_eos_ignored,
    "margins": check_margins,
    "teacher_forcing": check_teacher_forcing,
    "logits": check_logits,
    "together": check_together,
    "conversations": check_conversations,
    "refuses_unknown_key": check_unknown_key,
    **{name: partial(_check_refusal, name) for name in REFUSALS},
}
"""All checks by name, in the order of the table."""


def rule(name: str) -> str:
    """The rule behind a check, in a sentence."""
    return REFUSALS.get(name) or (CHECKS[name].__doc__ or "").strip()


@dataclass(frozen=True)
class CheckResult:
    """What a check found: outcome is passed, failed or skipped."""

    check: str
    rule: str
    outcome: str
    detail: str


def judge(evidence: Evidence) -> list[CheckResult]:
    """Findings of all checks."""
    findings = []
    for name, check in CHECKS.items():
        outcome, detail = "passed", ""
        try:
            check(evidence)
        except BrokenRuleError as broken:
            outcome, detail = "failed", str(broken)
        except NotApplicableError as reason:
            outcome, detail = "skipped", str(reason)
        findings.append(CheckResult(name, rule(name), outcome, detail))
    return findings
