"""The table of stages: each column worked by hand, for requests at the edges of the window, failed and cut off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records.parsed_requests import read_requests
from benchmark_runner.records.stages import STAGES, main, read_stages, stage_row
from benchmark_runner.records.tabulate import launch_table
from benchmark_runner.units import MS_PER_S
from records import SLO, ScriptedEngine, ScriptedWorkload, make_raw_data
from scripted_load import ScriptedLoad

MS = 1_000_000
CLOSED = {"mode": "closed", "concurrency": 2}
NO_LIMIT = {"ttft_ms": None, "tpot_ms": None, "itl_p99_ms": None, "e2e_ms": None, "share": 1.0}


def request(number: int, start_ms: int, *chunks_ms: int, phase: str = "measured", **changes: Any) -> dict[str, Any]:
    """One that answers a token a chunk."""
    end_ms = chunks_ms[-1] if chunks_ms else start_ms
    made = {
        "case": 0,
        "number": number,
        "phase": phase,
        "scheduled_ns": start_ms * MS,
        "start_ns": start_ms * MS,
        "written_ns": start_ms * MS,
        "chunk_ns": [time * MS for time in chunks_ms],
        "chunk_tokens": [1] * len(chunks_ms),
        "token_ids": None,
        "stamp": "kernel",
        "shared_chunks": 0,
        "prompt_tokens": 10,
        "completion_tokens": len(chunks_ms),
        "cached_tokens": 0,
        "end_ns": end_ms * MS,
        "finish": "length",
        "status": "ok",
        "error": None,
    }
    return made | changes


def row(requests: list[dict[str, Any]], slo: dict[str, Any], load: dict[str, Any] = CLOSED, **stage: Any) -> Any:
    read = read_requests(requests)
    head = {"engine": "a", "workload": "w", "block": 1, "position": 1, "spec": {"cases": [{"prompt_ids": [1] * 9}]}}
    told = {"start_ns": 0, "end_ns": 2000 * MS, "window_start_ns": 100 * MS, "window_end_ns": 1100 * MS}
    told |= {"ended": "requests", "client_cpu_seconds": 0.5, "send_lag_p99_ns": 3 * MS, **stage}
    return stage_row(told, load, read, launch_table(head, read, ["c2"], None, 2.0), slo)


TYPICAL = [
    request(0, 0, 50, 100, 200, phase="warmup"),  # begins before the window, of which it has one token
    request(1, 100, 200, 300, 1000, cached_tokens=4),
    request(2, 200, 600, 800, 900, status="cut", finish=None, completion_tokens=None, error="closed"),
    request(3, 1000, 1050, 1100),  # ends with the window
    request(4, 1000, 1090, 1110, phase="filler", status="cancelled", finish=None, completion_tokens=None),
]


def test_throughput_is_that_of_the_measured_requests_over_the_time_in_which_they_were_served() -> None:
    found = row(TYPICAL, NO_LIMIT)
    # Within the window of 1 s requests are in flight for 100 + 900 + 700 + 100 + 100 ms; the measured take 1700 ms.
    served_s = 1.7 / 1.9
    assert (found["window_s"], found["served_s"]) == (1.0, pytest.approx(served_s))
    assert found["requests_per_s"] == pytest.approx(2 / served_s)
    assert found["output_tokens"] == 3 + 3 + 2
    assert found["output_tokens_per_s"] == pytest.approx(8 / served_s)
    assert found["total_tokens_per_s"] == pytest.approx((2 * 10 + 8) / served_s)
    assert found["due_requests_per_s"] == found["achieved_requests_per_s"] == 4.0  # all but the one before the window


@pytest.mark.parametrize("apart_ms", [0, 1, 50])
def test_requests_that_end_together_are_not_counted_twice_at_an_edge(apart_ms: int) -> None:
    """Eight in flight, 1 s each, whose ends lie together or a little apart: 8 a second, in any case."""
    rounds = [("warmup", 0), ("measured", 1000), ("measured", 2000), ("filler", 3000)]
    starts = [(phase, begin + slot * apart_ms) for phase, begin in rounds for slot in range(8)]
    last_ms = 3000 + 7 * apart_ms
    requests = [
        request(number, start, start + 500, min(start + 1000, last_ms + 1), phase=phase)
        for number, (phase, start) in enumerate(starts)
    ]
    window = {"window_start_ns": 1000 * MS, "window_end_ns": last_ms * MS, "end_ns": 9000 * MS}
    found = row(requests, NO_LIMIT, {"mode": "closed", "concurrency": 8}, **window)
    assert found["requests_per_s"] == pytest.approx(8.0)
    assert found["output_tokens_per_s"] == pytest.approx(16.0)


@pytest.mark.parametrize("rounds", [2, 5])
def test_a_pause_behind_each_answer_is_time_of_its_conversation(rounds: int) -> None:
    """Two conversations in step, answers of 100 ms and pauses of 900: 2 a second, however few rounds there are."""
    begins = [1000 * turn for turn in range(rounds + 1) for _ in range(2)]
    phases = ["warmup"] * 2 + ["measured"] * 2 * rounds
    requests = [
        request(number, begin, begin + 50, begin + 100, phase=phase)
        for number, (begin, phase) in enumerate(zip(begins, phases, strict=True))
    ]
    window = {"window_start_ns": 1000 * MS, "window_end_ns": (1000 * rounds + 100) * MS, "end_ns": 9000 * MS}
    talk = {"mode": "closed", "concurrency": 2, "turns": 2, "think_seconds": 0.9}
    assert row(requests, NO_LIMIT, talk, **window)["requests_per_s"] == pytest.approx(2.0)
    assert row(requests, NO_LIMIT, talk, **window)["output_tokens_per_s"] == pytest.approx(4.0)


def test_an_open_loop_that_keeps_up_serves_what_arrives_and_one_that_falls_behind_what_it_can() -> None:
    window = {"window_start_ns": 0, "window_end_ns": 10_000 * MS, "end_ns": 90_000 * MS}
    load = {"mode": "open", "requests_per_second": 1.0}
    prompt = [request(n, 1000 * n, 1000 * n + 900, 1000 * n + 1800) for n in range(10)]
    assert row(prompt, NO_LIMIT, load, **window)["requests_per_s"] == pytest.approx(1.0)
    # One after the other, 2 s each: half of what arrives.
    behind = [request(n, 1000 * n, 2000 * n + 1000, 2000 * n + 2000) for n in range(10)]
    assert row(behind, NO_LIMIT, load, **window)["requests_per_s"] == pytest.approx(10 / 18)


def test_failed_requests_miss_the_objective_and_leave_the_goodput_once() -> None:
    found = row(TYPICAL, NO_LIMIT)
    assert (found["measured"], found["ok"], found["failed"], found["good"]) == (3, 2, 1, 2)
    assert found["error_rate"] == pytest.approx(1 / 3)
    assert found["goodput_requests_per_s"] == found["requests_per_s"]
    half = row(TYPICAL, NO_LIMIT | {"ttft_ms": 99})
    assert half["goodput_requests_per_s"] == pytest.approx(half["requests_per_s"] / 2)
    assert found["slo_met"] is False
    assert row(TYPICAL, NO_LIMIT | {"share": 0.6})["slo_met"] is True
    assert row(TYPICAL, NO_LIMIT | {"share": 0.6}, ended="timeout")["slo_met"] is False


@pytest.mark.parametrize(
    ("limits", "good"),
    [
        ({"ttft_ms": 100}, 2),
        ({"ttft_ms": 99}, 1),
        ({"e2e_ms": 899}, 1),
        ({"e2e_ms": 900}, 2),
        ({"tpot_ms": 399}, 1),
        ({"itl_p99_ms": 693}, 1),  # of 100 and 700 ms the 99th percentile is 694 ms
        ({"itl_p99_ms": 694}, 2),
        ({"ttft_ms": 99, "tpot_ms": 399}, 1),
    ],
)
def test_a_request_is_good_where_it_keeps_each_limit(limits: dict[str, Any], good: int) -> None:
    assert row(TYPICAL, NO_LIMIT | limits)["good"] == good


def test_an_answer_of_one_token_keeps_limits_on_gaps() -> None:
    assert row([request(0, 100, 200)], NO_LIMIT | {"tpot_ms": 1, "itl_p99_ms": 1})["good"] == 1


def test_the_client_and_the_caches_are_told() -> None:
    shared = [*TYPICAL, request(5, 1100, 1200, 1200, phase="filler", shared_chunks=2)]
    found = row(shared, NO_LIMIT)
    assert (found["send_lag_p99_ms"], found["client_cpu_percent"], found["cached_tokens"]) == (3.0, 25.0, 4)
    assert found["shared_share"] == pytest.approx(2 / 15)
    assert row([request(0, 100, 200, cached_tokens=None)], NO_LIMIT)["cached_tokens"] is None


def test_tokens_that_came_in_fewer_chunks_are_counted_by_the_server() -> None:
    held = request(0, 100, 1000, 1200, chunk_tokens=[1, 1], completion_tokens=8)
    assert row([held], NO_LIMIT)["output_tokens"] == 8.0


def test_waiting_is_from_when_a_request_was_due_until_it_was_taken_up() -> None:
    requests = [request(number, 10, 200) | {"written_ns": (10 + number) * MS} for number in range(101)]
    requests.append(request(101, 10, 200) | {"written_ns": None})  # never taken up
    found = row(requests, NO_LIMIT, {**CLOSED, "concurrency": 200})
    assert [found[f"waited_{name}_ms"] for name in ("p50", "p90", "p95", "p99")] == [50, 90, 95, 99]


def test_a_stage_that_measured_nothing_has_no_rates() -> None:
    found = row([], NO_LIMIT, window_start_ns=100 * MS, window_end_ns=100 * MS)
    assert (found["requests_per_s"], found["goodput_requests_per_s"], found["error_rate"]) == (None, None, None)
    assert (found["measured"], found["slo_met"]) == (0, False)


def test_a_campaign_has_a_row_a_launch_and_level_as_arithmetic_says(tmp_path: Path) -> None:
    # 20 ms to the first of 11 tokens, 10 ms a token after it: 120 ms a request, two of them at once.
    workloads = [
        ScriptedWorkload("chat"),
        ScriptedWorkload("serving", load=ScriptedLoad(concurrency=(1, 4), requests=12)),
        ScriptedWorkload("arrivals", load=ScriptedLoad(requests_per_second=(5.0,), requests=10)),
    ]
    raw, _ = make_raw_data([ScriptedEngine("alpha", slots=2)], workloads, launches=2)
    path, out = tmp_path / "alpha.json", tmp_path / "stages.parquet"
    path.write_text(json.dumps(raw["alpha"]))
    assert main(["--raw", str(path), "--slo", json.dumps(SLO | {"ttft_ms": 100}), "--out", str(out)]) == 0
    rows = {(one["case"], one["block"]): one for one in read_stages(out)}
    assert rows.keys() == {(case, block) for case in ("c1", "c4", "r5") for block in (1, 2)}
    one, four, five = (rows[case, 2] for case in ("c1", "c4", "r5"))
    assert one["requests_per_s"] == pytest.approx(MS_PER_S / 120) and one["slo_met"]
    assert four["requests_per_s"] == pytest.approx(2 * MS_PER_S / 120, rel=0.1)
    assert not four["slo_met"] and four["good"] == 0  # two of four wait 120 ms before their 20
    assert four["concurrency"] == 4 and four["asked_requests_per_s"] is None
    assert five["asked_requests_per_s"] == five["achieved_requests_per_s"] == pytest.approx(5.0)
    assert five["requests_per_s"] == pytest.approx(5.0) and five["concurrency"] is None
    assert {one["failed"] for one in rows.values()} == {0}


def test_energy_of_a_level_is_that_of_its_window_over_the_tokens_made_in_it(tmp_path: Path) -> None:
    workload = ScriptedWorkload("serving", load=ScriptedLoad(concurrency=(1, 2), requests=12))
    counted = ScriptedEngine("counted", slots=2, level_watts=30.0)
    raw, _ = make_raw_data([counted, ScriptedEngine("dark", slots=2)], [workload], launches=1)
    out = tmp_path / "stages.parquet"
    for name in ("counted", "dark"):
        (tmp_path / f"{name}.json").write_text(json.dumps(raw[name]))
    files = [str(tmp_path / f"{name}.json") for name in ("counted", "dark")]
    assert main(["--raw", *files, "--slo", json.dumps(SLO), "--out", str(out)]) == 0
    rows = {(one["engine"], one["case"]): one for one in read_stages(out)}
    # 30 W for the 120 ms of a request of 11 tokens; two at once share them.
    assert rows["counted", "c1"]["package_joules_per_token"] == pytest.approx(30 * 0.12 / 11, rel=0.01)
    assert rows["counted", "c2"]["package_joules_per_token"] == pytest.approx(30 * 0.06 / 11, rel=0.1)
    assert rows["counted", "c1"]["gpu_joules_per_token"] is None
    assert rows["dark", "c1"]["package_joules_per_token"] is None


def test_a_table_of_another_make_is_told(tmp_path: Path) -> None:
    path = tmp_path / "stages.parquet"
    pq.write_table(STAGES.empty_table().drop_columns("good"), path)
    with pytest.raises(BenchmarkError, match=r"stages\.parquet: has other columns than a table of stages"):
        read_stages(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(BenchmarkError, match=r"stages\.parquet: "):
        read_stages(path)


def test_an_objective_that_lacks_a_key_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--raw", str(tmp_path), "--slo", '{"ttft_ms": 5}', "--out", str(tmp_path / "stages.parquet")])
    assert "must be analysis.slo as JSON" in capsys.readouterr().err
