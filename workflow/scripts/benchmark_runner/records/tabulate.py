"""The iterations and requests of all engines as one table: a row each, row groups of one engine on one workload.

Only launches that ended `ok` are in it, since times of a launch that was ended for heat or memory are not what the
engine does; the others stay in raw_data. Warm-ups are in it and flagged.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_runner.arrays import BoolArray, FloatArray, IntArray
from benchmark_runner.commands import command
from benchmark_runner.configuration.messages import bounded_number
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import written_whole
from benchmark_runner.records.parsed_iterations import Iterations
from benchmark_runner.records.parsed_requests import Requests
from benchmark_runner.records.raw_data import Head, each_launch, read_heads
from benchmark_runner.records.read_ahead import read_ahead
from benchmark_runner.records.table import SCHEMA
from benchmark_runner.units import MS_PER_S, NS_PER_MS, ROUNDING

FEWEST_FOR_OUTLIERS: Final = 3
"""Below three values a standard deviation says nothing about any one of them."""

DICTIONARY_COLUMNS: Final = ("engine", "control_of", "workload", "case", "finish", "status")
"""Columns of few values. Hardly two gaps between tokens are equal: through a dictionary 495,000 of them took 40 ms
instead of 18 and 7 % more room."""

GROUP_BYTES: Final = 1 << 23
"""Of launches in memory from which on they make a row group. Chosen: a group for each of ten thousand short launches
would make an end of the file that takes longer to read than all of it."""

SPLIT_COLUMN: Final = "itl_ms.list.element"
"""Column, by its name inside the file, that is kept a byte of each value after the other: 12 % smaller and a quarter
faster to read back than the values themselves."""


def outlier_flags(values: FloatArray, threshold: float) -> BoolArray:
    """Values further than `threshold` sample standard deviations from their mean; one pass, none below three values.

    One pass on purpose: repeating it until nothing is flagged eats into honest tails. Among n values none can lie
    further than (n - 1) / sqrt(n) deviations away, so with a threshold of 2 a flag needs at least 6 values.
    """
    if len(values) < FEWEST_FOR_OUTLIERS or np.ptp(values) <= ROUNDING * np.max(np.abs(values)):
        return np.zeros(len(values), dtype=np.bool_)
    spread = float(np.std(values, ddof=1))
    return np.abs(values - float(np.mean(values))) > threshold * spread


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient, nan where the denominator is nan or not positive."""
    ratio = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _gaps(token_ns: IntArray, counts: IntArray) -> tuple[pa.ListArray, FloatArray]:
    """Times between consecutive tokens or chunks as a list a request, and from its first to its last (nan below two),
    both in ms."""
    offsets = np.concatenate(([0], np.cumsum(np.maximum(counts - 1, 0))))
    within = np.ones(max(len(token_ns) - 1, 0), dtype=np.bool_)
    borders = np.cumsum(counts)[:-1] - 1
    within[borders[(borders >= 0) & (borders < len(within))]] = False
    gaps = np.diff(token_ns)[within] / NS_PER_MS
    last, first = np.cumsum(counts) - 1, np.cumsum(counts) - counts
    span = np.full(len(counts), np.nan)
    several = counts > 1
    span[several] = (token_ns[last[several]] - token_ns[first[several]]) / NS_PER_MS
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(gaps, pa.float64())), span


def _flag_outliers(e2e_ms: FloatArray, case: IntArray, warmup: BoolArray, threshold: float) -> BoolArray:
    flags = np.zeros(len(e2e_ms), dtype=np.bool_)
    for number in np.unique(case):
        rows = np.flatnonzero((case == number) & ~warmup)
        flags[rows] = outlier_flags(e2e_ms[rows], threshold)
    return flags


def _times(start_ns: IntArray, token_ns: IntArray, counts: IntArray, further: IntArray) -> dict[str, Any]:
    """Columns of time but e2e_ms; further: the tokens after the first one, or after those of the first chunk."""
    ttft_ms = np.full(len(counts), np.nan)
    some = counts > 0
    ttft_ms[some] = (token_ns[(np.cumsum(counts) - counts)[some]] - start_ns[some]) / NS_PER_MS
    itl_ms, span = _gaps(token_ns, counts)
    return {"ttft_ms": ttft_ms, "itl_ms": itl_ms, "tpot_ms": _ratio(span, further.astype(np.float64))}


def _of_iterations(iterations: Iterations, prompts: IntArray, threshold: float) -> dict[str, Any]:
    counts, own = iterations.token_counts, iterations.own_prompt_counts
    e2e_ms = (iterations.end_ns - iterations.start_ns) / NS_PER_MS
    return {
        "prompt_tokens": np.where(own > 0, own, prompts),
        "tokens": counts,
        "e2e_ms": e2e_ms,
        **_times(iterations.start_ns, iterations.token_ns, counts, counts - 1),
        "status": pa.nulls(len(iterations), pa.string()),
        "outlier": _flag_outliers(e2e_ms, iterations.case, iterations.warmup, threshold),
    }


def _of_requests(requests: Requests, prompts: IntArray) -> dict[str, Any]:
    """Failed ones have no times. None is an outlier: under load the tail is what is measured."""
    counts = np.where(requests.ok, requests.chunk_counts, 0)
    chunk_ns = requests.chunk_ns[np.repeat(requests.ok, requests.chunk_counts)]
    e2e_ms = np.full(len(requests), np.nan)
    e2e_ms[requests.ok] = (chunk_ns[(np.cumsum(counts) - 1)[requests.ok]] - requests.start_ns[requests.ok]) / NS_PER_MS
    firsts = np.zeros(len(requests), dtype=np.int64)
    some = requests.chunk_counts > 0
    firsts[some] = requests.chunk_tokens[(np.cumsum(requests.chunk_counts) - requests.chunk_counts)[some]]
    return {
        "prompt_tokens": np.where(requests.prompt_tokens > 0, requests.prompt_tokens, prompts),
        "tokens": requests.tokens,
        "e2e_ms": e2e_ms,
        **_times(requests.start_ns, chunk_ns, counts, requests.tokens - firsts),
        "status": pa.array(requests.status, pa.string()),
        "outlier": np.zeros(len(requests), dtype=np.bool_),
    }


def launch_table(
    head: Head,
    measured: Iterations | Requests,
    case_names: Sequence[str],
    control_of: str | None,
    outlier_threshold: float,
) -> pa.Table:
    """Rows of one launch that ended ok, in the order in which its iterations or requests ran."""
    rows, case = len(measured), measured.case
    prompts = np.array([len(entry["prompt_ids"]) for entry in head["spec"]["cases"]], dtype=np.int64)[case]
    if isinstance(measured, Requests):
        own = _of_requests(measured, prompts)
    else:
        own = _of_iterations(measured, prompts, outlier_threshold)
    columns = {
        "engine": pa.repeat(head["engine"], rows),
        "control_of": pa.array([control_of] * rows, pa.string()),
        "workload": pa.repeat(head["workload"], rows),
        "case": np.array(case_names, dtype=object)[case],
        "block": np.full(rows, head["block"]),
        "position": np.full(rows, head["position"]),
        "warmup": measured.warmup,
        "index": measured.index,
        "start_ns": measured.start_ns,
        "decode_tokens_per_s": _ratio(np.full(rows, MS_PER_S), own["tpot_ms"]),
        "prefill_tokens_per_s": _ratio(MS_PER_S * own["prompt_tokens"].astype(np.float64), own["ttft_ms"]),
        "total_tokens_per_s": _ratio(MS_PER_S * own["tokens"].astype(np.float64), own["e2e_ms"]),
        "finish": measured.finish,
        **own,
    }
    arrays = [
        values if isinstance(values, pa.Array) else pa.array(values, field.type, from_pandas=True)
        for field, values in ((field, columns[field.name]) for field in SCHEMA)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _tables(path: Path, outlier_threshold: float) -> Iterator[pa.Table]:
    """A table a launch of one engine that ended ok and measured something."""
    raw = read_heads(path)
    names = {entry["name"]: [case["name"] for case in entry["cases"]] for entry in raw["workloads"]}
    for head, iterations in each_launch(path):
        if head["status"] == "ok" and len(iterations):
            case_names = names[head["workload"]]
            yield launch_table(head, iterations, case_names, raw["control_of"], outlier_threshold)


def _row_groups(raw_files: Sequence[Path], outlier_threshold: float) -> Iterator[pa.Table]:
    """Launches of one engine on one workload put together, in the order in which they ran."""
    for path in raw_files:
        waiting: dict[str, list[pa.Table]] = {}
        sizes: Counter[str] = Counter()
        for table in _tables(path, outlier_threshold):
            workload = table.column("workload")[0].as_py()
            waiting.setdefault(workload, []).append(table)
            sizes[workload] += table.nbytes
            if sizes[workload] >= GROUP_BYTES:
                yield pa.concat_tables(waiting.pop(workload))
                del sizes[workload]
        yield from map(pa.concat_tables, waiting.values())


def write_iterations(raw_files: Sequence[Path], out: Path, outlier_threshold: float) -> int:
    """Write the table a row group at a time, so that memory holds GROUP_BYTES of each workload of one engine, and of a
    longer launch two; number of rows."""
    metadata = {"outlier_threshold": str(outlier_threshold), "launches": "status ok only"}
    rows = 0
    schema = SCHEMA.with_metadata(metadata)
    layout = {"use_dictionary": list(DICTIONARY_COLUMNS), "use_byte_stream_split": [SPLIT_COLUMN]}
    with written_whole(out) as partial, pq.ParquetWriter(partial, schema, compression="zstd", **layout) as writer:
        for table in read_ahead(_row_groups(raw_files, outlier_threshold)):
            writer.write_table(table.replace_schema_metadata(metadata), row_group_size=len(table))
            rows += len(table)
    return rows


def main(argv: Sequence[str]) -> int:
    """Write iterations.parquet."""
    parser = command("records.tabulate", __doc__, "raw", out="iterations.parquet")
    threshold = bounded_number("--outlier-threshold", "analysis.outlier_threshold")
    parser.add_argument(
        "--outlier-threshold", type=threshold, required=True, help="distance from the mean, in standard deviations"
    )
    args = parser.parse_args(argv)
    rows = write_iterations(args.raw, args.out, args.outlier_threshold)
    print(f"{rows} iterations of {len(args.raw)} engines tabulated")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
