"""Whether an engine computes the same model: python -m benchmark_runner.fidelity.check --engine … --out …."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.fidelity.compare import NOT_CHECKABLE, Agreement, Judgement, agreement, judge
from benchmark_runner.fidelity.probe import Answer, Probe, ask, planned_engine
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.engine import become_subreaper
from benchmark_runner.launch.watch import InterruptedLaunchError, Watch
from benchmark_runner.orphans import below_process, end_all

SCHEMA_VERSION: Final = 1


def require_same_prompts(reference: Mapping[str, Any], prompts: Mapping[str, Any], path: Path) -> None:
    """Raise BenchmarkError where the reference answered other prompts than the engine is about to."""
    answered = [entry["prompt_ids"] for entry in reference["prompts"]]
    if answered != [entry["prompt_ids"] for entry in prompts["fidelity"]]:
        raise BenchmarkError(f"{path} belongs to other prompts than prompts.json; delete it and run again")


def compare(reference: Mapping[str, Any], answer: Answer, dtype: str) -> tuple[Judgement, list[Agreement]]:
    """Judgement of an engine's answer, and how far each prompt agrees."""
    entries = reference["prompts"]
    agreements = [
        agreement(entry["text"], entry["token_ids"], entry["margins"], ids)
        for entry, ids in zip(entries, answer.token_ids, strict=True)
    ]
    return judge(agreements, [entry["margins"] for entry in entries], dtype), agreements


def describe(
    engine: Mapping[str, Any],
    reference: Mapping[str, Any],
    device: str | None,
    judgement: Judgement | str,
    agreements: Sequence[Agreement],
) -> dict[str, Any]:
    """Content of fidelity/<engine>.json; a judgement given as text is the reason why nothing could be checked."""
    known = judgement if isinstance(judgement, Judgement) else Judgement(NOT_CHECKABLE, judgement, 0.0, 0, None)
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": engine["name"],
        "reference": reference["engine"],
        "dtype": engine["dtype"],
        "device": device,
        "result": known.result,
        "reason": known.reason,
        "tolerance": known.tolerance if agreements else None,
        "tokens_checked": known.tokens_checked,
        "smallest_margin": known.smallest_margin,
        "prompts": [entry.as_json() for entry in agreements],
    }


def check(
    plan: Mapping[str, Any],
    prompts: Mapping[str, Any],
    reference: Mapping[str, Any],
    engine: Mapping[str, Any],
    folder: Path,
    watch: Watch,
) -> dict[str, Any]:
    """Run the engine as it is configured, greedily, and compare; raises InterruptedLaunchError when stopped."""
    if reference["status"] != "ok":
        reason = f"there is no reference: {reference['engine']} is {reference['status']} ({reference['reason']})"
        return describe(engine, reference, None, reason, [])
    answer = ask(Probe(plan, prompts, engine, engine["dtype"], engine["options"]), folder, watch)
    if answer.status != "ok":
        return describe(engine, reference, answer.device, f"{answer.status}: {answer.reason}", [])
    judgement, agreements = compare(reference, answer, engine["dtype"])
    own = planned_engine(plan, reference["engine"])["binary_path"] == engine["binary_path"]
    if own and engine["dtype"] == reference["dtype"]:
        note = "it is the reference's own program, so this shows that it repeats itself"
        judgement = replace(judgement, reason=f"{judgement.reason}; {note}")
    return describe(engine, reference, answer.device, judgement, agreements)


def main(argv: Sequence[str]) -> int:
    """Write fidelity/<engine>.json; whatever the result, the exit status is 0."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.fidelity.check", description=main.__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="plan.json")
    parser.add_argument("--prompts", type=Path, required=True, help="prompts.json")
    parser.add_argument("--engine", required=True, help="name of the engine in the plan")
    parser.add_argument("--reference", type=Path, required=True, help="reference.json")
    parser.add_argument("--out", type=Path, required=True, help="fidelity/<engine>.json")
    parser.add_argument("--work", type=Path, help="folder for the engine's files; beside --out by default")
    arguments = parser.parse_args(argv)
    plan, prompts, reference = (read_json(getattr(arguments, name)) for name in ("plan", "prompts", "reference"))
    engine = planned_engine(plan, arguments.engine)
    if reference["status"] == "ok":
        require_same_prompts(reference, prompts, arguments.reference)
    folder = arguments.work or arguments.out.parent / engine["name"]
    become_subreaper()
    try:
        result = check(plan, prompts, reference, engine, folder, Watch())
    except InterruptedLaunchError as interruption:
        print(f"stopped: {interruption.reason}", file=sys.stderr)
        return interruption.exit_status
    finally:
        end_all(below_process(os.getpid()))
    write_json(arguments.out, result)
    print(f"fidelity of {engine['name']}: {result['result']}: {result['reason']}")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
