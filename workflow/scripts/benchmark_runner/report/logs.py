"""Stage logs: benchmark.log tells the campaign a line an event, system_metrics.log the monitor a line a sample, which
metrics.parquet holds as a table."""

from __future__ import annotations

import datetime
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from benchmark_runner.commands import command
from benchmark_runner.configuration import load
from benchmark_runner.display import bytes_text, milliseconds, plural
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, write_text_atomic, written_whole
from benchmark_runner.records.parsed_iterations import Iterations
from benchmark_runner.records.parsed_requests import Requests
from benchmark_runner.records.raw_data import Head, each_launch
from benchmark_runner.records.samples import Sampled, launch_table, sampled_launches, unit_of, write_samples
from benchmark_runner.units import NS_PER_MS

NS_PER_US: Final = 1000
SYSTEM_METRICS_HEAD: Final = "# time_utc launch name=value unit ...; lists are per core, in the order of the cores"
NO_TIME: Final = "-" * 24  # as wide as a time; an event whose time nobody recorded


def main(argv: Sequence[str]) -> int:
    """Write both logs, and the samples as a table, from the plan, the raw data and the launches' metrics.jsonl."""
    made = {"benchmark_log": "benchmark.log", "system_metrics_log": "system_metrics.log", "samples": "metrics.parquet"}
    options = command("report.logs", main.__doc__, "plan", "raw", **made).parse_args(argv)
    plan = read_json(options.plan)
    records = [_with_durations(*launch) for path in options.raw for launch in each_launch(path)]
    write_text_atomic(options.benchmark_log, "".join(f"{line}\n" for line in benchmark_log(plan, records)))
    tables = []
    with written_whole(options.system_metrics_log) as partial, partial.open("x", encoding="utf-8") as file:
        file.write(f"{SYSTEM_METRICS_HEAD}\n")
        for launch in sampled_launches(plan, records):
            file.writelines(f"{line}\n" for line in system_metrics_log(launch))
            tables.append(launch_table(launch))
    print(f"{write_samples(tables, options.samples)} samples tabulated")
    return os.EX_OK


def _with_durations(head: Head, measured: Iterations | Requests) -> dict[str, Any]:
    """The head of a record with how long each measured iteration or request took, of which a large campaign has
    millions."""
    return {**head, "durations_ms": ((measured.end_ns - measured.start_ns) / NS_PER_MS)[~measured.warmup]}


def benchmark_log(plan: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The campaign's story in the order of time: UTC time, level, who, what happened."""
    events = [_build_event(build) for build in _builds(records)]
    for record in sorted(records, key=lambda record: _utc(record["started_at"])):
        events += _launch_events(record)
    # The sort is stable, so that what shares a millisecond stays in the order of the launches.
    story = [f"{_stamp(time)} {text}" for time, text in sorted(events, key=lambda event: event[0])]
    return [*_planned(plan), *story, *_missing(plan, records), _closing(plan, records)]


def _planned(plan: Mapping[str, Any]) -> Iterator[str]:
    campaign = plan["campaign"]
    yield (
        f"{NO_TIME} INFO  campaign planned: {_one_line(campaign['name'])}, {len(plan['order'])} launches = "
        f"{campaign['launches']} blocks of {len(plan['engines'])} engines x {len(plan['workloads'])} workloads, "
        f"seed {campaign['seed']}, baseline {campaign['baseline']}, control {campaign['control'] or 'none'}"
    )
    for workload in plan["workloads"]:
        if load.has_load(workload):
            yield f"{NO_TIME} INFO  workload {workload['name']}: {load.levels_in_words(workload['cases'])}"
            continue
        yield (
            f"{NO_TIME} INFO  workload {workload['name']}: {plural(len(workload['cases']), 'case')}, "
            f"{plural(workload['iterations_per_launch'], 'iteration')} a launch after "
            f"{plural(workload['warmup_iterations'], 'warm-up')}"
        )


def _builds(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each build once, however many launches used it."""
    builds = [record["build"] for record in records if record["build"] is not None]
    return list({(one["adapter"], one["built_at"]): one for one in builds if one.get("built_at")}.values())


def _build_event(build: Mapping[str, Any]) -> tuple[datetime.datetime, str]:
    name, took = build["adapter"], milliseconds(build["duration_ms"])
    if build["status"] == "built":
        python = f"Python {build['python']}" if build["python"] else "compiler not told"
        text = f"INFO  {name} built in {took} ({build['compiler'] or python})"
    else:
        text = f"ERROR {name} {build['status']} after {took}: {_with_remedy(build['reason'], build['remedy'])}"
    return _utc(build["built_at"]), text


def _launch_events(record: Mapping[str, Any]) -> Iterator[tuple[datetime.datetime, str]]:
    """Start, warnings and end of a launch; the warnings stand with its end, when they became known."""
    who = f"{record['engine']}/{record['workload']} block {record['block']}"
    attempt = "" if record["attempt"] == 1 else f", attempt {record['attempt']}"
    # An engine that is not there has neither.
    where = "" if record["device"] is None else f", {record['device']}, {plural(record['threads'], 'thread')}"
    yield _utc(record["started_at"]), f"INFO  {who} started (launch {record['position']}{attempt}{where})"
    ended = _utc(record["ended_at"])
    if record["status"] == "ok":
        yield ended, f"INFO  {who} ended ok: {_figures(record)}"
    else:
        reason = _with_remedy(record["reason"], record["remedy"])
        yield ended, f"ERROR {who} ended {record['status']}: {reason}"
    for warning in record["warnings"]:
        message = _with_remedy(warning["message"], warning["remedy"])
        yield ended, f"WARN  {who} {warning['kind']}: {message}"


def _figures(record: Mapping[str, Any]) -> str:
    """What a launch that ended well came to, in a few words."""
    durations = record["durations_ms"]
    parts = [plural(len(durations), "request" if "stages" in record else "iteration")]
    if len(durations):
        parts.append(f"median end-to-end {milliseconds(statistics.median(durations))}")
    if record["load"] is not None:
        parts.append(f"load {milliseconds((record['load']['end_ns'] - record['load']['start_ns']) / NS_PER_MS)}")
    peak = None if record["monitor"] is None else record["monitor"]["engine_peak_rss_bytes"]
    if peak is not None:
        parts.append(f"peak memory {bytes_text(peak)}")
    parts.append(f"whole launch {milliseconds(record['timing']['total_ms'])}")
    return ", ".join(parts)


def _missing(plan: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    there = {(record["engine"], record["workload"], record["block"]) for record in records}
    for launch in plan["order"]:
        if (launch["engine"], launch["workload"], launch["block"]) not in there:
            yield (
                f"{NO_TIME} WARN  {launch['engine']}/{launch['workload']} block {launch['block']} "
                "has not run: the same command runs it"
            )


def _closing(plan: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(record["status"] for record in records)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none"
    time = _stamp(max(_utc(record["ended_at"]) for record in records)) if records else NO_TIME
    return f"{time} INFO  {len(records)} of {len(plan['order'])} launches have ended: {told}"


def system_metrics_log(launch: Sampled) -> Iterator[str]:
    """A line a sample: UTC time, launch, then name=value with its unit; what is absent is told once a launch."""
    record = launch.record
    who = f"{record['engine']}/{record['workload']}/{record['block']}"
    moment = partial(_moment, _utc(record["started_at"]), record["started_ns"])
    for entry in launch.lines:
        absent = entry.get("absent") or {}
        if not isinstance(absent, dict) or not isinstance(entry.get("time_ns", 0), int):
            raise BenchmarkError(f"{launch.path}: holds a line that is no reading of the monitor; move it away")
        if absent:
            when = moment(entry.get("time_ns"))
            told = "; ".join(f"{name}: {_one_line(str(reason))}" for name, reason in absent.items())
            yield f"{when} {who} absent {told}"
        if entry.get("event") == "sample":
            yield f"{moment(entry.get('time_ns'))} {who} {_values(entry)}"


def _values(sample: Mapping[str, Any]) -> str:
    readings = ((name, value) for name, value in sample.items() if name not in ("event", "time_ns"))
    return " ".join(f"{name}={_value(value)} {unit_of(name)}".rstrip() for name, value in readings)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_value, value)) or "none"
    if isinstance(value, dict):
        return ",".join(f"{_value(key)}:{_value(item)}" for key, item in value.items()) or "none"
    return str(value).replace(" ", "_")


def _moment(started: datetime.datetime, started_ns: int, time_ns: int | None) -> str:
    """UTC time of a reading of the monotonic clock, from the launch's start on both clocks."""
    if time_ns is None:
        return NO_TIME
    return _stamp(started + datetime.timedelta(microseconds=(time_ns - started_ns) / NS_PER_US))


def _utc(time: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(time).astimezone(datetime.UTC)


def _stamp(moment: datetime.datetime) -> str:
    """UTC to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_remedy(reason: str | None, remedy: str | None) -> str:
    told = _one_line(reason or "no reason was recorded")
    return f"{told} | remedy: {_one_line(remedy)}" if remedy else told


def _one_line(text: str) -> str:
    """Text without line breaks and control characters: an event is one line whatever an engine said."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
