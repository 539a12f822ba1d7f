"""The stages of all launches under load as one table: a row a launch and level.

Throughput is of the time at full load, the stage's window: ramp and drain lie outside it. What happens at its first
moment belongs to the time before, what happens at its last one to it. An objective (SLO) judges measured requests: one
that failed misses it, and one without gaps keeps a limit on them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_runner.commands import command
from benchmark_runner.errors import MADE_AGAIN, BenchmarkError, exit_status
from benchmark_runner.jsonio import written_whole
from benchmark_runner.records.parsed_requests import Requests, output_tokens
from benchmark_runner.records.raw_data import Head, each_launch, read_heads
from benchmark_runner.records.table import column
from benchmark_runner.records.tabulate import BoolArray, launch_table
from benchmark_runner.terminal import printable
from benchmark_runner.units import NS_PER_MS, NS_PER_S

TAIL: Final = 99
"""Percentile of a request's gaps that itl_p99_ms limits."""

STAGES: Final = pa.schema(
    [
        column("engine", pa.string(), "", "Name of the engine"),
        column("control_of", pa.string(), "", "Engine whose duplicate this is; null for all but the control"),
        column("workload", pa.string(), "", "Name of the workload"),
        column("case", pa.string(), "", "Name of the level"),
        column("block", pa.int32(), "", "Number of the launch, from 1"),
        column("position", pa.int32(), "", "Place of the launch in the campaign's order, from 1"),
        column("mode", pa.string(), "", "closed or open"),
        column("concurrency", pa.int32(), "requests", "Requests in flight that were asked for; null in an open loop"),
        column("asked_requests_per_s", pa.float64(), "1/s", "Rate that was asked for; null in a closed loop"),
        column("ended", pa.string(), "", "What ended it: requests, duration, timeout, prompts or limit"),
        column("window_s", pa.float64(), "s", "Length of the time at full load"),
        column("completed", pa.int32(), "requests", "Those of any phase that ended well within the window"),
        column("requests_per_s", pa.float64(), "1/s", "completed / window_s"),
        column("output_tokens", pa.float64(), "tokens", "Generated within the window, by the time of the chunks"),
        column("output_tokens_per_s", pa.float64(), "tokens/s", "output_tokens / window_s"),
        column("total_tokens_per_s", pa.float64(), "tokens/s", "The same with the prompts of the completed"),
        column("measured", pa.int32(), "requests", "Measured requests"),
        column("ok", pa.int32(), "requests", "Those of them that ended well"),
        column("failed", pa.int32(), "requests", "measured - ok"),
        column("error_rate", pa.float64(), "", "failed / measured; null without any"),
        column("cached_tokens", pa.int64(), "tokens", "Not computed anew, of all requests; null where none is told"),
        column("good", pa.int32(), "requests", "Measured requests that meet the objective"),
        column(
            "goodput_requests_per_s",
            pa.float64(),
            "1/s",
            "of those completed, the ones that keep the objective / window_s",
        ),
        column("slo_met", pa.bool_(), "", "Whether good / measured reaches the objective's share"),
        column("due_requests_per_s", pa.float64(), "1/s", "Requests due within the window / window_s"),
        column("achieved_requests_per_s", pa.float64(), "1/s", "Requests sent within the window / window_s"),
        column("send_lag_p99_ms", pa.float64(), "ms", "How late requests were sent, in the 99th of 100"),
        column("shared_share", pa.float64(), "", "Share of chunks that came with another in one read"),
        column("client_cpu_percent", pa.float64(), "%", "Computing time of the client in the stage; 100 is one core"),
    ]
)


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


def meet(table: pa.Table, slo: Mapping[str, Any]) -> BoolArray:
    """Whether each row of launch_table meets the objective's limits."""
    kept: BoolArray = np.array([status == "ok" for status in table.column("status").to_pylist()], dtype=np.bool_)
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        if slo[name] is not None:
            values = table.column(name).to_numpy()
            kept &= ~(values > slo[name])  # one token has no time for each further one
    if slo["itl_p99_ms"] is not None:
        gaps = table.column("itl_ms").to_pylist()
        kept &= np.array([not one or np.percentile(one, TAIL) <= slo["itl_p99_ms"] for one in gaps], dtype=np.bool_)
    return kept


def stage_row(
    stage: Mapping[str, Any], load: Mapping[str, Any], requests: Requests, table: pa.Table, slo: Mapping[str, Any]
) -> dict[str, Any]:
    """What STAGES holds of one stage behind its place; table has the rows of its requests."""
    start_ns, end_ns = stage["window_start_ns"], stage["window_end_ns"]
    window_s, stage_s = (end_ns - start_ns) / NS_PER_S, (stage["end_ns"] - stage["start_ns"]) / NS_PER_S
    ended = requests.ok & (requests.end_ns > start_ns) & (requests.end_ns <= end_ns)
    sent = int(np.count_nonzero((requests.sent_ns >= start_ns) & (requests.sent_ns < end_ns)))
    due = int(np.count_nonzero((requests.start_ns >= start_ns) & (requests.start_ns < end_ns)))
    completed, tokens = int(np.count_nonzero(ended)), output_tokens(requests, start_ns, end_ns)
    prompts = int(np.sum(table.column("prompt_tokens").to_numpy()[ended]))
    measured = int(np.count_nonzero(~requests.warmup))
    kept = meet(table, slo)
    ok, good = (int(np.count_nonzero(one & ~requests.warmup)) for one in (requests.ok, kept))
    told = requests.cached_tokens[requests.cached_tokens >= 0]
    return {
        "mode": load["mode"],
        "concurrency": load.get("concurrency"),
        "asked_requests_per_s": load.get("requests_per_second"),
        "ended": stage["ended"],
        "window_s": window_s,
        "completed": completed,
        "requests_per_s": _ratio(completed, window_s),
        "output_tokens": tokens,
        "output_tokens_per_s": _ratio(tokens, window_s),
        "total_tokens_per_s": _ratio(prompts + tokens, window_s),
        "measured": measured,
        "ok": ok,
        "failed": measured - ok,
        "error_rate": _ratio(measured - ok, measured),
        "cached_tokens": int(np.sum(told)) if len(told) else None,
        "good": good,
        "goodput_requests_per_s": _ratio(int(np.count_nonzero(ended & kept)), window_s),
        "slo_met": bool(measured) and good / measured >= slo["share"],
        "due_requests_per_s": _ratio(due, window_s),
        "achieved_requests_per_s": _ratio(sent, window_s),
        "send_lag_p99_ms": stage["send_lag_p99_ns"] / NS_PER_MS,
        "shared_share": _ratio(int(np.sum(requests.shared_chunks)), len(requests.chunk_ns)),
        "client_cpu_percent": _ratio(100 * stage["client_cpu_seconds"], stage_s),
    }


def _rows(head: Head, requests: Requests, names: Sequence[str], slo: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    table = launch_table(head, requests, names, None, np.inf)
    for stage in head["stages"]:
        case, mine = stage["case"], requests.case == stage["case"]
        place = {name: head[name] for name in ("engine", "control_of", "workload", "block", "position")}
        load = head["spec"]["cases"][case]["load"]
        yield {**place, "case": names[case], **stage_row(stage, load, requests.those(mine), table.filter(mine), slo)}


def write_stages(raw_files: Sequence[Path], out: Path, slo: Mapping[str, Any]) -> int:
    """Write the table of all launches that ended ok; number of rows."""
    rows: list[dict[str, Any]] = []
    for path in raw_files:
        names = {entry["name"]: [case["name"] for case in entry["cases"]] for entry in read_heads(path)["workloads"]}
        for head, requests in each_launch(path):
            if head["status"] == "ok" and isinstance(requests, Requests):
                rows += _rows(head, requests, names[head["workload"]], slo)
    metadata = {"slo": json.dumps(slo), "launches": "status ok only"}
    with written_whole(out) as partial:
        table = pa.Table.from_pylist(rows, schema=STAGES)
        pq.write_table(table.replace_schema_metadata(metadata), partial, compression="zstd")
    return len(rows)


def read_stages(path: Path) -> list[dict[str, Any]]:
    """The rows of the table; BenchmarkError names the file where it is not as STAGES says."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BenchmarkError(f"{path}: {printable(error):.300}; {MADE_AGAIN}") from error
    if not table.schema.equals(STAGES):
        raise BenchmarkError(f"{path}: has other columns than a table of stages; {MADE_AGAIN}")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _objective(text: str) -> dict[str, Any]:
    """analysis.slo, as the plan has it: all limits and the share."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.keys() != {"ttft_ms", "tpot_ms", "itl_p99_ms", "e2e_ms", "share"}:
        raise argparse.ArgumentTypeError(f"must be analysis.slo as JSON, with all its keys, not {text:.100}")
    return found


def main(argv: Sequence[str]) -> int:
    """Write stages.parquet."""
    parser = command("records.stages", __doc__, "raw", out="stages.parquet")
    parser.add_argument("--slo", type=_objective, required=True, help="analysis.slo as JSON")
    args = parser.parse_args(argv)
    print(f"{write_stages(args.raw, args.out, args.slo)} stages of {len(args.raw)} engines tabulated")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
