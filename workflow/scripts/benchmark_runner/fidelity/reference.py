"""The reference's greedy ids: python -m benchmark_runner.fidelity.reference --plan … --out reference.json."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.weights import REFERENCE_DTYPE
from benchmark_runner.errors import exit_status
from benchmark_runner.fidelity.probe import Answer, Probe, ask, planned_engine
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.engine import become_subreaper
from benchmark_runner.launch.watch import InterruptedLaunchError, Watch
from benchmark_runner.orphans import below_process, end_all

SCHEMA_VERSION: Final = 1


def ask_reference(plan: Mapping[str, Any], prompts: Mapping[str, Any], folder: Path, watch: Watch) -> Answer:
    """Ids with margins, or without where the engine knows no option `margins`."""
    engine = planned_engine(plan, plan["fidelity"]["reference"])
    with_margins = {**engine["options"], "margins": True}
    answer = ask(Probe(plan, prompts, engine, REFERENCE_DTYPE, with_margins), folder, watch)
    refused = answer.report is not None and answer.report.error is not None
    if answer.status == "unavailable" and refused:
        answer = ask(Probe(plan, prompts, engine, REFERENCE_DTYPE, engine["options"]), folder, watch)
    return answer


def describe(plan: Mapping[str, Any], prompts: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Content of reference.json; without ids where status is not ok, and then with a reason."""
    hello = answer.report.hello if answer.report else None
    entries = []
    if answer.status == "ok":
        entries = [
            {"text": prompt["text"], "prompt_ids": prompt["prompt_ids"], "token_ids": ids, "margins": margins}
            for prompt, ids, margins in zip(prompts["fidelity"], answer.token_ids, answer.margins, strict=True)
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
        "prompts": entries,
    }


def main(argv: Sequence[str]) -> int:
    """Compute the reference's greedy ids in f32; a reference that cannot be had is said in the file."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.fidelity.reference", description=main.__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="plan.json")
    parser.add_argument("--prompts", type=Path, required=True, help="prompts.json")
    parser.add_argument("--manifest", type=Path, help="the model's manifest.json, which must exist by now")
    parser.add_argument("--out", type=Path, required=True, help="reference.json; the engine's files lie beside it")
    arguments = parser.parse_args(argv)
    plan, prompts = read_json(arguments.plan), read_json(arguments.prompts)
    count, tokens = len(prompts["fidelity"]), plan["fidelity"]["max_new_tokens"]
    print(f"computing the reference with {plan['fidelity']['reference']}: {count} x {tokens} greedy tokens", flush=True)
    become_subreaper()
    try:
        answer = ask_reference(plan, prompts, arguments.out.parent, Watch())
    except InterruptedLaunchError as interruption:
        print(f"stopped: {interruption.reason}", file=sys.stderr)
        return interruption.exit_status
    finally:
        end_all(below_process(os.getpid()))
    write_json(arguments.out, describe(plan, prompts, answer), indent=None)
    print(f"reference: {answer.status}{f', {answer.reason}' if answer.reason else ''}")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
