"""The workloads of a configuration as plan.json has them: test cases with their prompts, a test case for each level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.trace import Window, lengths_in, read_trace, window_of
from benchmark_runner.configuration.load import (
    TRACE,
    case_name,
    has_load,
    level_case,
    levels,
    rate_name,
    whole_conversation,
)
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import file_sha256
from benchmark_runner.model.prompt_lines import count_lines


def hottest_sampling(workloads: Iterable[Mapping[str, Any]]) -> dict[str, float] | None:
    """How draws are to be checked: at the highest temperature of the plan's test cases; None where all are greedy."""
    drawn = [(case["temperature"], case["top_p"]) for workload in workloads for case in workload["cases"]]
    temperature, top_p = max(drawn, default=(0, 1))
    return {"temperature": temperature, "top_p": top_p} if temperature > 0 else None


AT_ONCE: Final = 4
"""Requests in flight of the fidelity check where the campaign's levels set no number, or one (chosen)."""


def requests_at_once(workloads: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Entry `at_once` of the plan's fidelity: the most requests that a level has in flight or
    places for, where it says; none without load."""
    loads = [case["load"] for workload in workloads for case in workload["cases"] if "load" in case]
    most = max((load.get("concurrency") or load.get("slots") or AT_ONCE for load in loads), default=0)
    return {"at_once": most if most > 1 else AT_ONCE} if loads else {}


def _prompt(entry: Mapping[str, Any], tokens: Any) -> dict[str, Any]:
    """A prompt file stands with its hash, so that its text is part of the identity."""
    if "prompt_file" in entry:
        path = entry["prompt_file"]
        return {"kind": "file", "path": path, "sha256": file_sha256(Path(path))}
    if "prompts_file" in entry:
        lines = count_lines(Path(entry["prompts_file"]))
        return {"kind": "lines", "path": entry["prompts_file"], "sha256": lines.sha256, "lines": lines.prompts}
    if "prompt_tokens" in entry:
        return {"kind": "tokens", "count": tokens}
    if isinstance(entry["prompt"], str):
        return {"kind": "text", "text": entry["prompt"]}
    return {"kind": "messages", "messages": entry["prompt"]}


def _lengths(entry: Mapping[str, Any], load: Mapping[str, Any], window: Window | None) -> dict[str, dict[str, Any]]:
    """The lengths of a level that are told by request, by their key of the test case; those of a trace are its own."""
    found = {}
    for key, field in (("prompt_tokens", "prompt_tokens"), ("max_tokens", "output_tokens")):
        lengths = entry.get(key)
        if "turns" in load and isinstance(lengths, int):
            found[key] = {"distribution": "uniform", "min": lengths, "max": lengths}
        elif isinstance(lengths, Mapping):
            is_traced = window is not None and lengths["distribution"] == TRACE
            found[key] = lengths_in(window, field, lengths) if window and is_traced else dict(lengths)
    return found


def _level(load: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the plan says of a level; a trace is frozen in it, so that no job needs the file."""
    window, traced = None, {}
    if "trace_file" in load:
        path = Path(load["trace_file"])
        window = window_of(read_trace(path), load)
        traced = {
            "trace_sha256": file_sha256(path),
            "requests_per_second": window.rate,
            "arrivals_ns": list(window.arrivals_ns),
        }
    lengths = _lengths(entry, load, window)
    longest_of: dict[str, Any] = {
        key: lengths.get(key, {}).get("max", entry.get(key)) for key in ("prompt_tokens", "max_tokens")
    }
    if "turns" in load:
        longest_of["prompt_tokens"] = whole_conversation(
            longest_of["prompt_tokens"], longest_of["max_tokens"], load["turns"]
        )
    names = {"prompt_tokens": "prompt_lengths", "max_tokens": "answer_lengths"}
    drawn: dict[str, Any] = {names[key]: each for key, each in lengths.items()}
    if entry.get("shared_prefix_tokens"):
        drawn["shared_prefix_tokens"] = entry["shared_prefix_tokens"]
    return {
        "prompt": _prompt(entry, longest_of["prompt_tokens"]),
        "max_new_tokens": longest_of["max_tokens"],
        **{key: entry[key] for key in ("temperature", "top_p", "seed", "ignore_eos")},
        "load": {**load, **traced},
        **drawn,
    }


def planned_levels(entry: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and content of each level of a test case with load; raises BenchmarkError where a trace cannot be used, or
    brings as many requests a second at two speeds: levels are told apart by that."""
    found = [(name, _level(load, entry)) for name, load in levels(entry["load"])]
    rates: dict[str, str] = {}
    for name, content in found if "trace_file" in entry["load"] else ():
        rate = rate_name(content["load"]["requests_per_second"])
        if (other := rates.setdefault(rate, name)) != name:
            raise BenchmarkError(
                f"the trace brings {rate} requests/s both at {other} and at {name}; leave one of them "
                "out, or ask for requests in place of duration_seconds"
            )
    return found


def _cases(number: int, entry: Mapping[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """The number-th of so many test cases as plan.json has it, or one for each level of its load."""
    if not entry.get("load"):
        settings = {key: entry[key] for key in ("temperature", "top_p", "seed", "ignore_eos")}
        prompt = _prompt(entry, entry.get("prompt_tokens"))
        yield {"name": case_name(number), "prompt": prompt, "max_new_tokens": entry["max_tokens"], **settings}
        return
    for level, content in planned_levels(entry):
        yield {"name": level_case(level, number, count), **content}


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
            case for index, test_case in enumerate(cases, start=1) for case in _cases(index, test_case, len(cases))
        ],
    }
