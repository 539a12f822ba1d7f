"""The reference's greedy ids: python -m benchmark_runner.fidelity.reference --plan … --out reference.json."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.weights import REFERENCE_DTYPE
from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.fidelity.probe import LOGITS, Answer, Probe, ask, free_cases, planned_engine
from benchmark_runner.jsonio import read_json, read_valid, write_json
from benchmark_runner.processes.guard import guarded
from benchmark_runner.processes.watch import Watch
from benchmark_runner.status import Status
from benchmark_runner.terminal import printable

SCHEMA_VERSION: Final = 2
"""2: with the place of the logits. 1: the first format."""


def ask_reference(plan: Mapping[str, Any], prompts: Mapping[str, Any], folder: Path, watch: Watch) -> Answer:
    """Ids with margins and logits, or without what the engine refuses to give."""
    engine = planned_engine(plan, plan["fidelity"]["reference"])
    cases = free_cases(prompts, plan["fidelity"]["max_new_tokens"])
    with_margins = {**engine["options"], "margins": True}
    plain = Probe(plan, engine, REFERENCE_DTYPE, engine["options"], cases)
    for probe in (replace(plain, options=with_margins, logits=True), replace(plain, options=with_margins)):
        answer = ask(probe, folder, watch)
        if not answer.is_refused:
            return answer
    return ask(plain, folder, watch)


def _logits_facts(answer: Answer) -> dict[str, Any] | None:
    """Where the logits lie and how many there are a token; None where the engine gave none."""
    if answer.folder is None or not (answer.folder / LOGITS).is_file():
        return None
    return {"file": LOGITS, "vocabulary": answer.logits()[0].shape[1]}


def describe(plan: Mapping[str, Any], prompts: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Content of reference.json; without ids where status is not ok, and then with a reason."""
    hello = answer.report.hello if answer.report else None
    pairs = zip(prompts["fidelity"], answer.iterations, strict=True) if answer.status == Status.OK else ()
    entries = [
        {
            "text": prompt["text"],
            "prompt_ids": prompt["prompt_ids"],
            "token_ids": event["token_ids"],
            "margins": event.get("margins"),
        }
        for prompt, event in pairs
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": plan["fidelity"]["reference"],
        "model_identity": prompts["model_identity"],
        "dtype": REFERENCE_DTYPE,
        "device": answer.device,
        "max_new_tokens": plan["fidelity"]["max_new_tokens"],
        "status": answer.status,
        "reason": answer.reason,
        "version": hello["version"] if hello else None,
        "build": hello["build"] if hello else None,
        "logits": _logits_facts(answer) if entries else None,
        "prompts": entries,
    }


def main(argv: Sequence[str]) -> int:
    """Compute the reference's greedy ids in f32; a reference that cannot be had is said in the file."""
    made = {"out": "reference.json; the engine's files lie beside it"}
    parser = command("fidelity.reference", main.__doc__, "plan", "prompts", **made)
    parser.add_argument("--manifest", type=Path, help="the model's manifest.json, which must be in order by now")
    arguments = parser.parse_args(argv)
    if arguments.manifest is not None:
        read_valid("manifest", arguments.manifest)
    plan, prompts = read_json(arguments.plan), read_json(arguments.prompts)
    count, tokens = len(prompts["fidelity"]), plan["fidelity"]["max_new_tokens"]
    print(f"computing the reference with {plan['fidelity']['reference']}: {count} x {tokens} greedy tokens", flush=True)
    answer = ask_reference(plan, prompts, arguments.out.parent, Watch())
    write_json(arguments.out, describe(plan, prompts, answer), indent=None)
    print(printable(f"reference: {answer.status}{f', {answer.reason}' if answer.reason else ''}"))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(guarded(lambda: exit_status(main, sys.argv[1:])))
