"""benchmark.log tells the campaign in the order of time; system_metrics.log has a line a sample."""

from __future__ import annotations

import json
import re

import pytest

from benchmark_runner.records.raw_data import each_launch
from benchmark_runner.report import logs
from records import ScriptedEngine, ScriptedWorkload, make_raw_data

UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ENGINES = (
    ScriptedEngine("fast", ttft_ms=20.0, itl_ms=10.0, statuses={("chat", 2): "timeout"}, threads=2),
    ScriptedEngine("gone", unavailable="cargo\nis missing"),
)


@pytest.fixture
def campaign(tmp_path):
    raw, plan = make_raw_data(ENGINES, (ScriptedWorkload("chat", ((8, 11),)),), launches=2, output_dir=str(tmp_path))
    records = []
    for name, document in raw.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        records += [logs._with_durations(*launch) for launch in each_launch(tmp_path / f"{name}.json")]
    return plan, records


def test_each_event_is_one_line_in_the_order_of_time(campaign):
    lines = logs.benchmark_log(*campaign)
    times = [line[:24] for line in lines if not line.startswith("-")]
    assert all(re.fullmatch(UTC, time) for time in times)
    assert times == sorted(times)
    assert all("\n" not in line for line in lines)


def test_the_plan_stands_first_and_the_count_last(campaign):
    lines = logs.benchmark_log(*campaign)
    assert "campaign planned: scripted, 4 launches = 2 blocks of 2 engines x 1 workloads, seed 1" in lines[0]
    assert "workload chat: 1 case, 4 iterations a launch after 1 warm-up" in lines[1]
    assert lines[-1].endswith("4 of 4 launches have ended: 1 ok, 1 timeout, 2 unavailable")


def test_a_launch_that_ended_well_tells_its_figures(campaign):
    # 20 ms to the first of 11 tokens, then 10 gaps of 10 ms
    found = next(line for line in logs.benchmark_log(*campaign) if "ended ok" in line)
    assert (
        "fast/chat block 1 ended ok: 4 iterations, median end-to-end 120 ms, load 500 ms, peak memory 1.00 GB" in found
    )
    assert found.endswith("whole launch 6.07 s")


def test_a_launch_that_failed_tells_reason_and_remedy(campaign):
    lines = logs.benchmark_log(*campaign)
    assert any(
        "ERROR fast/chat block 2 ended timeout: scripted to end as timeout | remedy: Change" in line for line in lines
    )
    assert sum("ended unavailable: cargo is missing" in line for line in lines) == 2


def test_warnings_of_a_launch_stand_with_its_end(campaign):
    plan, records = campaign
    records[0]["warnings"] = [{"kind": "busy", "message": "others computed", "remedy": "close them"}]
    lines = logs.benchmark_log(plan, records)
    place = next(index for index, line in enumerate(lines) if "WARN " in line)
    assert lines[place].endswith("busy: others computed | remedy: close them")
    assert "ended" in lines[place - 1]


def test_a_build_is_told_once_however_many_launches_used_it(campaign):
    plan, records = campaign
    build = {"adapter": "fast-bench", "status": "built", "built_at": "2026-01-05T07:00:00Z", "duration_ms": 90_000.0}
    for record in records:
        record["build"] = build | {"compiler": "rustc 1.95.0", "python": None, "reason": None, "remedy": None}
    told = [line for line in logs.benchmark_log(plan, records) if "fast-bench" in line]
    assert told == ["2026-01-05T07:00:00.000Z INFO  fast-bench built in 90.0 s (rustc 1.95.0)"]


def test_a_launch_that_never_ran_is_told(campaign):
    plan, records = campaign
    lines = logs.benchmark_log(plan, records[1:])
    assert sum("has not run: the same command runs it" in line for line in lines) == 1
    assert "3 of 4 launches have ended" in lines[-1]


def test_a_campaign_without_a_launch_is_told_too(campaign):
    assert "0 of 4 launches have ended: none" in logs.benchmark_log(campaign[0], [])[-1]


SAMPLES = [
    {"event": "start", "time_ns": 0, "interval_ms": 100, "absent": {"gpu_power_watts": "no GPU"}},
    {"event": "sample", "time_ns": 1_500_000_000, "machine_cpu_percent": 55.5, "cpu_percent_per_core": [50.0, 61.0]},
    {"event": "sample", "time_ns": 1_600_000_000, "engine_rss_bytes": 1024, "temperatures_celsius": {"k10 Tctl": 61.5}},
    {"event": "end", "samples": 2, "missed": 0},
]


def write_samples(plan, records, folder):
    record = min((record for record in records if record["status"] == "ok"), key=lambda record: record["position"])
    slot = next(
        slot for slot in plan["order"] if slot["engine"] == record["engine"] and slot["block"] == record["block"]
    )
    path = folder / "launches" / slot["engine"] / f"{slot['workload']}.{slot['identity']}" / str(slot["block"])
    path.mkdir(parents=True)
    lines = [{**sample, "time_ns": sample.get("time_ns", 0) + record["started_ns"]} for sample in SAMPLES]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"event": "sam')
    return record


def test_samples_have_utc_times_and_units(campaign, tmp_path):
    plan, records = campaign
    record = write_samples(plan, records, tmp_path)
    (launch,) = logs.sampled_launches(plan, records)
    lines = list(logs.system_metrics_log(launch))
    assert lines[0].endswith("fast/chat/1 absent gpu_power_watts: no GPU")
    start = record["started_at"].removesuffix("Z")
    assert lines[1] == (
        f"{start[:-2]}{int(start[-2:]) + 1:02}.500Z fast/chat/1 machine_cpu_percent=55.5 % "
        "cpu_percent_per_core=50.0,61.0 %"
    )
    assert lines[2].endswith("engine_rss_bytes=1024 B temperatures_celsius=k10_Tctl:61.5 °C")
    assert len(lines) == 3


def test_logs_and_table_are_written(campaign, tmp_path):
    plan, records = campaign
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    out = ["--benchmark-log", str(tmp_path / "a.log"), "--system-metrics-log", str(tmp_path / "b.log")]
    out += ["--samples", str(tmp_path / "c.parquet")]
    raw = [str(tmp_path / f"{engine.name}.json") for engine in ENGINES]
    assert logs.main(["--plan", str(tmp_path / "plan.json"), "--raw", *raw, *out]) == 0
    assert (tmp_path / "a.log").read_text().splitlines() == logs.benchmark_log(plan, records)
    assert (tmp_path / "b.log").read_text().startswith("# time_utc")
    assert (tmp_path / "c.parquet").read_bytes().startswith(b"PAR1")
