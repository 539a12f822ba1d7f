"""Load of a test case: what its keys mean together, and the levels that its lists stand for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.configuration.files import KeyPath, Problem
from benchmark_runner.configuration.names import entries
from benchmark_runner.configuration.search import (
    PILOT,
    RATE_DIGITS,
    search_complaints,
    search_problem,
    with_levels,
)
from benchmark_runner.display import plural

DEFAULT_REQUESTS: Final = 32
"""Measured requests of a level in a launch, where neither a number nor a time is given (chosen)."""

WARMUP_ARRIVALS: Final = 4
"""Requests of an open level before the measured ones (chosen)."""

OPEN_LOOP_SLOTS: Final = 16
"""Requests that an engine computes at once in an open loop that sets no `slots` (chosen); more wait in its queue."""

_OF_TRACE: Final = ("trace_file", "trace_start_seconds", "trace_speed")

_OF_MODE: Final[Mapping[str, tuple[str, ...]]] = {
    "closed": ("concurrency", "turns", "think_seconds"),
    "open": ("requests_per_second", "arrivals", "burstiness", "seed", "slots", *_OF_TRACE),
}
"""Keys that mean something in one mode alone."""

TRACE: Final = "trace"
"""What arrivals and lengths are called that a file of the user's tells."""

_DRAWN_BY: Final = ("mean", "sd", "quantiles")
_KEYS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "uniform": ("min", "max"),
    "lognormal": ("mean", "sd", "min", "max"),
    "gamma": ("mean", "sd", "min", "max"),
    "quantiles": ("quantiles", "min", "max"),
    TRACE: (),
}
"""Keys of which each distribution of lengths is made; min and max may cut any."""

_ITERATION_KEYS: Final = ("iterations", "warmup_iterations")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def case_name(number: int) -> str:
    """What a workload calls its test case, counted from 1."""
    return f"case_{number}"


def level_case(level: str, number: int, count: int) -> str:
    """The same of a level of that test case, one of so many; the only one's are called by their level alone."""
    return level if count == 1 else f"{case_name(number)}_{level}"


def group_of(case: str) -> str | None:
    """The test case whose level is called so; None where its workload has no other."""
    return case.rpartition("_")[0] or None


def rate_name(rate: float) -> str:
    """A rate as names and sentences have it: 0.5, 2, 1000."""
    return f"{rate:.{RATE_DIGITS}f}".rstrip("0").rstrip(".")


def _whole_rounds(requests: int | None, round_of: int) -> int | None:
    """Requests rounded up to as many for each place, of conversations to whole ones: of an engine that answers all at
    once the last ones would miss, and one turn would count more often than another."""
    return None if requests is None else -(-requests // round_of) * round_of


def levels(load: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and settings of each level of a sound `load`, as plan.json has them; a trace's own rate is left out.

    Where the levels are not found yet, those that a pilot tries.
    """
    load = with_levels(load)
    requests, duration = load.get("requests"), load.get("duration_seconds")
    if duration is None and requests is None:
        requests = DEFAULT_REQUESTS
    size = {"requests": requests, "duration_seconds": duration}
    timeout = {"timeout_seconds": load["timeout_seconds"]}
    if load["mode"] == "closed":
        turns = load.get("turns", 1)
        talk = {"turns": turns, "think_seconds": load.get("think_seconds", 0)} if "turns" in load else {}
        return [
            (
                f"c{n}",
                {
                    "mode": "closed",
                    "concurrency": n,
                    **size,
                    "requests": _whole_rounds(requests, n * turns),
                    "warmup_requests": load.get("warmup_requests", n * turns),
                    **timeout,
                    **talk,
                },
            )
            for n in _listed(load["concurrency"])
        ]
    arrivals = load.get("arrivals", "poisson")
    drawn = {key: load[key] for key in ("slots",) if load.get(key) is not None}
    drawn |= {"arrivals": arrivals, "burstiness": load.get("burstiness", 1.0), "seed": load.get("seed", 0)}
    rest = {**drawn, **size, "warmup_requests": load.get("warmup_requests", WARMUP_ARRIVALS), **timeout}
    if arrivals == TRACE:
        window = {"trace_file": load["trace_file"], "trace_start_seconds": load.get("trace_start_seconds", 0)}
        speeds = load.get("trace_speed", 1)
        return [
            (
                f"x{rate_name(speed)}" if isinstance(speeds, list) else TRACE,
                {"mode": "open", **window, "trace_speed": speed, **rest},
            )
            for speed in _listed(speeds)
        ]
    rates = _listed(load["requests_per_second"])
    return [(f"r{rate_name(rate)}", {"mode": "open", "requests_per_second": rate, **rest}) for rate in rates]


def slots_of(load: Mapping[str, Any]) -> int:
    """Requests of a level that an engine has places for at once: those in flight, or those that an open loop grants."""
    slots: int = load.get("concurrency") or load.get("slots", OPEN_LOOP_SLOTS)
    return slots


def size_in_words(load: Mapping[str, Any]) -> str:
    """How much of a level is measured in each launch."""
    if load["requests"] is None:
        measured = f"the requests of {load['duration_seconds']:g} s"
    else:
        measured = plural(load["requests"], "request")
    return f"{measured} after {load['warmup_requests']} to warm up"


def levels_in_words(cases: Sequence[Mapping[str, Any]]) -> str:
    """What a launch of a workload under load does, from its test cases in plan.json."""
    sizes = [size_in_words(case["load"]) for case in cases]
    each = f"each {sizes[0]}" if len(set(sizes)) == 1 else ", ".join(sizes)
    return f"{plural(len(cases), 'level')} ({', '.join(case['name'] for case in cases)}), {each}"


def scheduled_seconds(load: Mapping[str, Any]) -> float:
    """What the schedule of a level takes by itself, however fast the engine is; 0 where the engine sets the pace."""
    rate = load.get("requests_per_second")
    if "turns" in load and load["requests"]:
        return float(load["think_seconds"] * (load["warmup_requests"] + load["requests"]) / load["concurrency"])
    duration: float = load["duration_seconds"] or (load["requests"] / rate if rate else 0.0)
    return duration + (load["warmup_requests"] / rate if rate else 0.0)


def longest(length: Any) -> Any:
    """The greatest length that prompt_tokens or max_tokens of a test case asks for; what is neither stays."""
    return length.get("max") if isinstance(length, Mapping) else length


def whole_conversation(new_tokens: int, answer_tokens: int, turns: int) -> int:
    """Tokens of the prompt of a conversation's last turn, where each turn brings so many new ones and gets such an
    answer."""
    return turns * new_tokens + (turns - 1) * answer_tokens


def cell_count(test_cases: Sequence[Mapping[str, Any]]) -> int:
    """How many test cases of plan.json the sound ones of a workload become."""
    return sum(len(levels(case["load"])) if case.get("load") else 1 for case in test_cases)


def _arrival_contradictions(load: Mapping[str, Any], arrivals: str) -> Iterator[tuple[str, str]]:
    """The same of the keys that tell an open loop's rate: of its own, or of a trace."""
    is_trace, rates = arrivals == TRACE, load.get("requests_per_second")
    if is_trace and rates is not None:
        yield (
            "requests_per_second",
            "a trace brings its own times; leave the key out and write trace_speed: 2 for twice as many a second, or "
            "choose other arrivals",
        )
    elif not is_trace and rates is None and load.get("search") in (None, PILOT):
        yield "", "key 'requests_per_second' is missing; add it: arrivals a second, as 2.5 or [0.5, 1, 2]"
    if is_trace and load.get("trace_file") is None:
        yield "arrivals", "arrivals: trace needs the key trace_file: a CSV file of times and tokens, or of times alone"
    for key in () if is_trace else _OF_TRACE:
        if load.get(key) is not None:
            yield key, f"{key} is for arrivals: trace; write that, or leave {key} out"


def _contradictions(load: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and complaint of what does not go together; values of a wrong kind have the schema's message."""
    mode = load.get("mode")
    if not isinstance(mode, str) or mode not in _OF_MODE:
        return
    other = "open" if mode == "closed" else "closed"
    for key in _OF_MODE[other]:
        if load.get(key) is not None:
            yield key, f"{key} belongs to mode {other}, and this load is {mode}; leave it out, or write mode: {other}"
    if load.get("requests") is not None and load.get("duration_seconds") is not None:
        yield "duration_seconds", "a level ends by requests or by duration_seconds; keep one of the two"
    yield from search_complaints(load)
    if mode == "closed":
        if load.get("concurrency") is None and load.get("search") in (None, PILOT):
            yield "", "key 'concurrency' is missing; add it: requests in flight, as 8 or [1, 2, 4, 8]"
        if load.get("think_seconds") is not None and load.get("turns") is None:
            yield "think_seconds", "it is the pause before the next turn of a conversation; add turns, or leave it out"
        return
    arrivals = load.get("arrivals", "poisson")
    yield from _arrival_contradictions(load, arrivals)
    if arrivals == "gamma" and load.get("burstiness") is None:
        yield "arrivals", "gamma needs the key burstiness: below 1 is burstier than poisson, above 1 more regular"
    if arrivals != "gamma" and load.get("burstiness") not in (None, 1):
        yield "burstiness", f"{arrivals} arrivals have no burstiness to choose; write arrivals: gamma, or leave it out"
    for key, what in (("requests_per_second", "rates"), ("trace_speed", "speeds")):
        values = {one for one in _listed(load.get(key)) if isinstance(one, (int, float))}
        names = [rate_name(value) for value in values]
        if twice := next((name for name in names if names.count(name) > 1), None):
            yield key, f"two {what} are {twice} when rounded to {RATE_DIGITS} digits; name each once"


def _length_complaints(
    key: str, length: Mapping[str, Any], *, has_load: bool, replays: bool
) -> Iterator[tuple[str, str]]:
    """Key and complaint of a distribution of lengths."""
    if not has_load:
        yield key, f"{key} by distribution is for requests under load: add load, or write a number"
    numbers = {name: value for name, value in length.items() if isinstance(value, (int, float))}
    distribution = length.get("distribution")
    if distribution == TRACE and has_load and not replays:
        words = f"{key} of a trace needs load with arrivals: trace, whose file tells them"
        yield key, f"{words}; or choose another distribution"
    for name in sorted(set(length) & set(_DRAWN_BY) - set(_KEYS_OF.get(str(distribution), _DRAWN_BY))):
        yield f"{key}.{name}", f"{name} says nothing of a distribution {distribution}; leave it out"
    if missing := [name for name in _KEYS_OF.get(str(distribution), ()) if name not in length]:
        yield key, f"key {missing[0]!r} is missing, of which a distribution {distribution} is made; add it"
    steps = length.get("quantiles")
    if isinstance(steps, list) and all(isinstance(one, int) for one in steps) and steps != sorted(steps):
        yield f"{key}.quantiles", "they go down; write the lengths in rising order, from 0 to 100 %"
    if numbers.get("min", 0) > numbers.get("max", math.inf):
        yield f"{key}.min", f"min {numbers.get('min', 0)} is more than max {length['max']}; exchange them"
    elif "mean" in numbers and not numbers.get("min", 0) <= numbers["mean"] <= numbers.get("max", math.inf):
        yield f"{key}.mean", "the mean lies outside min and max, at which draws are cut; move one of them"


def _lengths(case: Mapping[str, Any], *, has_load: bool) -> Iterator[tuple[str, str]]:
    if has_load and case["load"].get("turns") is not None and "prompt_tokens" not in case:
        yield "load.turns", "a turn's new tokens are told by prompt_tokens; write that, or leave turns out"
    if case.get("prompts_file") is not None:
        if not has_load:
            yield (
                "prompts_file",
                "a file of prompts is for requests under load: add load, or write one into prompt_file",
            )
        if case.get("shared_prefix_tokens") is not None:
            yield "shared_prefix_tokens", "prompts of a file begin as they are written; leave it out"
    replays = has_load and case["load"].get("arrivals") == TRACE
    for key in ("prompt_tokens", "max_tokens"):
        if isinstance(case.get(key), Mapping):
            yield from _length_complaints(key, case[key], has_load=has_load, replays=replays)
    if (shared := case.get("shared_prefix_tokens")) is not None and not has_load:
        yield "shared_prefix_tokens", f"{shared} tokens are shared by requests under load: add load, or leave it out"


def load_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the loads of a configuration whose defaults are not filled in yet."""
    for w, workload in entries(config, "workloads"):
        cases = list(entries(workload, "test_cases"))
        loaded = [isinstance(case.get("load"), dict) for _, case in cases]
        for (c, case), has_load in zip(cases, loaded, strict=True):
            place: KeyPath = ["workloads", w, "test_cases", c]
            for key, complaint in _lengths(case, has_load=has_load):
                yield [*place, *key.split(".")], complaint
            if has_load:
                for key, complaint in _contradictions(case["load"]):
                    yield [*place, "load", *([key] if key else [])], complaint
                if problem := search_problem(case["load"], config):
                    yield [*place, "load", "search"], problem
            elif any(loaded):
                words = "this test case has no load and another one of its workload has"
                yield place, f"{words}; give it one, or put it into a workload of its own"
        for key in _ITERATION_KEYS if any(loaded) else ():
            if key in workload:
                yield (
                    ["workloads", w, key],
                    f"a workload under load counts requests: leave {key} out, and set load.requests, "
                    "load.duration_seconds or load.warmup_requests",
                )


def has_load(workload: Mapping[str, Any]) -> bool:
    """Whether a workload of the configuration, or of plan.json, has several requests in flight or arriving."""
    cases = workload.get("test_cases", workload.get("cases"))
    return isinstance(cases, list) and any(isinstance(case, dict) and case.get("load") for case in cases)


def with_slo(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with an `analysis.slo` to fill in where a workload has load; without one it stays as it is."""
    if not any(has_load(workload) for _, workload in entries(config, "workloads")):
        return config
    analysis = config.get("analysis", {})
    if not isinstance(analysis, dict) or analysis.get("slo") is not None:
        return config
    return {**config, "analysis": {**analysis, "slo": {}}}


def without_iterations(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the numbers of iterations that defaults gave to workloads under load."""
    for _, workload in entries(config, "workloads"):
        for key in _ITERATION_KEYS if has_load(workload) else ():
            workload.pop(key, None)
    return config
