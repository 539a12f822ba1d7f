"""A launch under load: its stages and requests stand in its record, and what is odd about them is a warning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simdjson

from benchmark_runner.launch.readable import make_readable
from benchmark_runner.launch.under_load import energy_of_levels, measured_tokens, warnings_of_load
from benchmark_runner.monitor.summary import Metrics
from benchmark_runner.protocol.events import EventReport
from benchmark_runner.records.raw_data import read_record
from launch_case import PROMPTS, LaunchCase
from scripted_launch import ScriptedEngine, ScriptedWorkload, make_record
from scripted_load import ScriptedLoad

PROGRAM = """#!/usr/bin/env python3
import json, sys, time
spec = json.load(open(sys.argv[2]))
events = open(sys.argv[4], "w")
tell = lambda kind, **said: print(json.dumps({"event": kind, **said}), file=events, flush=True)
able = {"devices": ["cpu"], "dtypes": ["f32"], "sampling": ["greedy"], "seed": True, "load_modes": ["closed"],
        "max_concurrency": 9, "ignore_eos": True}
tell("hello", engine="loaded", version="1", protocol=spec["protocol"], build={}, capabilities=able)
tell("load_start", time_ns=time.monotonic_ns())
dtypes = dict.fromkeys(("weights_dtype", "compute_dtype", "kv_cache_dtype"), "f32")
tell("load_end", time_ns=time.monotonic_ns(), device="cpu", threads=1, **dtypes)
MS = 10**6
for number in spec["stages"]:
    case, start = spec["cases"][number], time.monotonic_ns()
    load, tokens = case["load"], case["max_new_tokens"]
    warmups, slots = load["warmup_requests"], load["concurrency"]
    made = []
    for place in range(warmups + load["requests"]):
        begin = start + place // slots * 4 * MS
        chunks = [begin + (k + 1) * MS // 2 for k in range(tokens)]
        made.append(dict(case=number, number=place, phase="measured" if place >= warmups else "warmup",
            scheduled_ns=begin, start_ns=begin, written_ns=None, chunk_ns=chunks, chunk_tokens=[1] * tokens,
            token_ids=[7] * tokens, stamp="engine", shared_chunks=0, prompt_tokens=len(case["prompts"][place]),
            completion_tokens=tokens, cached_tokens=0, end_ns=chunks[-1], finish="length", status="ok", error=None))
    end = made[-1]["end_ns"]
    time.sleep(max(0, end - time.monotonic_ns()) / 1e9)
    for request in made:
        tell("request", **request)
    tell("stage", case=number, start_ns=start, end_ns=end, window_start_ns=made[warmups]["start_ns"], window_end_ns=end,
         ended="requests", client_cpu_seconds=0.0, send_lag_p50_ns=0, send_lag_p99_ns=0, sockets_max=0)
tell("done")
"""


def loaded_case(folder: Path, change: str = "") -> LaunchCase:
    program = folder / "loaded-engine"
    program.write_text(PROGRAM.replace('tell("done")', f'{change}\ntell("done")'))
    program.chmod(0o755)
    case = LaunchCase(folder, binary=program)
    workload = case.plan["workloads"][0]
    workload |= {"warmup_iterations": 0, "iterations_per_launch": 1}
    for number, planned in enumerate(workload["cases"], start=1):
        load = {"mode": "closed", "concurrency": number, "requests": 6, "duration_seconds": None}
        planned["load"] = load | {"warmup_requests": number, "timeout_seconds": 10}
    case.plan["campaign"] = {"seed": 3}
    prompts = [{"case": name, "prompt_ids": list(range(5, 25))} for name in ("case_1", "case_2")]
    (folder / "plan.json").write_text(json.dumps(case.plan))
    (folder / "prompts.json").write_text(json.dumps(PROMPTS | {"workloads": {"quick": prompts}}))
    return case


def test_a_launch_records_its_stages_and_their_requests(tmp_path: Path) -> None:
    case = loaded_case(tmp_path)
    assert case.run().returncode == 0
    record = case.record()
    assert (record["status"], record["reason"], record["iterations"]) == ("ok", None, [])
    assert [stage["case"] for stage in record["stages"]] == record["spec"]["stages"]
    assert len(record["requests"]) == 1 + 6 + 2 + 6
    window = record["stages"][-1]["window_end_ns"] - record["stages"][0]["window_start_ns"]
    assert record["monitor"]["measured"]["duration_ms"] == pytest.approx(window / 1e6, abs=0.01)
    assert 0 < record["monitor"]["measured"]["tokens"] <= 15 * 4
    head = read_record(case.out_dir / "record.json", simdjson.Parser()).head
    assert head["stages"] == record["stages"]


def test_a_launch_that_says_done_too_early_failed_and_keeps_what_it_measured(tmp_path: Path) -> None:
    case = loaded_case(tmp_path)
    program = tmp_path / "loaded-engine"
    program.write_text(program.read_text().replace('in spec["stages"]:', 'in spec["stages"][:1]:'))
    case.run()
    record = case.record()
    assert record["status"] == "failed" and "done although the stage of case" in record["reason"]
    assert len(record["stages"]) == 1 and record["requests"]


WORKLOAD = ScriptedWorkload(name="serving", load=ScriptedLoad(concurrency=(1, 4), requests=6))


def scripted(**engine: Any) -> tuple[EventReport, dict[str, Any]]:
    record = make_record(
        ScriptedEngine("a", **engine),
        WORKLOAD,
        {"identity": "0" * 12, "block": 1, "position": 1},
        np.random.default_rng(1),
    )
    spoken = (record["hello"], record["load"], [], None, True, None)
    return EventReport(*spoken, requests=record["requests"], stages=record["stages"]), record


def told(report: EventReport, record: dict[str, Any]) -> dict[str, str]:
    return {entry["kind"]: entry["message"] for entry in warnings_of_load(report, record["spec"])}


def test_a_load_that_went_well_warns_of_nothing() -> None:
    assert told(*scripted()) == {}


def test_a_closed_loop_that_begins_requests_late_is_warned_of() -> None:
    report, record = scripted(slots=4)
    level = next(number for number, case in enumerate(record["spec"]["cases"]) if case["load"]["concurrency"] == 4)
    window = next(stage for stage in report.stages if stage["case"] == level)
    half_ns = (window["window_end_ns"] - window["window_start_ns"]) // 2
    for one in report.requests:
        if one["case"] == level and one["phase"] == "measured":
            begun_ns = max(one["scheduled_ns"], window["window_start_ns"] + half_ns)
            one.update(
                scheduled_ns=begun_ns, start_ns=begun_ns, chunk_ns=[begun_ns], end_ns=max(one["end_ns"], begun_ns)
            )
    found = told(report, record)["places_empty"]
    assert found.startswith("fewer requests were in flight than asked for, on average: ") and "at 4 in flight" in found


def test_failed_requests_are_counted_by_how_they_ended() -> None:
    found = told(*scripted(failing={("c4", 5): "timeout", ("c4", 6): "cut", ("c4", 7): "cut", ("c1", 0): "error"}))
    assert found == {"requests_failed": "measured requests failed: 3 of 6 (2 cut, 1 timeout) at 4 in flight"}


def test_a_client_that_is_late_beside_the_first_token_is_told() -> None:
    report, record = scripted(send_lag_p99_ns=250_000)  # the first token comes after 20 ms
    late = told(report, record)["client_late"]
    assert "0.25 ms where the first token takes 20 ms at 1 in flight" in late and "at 4 in flight" in late


def test_counts_that_contradict_each_other_and_caches_are_told() -> None:
    report, record = scripted()
    first, second, third = report.requests[:3]
    first["completion_tokens"] = 9
    second["prompt_tokens"] = 7
    third["cached_tokens"] = 5
    found = told(report, record)
    assert "2 of " in found["usage_differs"] and "5 tokens in 1 of " in found["prefix_cached"]


def test_an_engine_in_its_own_process_that_tells_no_ids_is_told() -> None:
    report, record = scripted()
    for one in report.requests:
        one["token_ids"] = None
    assert told(report, record) == {}  # a client stamped them: a server may count in usage alone
    for one in report.requests:
        one["stamp"] = "engine"
    found = told(report, record)
    assert found.keys() == {"ids_untold"}
    assert all(f" at {level} in flight" in found["ids_untold"] for level in (1, 4))
    record["hello"]["capabilities"]["token_ids"] = False  # it says itself that it yields text
    assert told(report, record) == {}


def test_tokens_of_a_cache_that_was_asked_for_are_no_warning() -> None:
    report, record = scripted()
    report.requests[2]["cached_tokens"] = 5
    record["spec"]["options"] = {"prefix_cache": True}
    assert told(report, record) == {}
    record["spec"]["options"] = {"prefix_cache": False}
    assert "prefix_cached" in told(report, record)


def test_a_cache_that_only_the_servers_counter_tells_is_told_too() -> None:
    report, record = scripted(own_ttft_ms=19.0)
    assert told(report, record) == {}
    report.stages[0]["own_clock"][1]["theirs"] = 64.0
    assert "64 tokens by its counter at " in told(report, record)["prefix_cached"]


def test_a_first_token_that_came_before_the_server_says_it_had_it_is_told() -> None:
    report, record = scripted(own_ttft_ms=22.5)
    assert "20 ms where the server says 22.5 ms at 1 in flight" in told(report, record)["clock_ahead"]
    for stage in report.stages:
        stage["own_clock"][0]["theirs_count"] += 1  # a mean over others
    assert told(report, record) == {}


def test_a_stage_that_ended_early_is_told() -> None:
    report, record = scripted()
    report.stages[0]["ended"] = "prompts"
    assert told(report, record)["stage_cut"].startswith("stages ended before all was measured: prompts at ")


def test_tokens_of_the_measured_time_are_those_of_all_requests_in_it() -> None:
    report, _ = scripted()
    window = report.measured
    assert window is not None
    within = [time for one in report.requests for time in one["chunk_ns"] if window.start_ns < time <= window.end_ns]
    assert measured_tokens(report) == {"tokens": len(within)}
    assert measured_tokens(report._replace(requests=(), stages=())) == {}


def test_energy_of_each_level_is_that_of_its_window_by_the_samples_around_it() -> None:
    report, _ = scripted()
    first, last = report.stages[0], report.stages[-1]
    ends = (first["window_start_ns"] - 10**9, last["window_end_ns"] + 10**9)
    watts = 40.0
    samples = [{"time_ns": at_ns, "package_energy_joules": watts * (at_ns - ends[0]) / 1e9} for at_ns in ends]
    levels = energy_of_levels(report, Metrics(100, [0], {}, samples, 0))["levels"]
    assert [one["case"] for one in levels] == [one["case"] for one in report.stages]
    for level, stage in zip(levels, report.stages, strict=True):
        start_ns, end_ns = stage["window_start_ns"], stage["window_end_ns"]
        within = [at for one in report.requests for at in one["chunk_ns"] if start_ns < at <= end_ns]
        assert level["package_energy_joules"] == pytest.approx(watts * (end_ns - start_ns) / 1e9, abs=1e-5)
        assert (level["gpu_energy_joules"], level["tokens"]) == (None, len(within))
    assert energy_of_levels(report._replace(stages=()), Metrics(100, [0], {}, samples, 0)) == {}


def test_a_load_that_cannot_be_kept_is_left_out_whole() -> None:
    _, record = scripted()
    record |= {"engine_environment": None, "gpu": None, "monitor": [2**80]}
    record["requests"].pop()
    make_readable(record)
    assert (record["status"], record["requests"], record["stages"]) == ("failed", [], [])


def test_a_launch_measures_the_levels_that_its_engine_is_asked_for_and_names_the_others(tmp_path: Path) -> None:
    case = loaded_case(tmp_path)
    row = {"engine": "fake", "workload": "quick", "case": "case_1", "reason": "fake serves no conversations"}
    (tmp_path / "plan.json").write_text(json.dumps(case.plan | {"not_asked": [row]}))
    assert case.run().returncode == 0
    record = case.record()
    assert (record["status"], record["not_asked"]) == ("ok", {"case_1": "fake serves no conversations"})
    assert [one["load"]["concurrency"] for one in record["spec"]["cases"]] == [2]
    assert [stage["case"] for stage in record["stages"]] == [0]
    assert len(record["requests"]) == 2 + 6
