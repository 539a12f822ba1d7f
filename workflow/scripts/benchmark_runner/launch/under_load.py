"""What a launch under load tells beside its requests: warnings, and the tokens that its measured energy made."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.launch.preflight import Warnings, warning
from benchmark_runner.launch.server import PREFIX_CACHE
from benchmark_runner.monitor.summary import Metrics, energy_of
from benchmark_runner.protocol.events import EventReport, Window
from benchmark_runner.protocol.requests import WHOLE_ENDINGS, by_stage
from benchmark_runner.protocol.spec import prompt_of
from benchmark_runner.units import NS_PER_MS, NS_PER_S

MOST_LAG: Final = 0.01
"""Share of the typical time to the first token that a client may be late by, in the 99th of 100 requests (chosen)."""

MOST_AHEAD: Final = 0.05
MOST_AHEAD_MS: Final = 1.0
"""By so much, as a share and beside it, a server's own mean time to the first token may exceed its client's: the two
begin at other moments (chosen)."""

LEAST_FULL: Final = 0.95
"""Share of a closed level's requests that have to be in flight, on average over its window (chosen)."""

MOST_NAMED: Final = 5
"""Models that a warning names (chosen)."""

Requests = Sequence[Mapping[str, Any]]


def level_words(load: Mapping[str, Any]) -> str:
    """A level of load in words."""
    if load["mode"] == "closed":
        return f"{load['concurrency']} {'conversations' if 'turns' in load else 'in flight'}"
    return f"{load['requests_per_second']:.4g} requests/s"


def _failed(requests: Requests) -> str | None:
    measured = [one["status"] for one in requests if one["phase"] == "measured"]
    counts = Counter(status for status in measured if status != "ok")
    if not counts:
        return None
    told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    return f"{counts.total()} of {len(measured)} ({told})"


def _late(stage: Mapping[str, Any], requests: Requests) -> str | None:
    firsts = [one["chunk_ns"][0] - one["scheduled_ns"] for one in requests if one["status"] == "ok"]
    lag_ns, first_ns = stage["send_lag_p99_ns"], statistics.median(firsts) if firsts else 0
    if not firsts or lag_ns <= MOST_LAG * first_ns:
        return None
    return f"{lag_ns / NS_PER_MS:.3g} ms where the first token takes {first_ns / NS_PER_MS:.3g} ms"


def _miscounted(case: Mapping[str, Any], requests: Requests) -> str | None:
    """Requests of which the server's counts are not those of the ids that were sent and came."""

    def differs(one: Mapping[str, Any]) -> bool:
        pairs: list[tuple[int | None, int | None]] = [(one["prompt_tokens"], len(case["prompts"][prompt_of(one)]))]
        if one["status"] == "ok":
            pairs += [(one["completion_tokens"], len(one["token_ids"] or ()) or None)]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    number = sum(map(differs, requests))
    return f"{number} of {len(requests)}" if number else None


def _untold(requests: Requests) -> str | None:
    """Answers of an engine in its own process that are without ids, so that no count of tokens but its own is there."""
    answers = [one for one in requests if one["status"] == "ok" and one["stamp"] == "engine"]
    number = sum(one["token_ids"] is None for one in answers)
    return f"{number} of {len(answers)}" if number else None


def _own(stage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What the server's own clock or counter says of a quantity; empty where it says nothing."""
    return next((one for one in stage.get("own_clock", ()) if one["name"] == name), {})


def _cached(stage: Mapping[str, Any], requests: Requests) -> str | None:
    """By what the answers say, else by the server's counter: not each server tells it in its answers."""
    cached = [one["cached_tokens"] for one in requests if one["cached_tokens"]]
    if cached:
        return f"{sum(cached)} tokens in {len(cached)} of {len(requests)}"
    counted = _own(stage, "cached_tokens").get("theirs", 0)
    return f"{counted:.0f} tokens by its counter" if counted > 0 else None


def warnings_of_model(report: EventReport, told: Mapping[str, Any] | None) -> Warnings:
    """Answers of another model than the server was asked for; told: what its client was told, None without one."""
    answers = [*report.requests, *report.iterations]
    if others := Counter(one["model"] for one in answers if "model" in one):
        named = ", ".join(f"{name} ({number} of {len(answers)})" for name, number in others.most_common(MOST_NAMED))
        asked = f" ({told['model']})" if told is not None else ""
        yield warning("other_model", f"answers are of another model than was asked for{asked}: {named}")


def _ahead(stage: Mapping[str, Any]) -> str | None:
    """A first token cannot have come before its server had it: then it was none, or the counter is not of these."""
    own = _own(stage, "ttft_ms")
    if not own or own["ours"] is None or own["ours_count"] != own["theirs_count"]:
        return None
    if own["theirs"] <= own["ours"] * (1 + MOST_AHEAD) + MOST_AHEAD_MS:
        return None
    return f"{own['ours']:.4g} ms where the server says {own['theirs']:.4g} ms"


def _empty(stage: Mapping[str, Any], load: Mapping[str, Any], requests: Requests) -> str | None:
    """A closed level of which fewer were in flight than it asks for: its latencies are those of another one."""
    start_ns, end_ns = stage["window_start_ns"], stage["window_end_ns"]
    if load["mode"] != "closed" or stage["ended"] == "fillers" or end_ns <= start_ns:
        return None
    from benchmark_runner.records.parsed_requests import mean_in_flight, read_requests  # slow to import

    pause_ns = round(load.get("think_seconds", 0) * NS_PER_S)
    flight = mean_in_flight(read_requests(requests), start_ns, end_ns, pause_ns)
    return f"{flight:.3g} of {load['concurrency']}" if flight < LEAST_FULL * load["concurrency"] else None


def _told(found: Iterable[tuple[str, str | None]]) -> str:
    """What was found at which levels; empty where nothing was."""
    return "; ".join(f"{what} at {level}" for level, what in found if what is not None)


def warnings_of_load(report: EventReport, spec: Mapping[str, Any]) -> Warnings:
    """Requests that failed, counts that contradict each other, answers without ids, a prefix cache, first tokens too
    early, a late client, a stage that was cut, a closed loop that was not kept full."""
    stages = [(stage, spec["cases"][stage["case"]], made) for stage, made in by_stage(report.stages, report.requests)]

    def at_levels(found: Iterable[str | None]) -> str:
        return _told(zip((level_words(case["load"]) for _, case, _ in stages), found, strict=True))

    if told := at_levels(_failed(made) for _, _, made in stages):
        yield warning("requests_failed", f"measured requests failed: {told}")
    if told := at_levels(_miscounted(case, made) for _, case, made in stages):
        yield warning("usage_differs", f"the server counts other tokens than were sent or came: {told}")
    has_ids = report.hello is None or report.hello["capabilities"].get("token_ids", True)
    if has_ids and (told := at_levels(_untold(made) for _, _, made in stages)):
        yield warning("ids_untold", f"the engine told no ids of its answers: {told}")
    is_kept = spec["options"].get(PREFIX_CACHE) is True
    if not is_kept and (told := at_levels(_cached(stage, made) for stage, _, made in stages)):
        yield warning("prefix_cached", f"the server took prompt tokens from a cache: {told}")
    if told := at_levels(_ahead(stage) for stage, _, _ in stages):
        yield warning("clock_ahead", f"first tokens came before the server's own clock has them: {told}")
    if told := at_levels(_late(stage, made) for stage, _, made in stages):
        yield warning("client_late", f"the client sent its requests late (99th percentile): {told}")
    cut = (None if stage["ended"] in WHOLE_ENDINGS else stage["ended"] for stage, _, _ in stages)
    if told := at_levels(cut):
        yield warning("stage_cut", f"stages ended before all was measured: {told}")
    if told := at_levels(_empty(stage, case["load"], made) for stage, case, made in stages):
        yield warning("places_empty", f"fewer requests were in flight than asked for, on average: {told}")
    if told := at_levels("fillers" if stage["ended"] == "fillers" else None for stage, _, _ in stages):
        yield warning("load_sank", f"the last measured requests ended with fewer in flight, out of prompts: {told}")


def record_of_load(report: EventReport, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of a record that only a launch under load has."""
    return {"requests": list(report.requests), "stages": list(report.stages)} if "stages" in spec else {}


def energy_of_levels(report: EventReport, metrics: Metrics) -> dict[str, list[dict[str, Any]]]:
    """Entry `levels` of the monitor's summary: energy in the window of each level, and all tokens that were generated
    in it; none where there is no load."""
    if not report.stages:
        return {}
    from benchmark_runner.records.parsed_requests import output_tokens, read_requests  # slow to import

    requests, found = read_requests(report.requests), []
    for stage in report.stages:
        window = Window(stage["window_start_ns"], stage["window_end_ns"])
        tokens = round(output_tokens(requests, window.start_ns, window.end_ns))
        found.append({"case": stage["case"], **energy_of(metrics, window), "tokens": tokens})
    return {"levels": found}


def measured_tokens(report: EventReport) -> dict[str, int]:
    """Entry `tokens` of the monitor's `measured`: all that were generated in that time, whatever became of them; none
    where there is no load."""
    window = report.measured
    if not report.stages or window is None:
        return {}
    from benchmark_runner.records.parsed_requests import output_tokens, read_requests  # slow to import

    return {"tokens": round(output_tokens(read_requests(report.requests), window.start_ns, window.end_ns))}
