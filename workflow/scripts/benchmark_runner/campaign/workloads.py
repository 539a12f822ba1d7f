"""The workloads of a configuration as plan.json has them: test cases with their prompts, a test case for each level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark_runner.configuration.load import has_load, levels, longest
from benchmark_runner.hashes import file_sha256
from benchmark_runner.load.schedule import trace_ns
from benchmark_runner.units import NS_PER_S


def hottest_sampling(workloads: Iterable[Mapping[str, Any]]) -> dict[str, float] | None:
    """How draws are to be checked: at the highest temperature of the plan's test cases; None where all are greedy."""
    drawn = [(case["temperature"], case["top_p"]) for workload in workloads for case in workload["cases"]]
    temperature, top_p = max(drawn, default=(0, 1))
    return {"temperature": temperature, "top_p": top_p} if temperature > 0 else None


def _prompt(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt file stands with its hash, so that its text is part of the identity."""
    if "prompt_file" in entry:
        path = entry["prompt_file"]
        return {"kind": "file", "path": path, "sha256": file_sha256(Path(path))}
    if "prompt_tokens" in entry:
        return {"kind": "tokens", "count": longest(entry["prompt_tokens"])}
    if isinstance(entry["prompt"], str):
        return {"kind": "text", "text": entry["prompt"]}
    return {"kind": "messages", "messages": entry["prompt"]}


def _trace(path: Path) -> dict[str, Any]:
    """What a level says of its trace: its content, its requests, and its mean rate."""
    times_ns = trace_ns(path)
    rate = (len(times_ns) - 1) / (times_ns[-1] / NS_PER_S)
    return {"trace_sha256": file_sha256(path), "trace_requests": len(times_ns), "requests_per_second": rate}


def _cases(name: str, entry: Mapping[str, Any], *, is_only: bool) -> Iterator[dict[str, Any]]:
    """A test case called name as plan.json has it, or one for each level of its load; the only one's are called by
    their level alone."""
    settings = {key: entry[key] for key in ("temperature", "top_p", "seed", "ignore_eos")}
    content = {"prompt": _prompt(entry), "max_new_tokens": longest(entry["max_tokens"]), **settings}
    if not entry.get("load"):
        yield {"name": name, **content}
        return
    lengths = {"prompt_lengths": entry.get("prompt_tokens"), "answer_lengths": entry["max_tokens"]}
    drawn = {key: dict(length) for key, length in lengths.items() if isinstance(length, Mapping)}
    if entry.get("shared_prefix_tokens"):
        drawn["shared_prefix_tokens"] = entry["shared_prefix_tokens"]
    for level, load in levels(entry["load"]):
        trace = _trace(Path(load["trace_file"])) if "trace_file" in load else {}
        yield {"name": level if is_only else f"{name}_{level}", **content, "load": {**load, **trace}, **drawn}


def planned_workload(entry: Mapping[str, Any], launches: int, per_launch: int) -> dict[str, Any]:
    """A workload with per_launch iterations in each of so many launches; under load one round of all its levels."""
    cases = entry["test_cases"]
    return {
        "name": entry["name"],
        "description": entry["description"],
        "iterations_total": per_launch * launches,
        "iterations_per_launch": per_launch,
        "warmup_iterations": 0 if has_load(entry) else entry["warmup_iterations"],
        "cases": [
            case
            for index, test_case in enumerate(cases, start=1)
            for case in _cases(f"case_{index}", test_case, is_only=len(cases) == 1)
        ],
    }
