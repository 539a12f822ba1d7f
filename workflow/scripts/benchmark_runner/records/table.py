"""What iterations.parquet holds, and reading it launch by launch, which its row groups are.

So memory holds the iterations of two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark_runner.errors import MADE_AGAIN, BenchmarkError
from benchmark_runner.records.read_ahead import read_ahead
from benchmark_runner.terminal import printable

_NAMES: Final = ("engine", "workload", "block")


def column(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    """A column with its unit and its meaning, which the file keeps."""
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


SCHEMA: Final = pa.schema(
    [
        column("engine", pa.string(), "", "Name of the engine"),
        column("control_of", pa.string(), "", "Engine whose duplicate this is; null for all but the control"),
        column("workload", pa.string(), "", "Name of the workload"),
        column("case", pa.string(), "", "Name of the test case"),
        column("block", pa.int32(), "", "Number of the launch, from 1"),
        column("position", pa.int32(), "", "Place of the launch in the campaign's order, from 1"),
        column("warmup", pa.bool_(), "", "Whether it is a warm-up; under load whatever is not measured, fillers too"),
        column("index", pa.int32(), "", "Round, from 0, of warm-ups and measured ones apart; under load its number"),
        column(
            "prompt_tokens",
            pa.int32(),
            "tokens",
            "Prompt ids computed: the spec's, or used_prompt_ids",
        ),
        column("tokens", pa.int32(), "tokens", "Tokens generated"),
        column(
            "start_ns", pa.int64(), "ns", "CLOCK_MONOTONIC before the first work for it; under load when it was due"
        ),
        column("ttft_ms", pa.float64(), "ms", "First token or chunk - start_ns; null without one, and where it failed"),
        column(
            "e2e_ms", pa.float64(), "ms", "end_ns - start_ns; under load last chunk - start_ns, null where it failed"
        ),
        column(
            "tpot_ms",
            pa.float64(),
            "ms",
            "Last - first token or chunk, by the tokens after the first, or after the first chunk's; null without any",
        ),
        column("itl_ms", pa.list_(pa.float64()), "ms", "Gaps between consecutive tokens, under load between chunks"),
        column("decode_tokens_per_s", pa.float64(), "tokens/s", "1000 / tpot_ms; null where tpot_ms is null or 0"),
        column("prefill_tokens_per_s", pa.float64(), "tokens/s", "1000 prompt_tokens / ttft_ms"),
        column("total_tokens_per_s", pa.float64(), "tokens/s", "1000 tokens / e2e_ms"),
        column("finish", pa.string(), "", "Why it ended: length, eos or stop; null where nothing tells"),
        column("status", pa.string(), "", "How a request under load ended (ok, or how it failed); null for iterations"),
        column("outlier", pa.bool_(), "", "e2e_ms lies further from its launch's mean than the threshold allows"),
    ]
)

ADDED: Final = "status"
"""Column that tables lack which were made before there were launches under load."""


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The table; BenchmarkError names file and column where it, or what is read of it, is not as SCHEMA says."""
    try:
        with pq.ParquetFile(path) as file:
            found = {field.name: field.type for field in file.schema_arrow}
            for field in SCHEMA:
                if found.get(field.name, field.type if field.name == ADDED else None) != field.type:
                    told = f"{found[field.name]} instead of {field.type}" if field.name in found else "missing"
                    raise BenchmarkError(f"{path}: column {field.name} is {told}; {MADE_AGAIN}")
            yield file
    except (pa.ArrowException, OSError) as error:
        raise BenchmarkError(f"{path}: {printable(error):.300}; {MADE_AGAIN}") from error


def _names(path: Path, file: pq.ParquetFile, group: int) -> tuple[Any, ...]:
    """Engine, workload and block of a row group, by its statistics; BenchmarkError where it is no one launch."""
    columns = file.metadata.row_group(group)
    places = {columns.column(index).path_in_schema: index for index in range(columns.num_columns)}
    told = [columns.column(places[name]).statistics for name in _NAMES]
    if not all(one is not None and one.has_min_max and one.min == one.max for one in told):
        raise BenchmarkError(f"{path}: row group {group} is not one launch; {MADE_AGAIN}")
    return tuple(one.min for one in told)


def require_table(path: Path) -> None:
    """Raise BenchmarkError, which names the file, where it is no table as tabulate writes it; reads its end alone."""
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            _names(path, file, group)


def rows_where(table: pa.Table, condition: pa.ChunkedArray) -> pa.Table:
    """The rows that meet a condition; rows that stand together, as measured ones do, are not copied."""
    rows = np.flatnonzero(condition.to_numpy())
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return table.slice(int(rows[0]), len(rows))
    return table.filter(condition)


def _tables(path: Path, engine: str, workload: str, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            found_engine, found_workload, block = _names(path, file, group)
            if (found_engine, found_workload) == (engine, workload):
                table = file.read_row_group(group, columns=[*columns, "warmup"])
                yield block, rows_where(table, pc.invert(table.column("warmup"))).drop_columns("warmup")


def launch_tables(path: Path, engine: str, workload: str, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """(block, measured iterations) of each launch of an engine on a workload, in the order in which they ran.

    Warm-ups are left out.
    """
    return read_ahead(_tables(path, engine, workload, columns))


def read_measured(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Measured iterations, without warm-ups, of iterations.parquet."""
    with _opened(path):
        table = pd.read_parquet(path, columns=list(columns))
    return table[~table["warmup"]]


def _measured_tokens(
    iterations: Path, keys: Sequence[str], sums: Sequence[tuple[str, str]], *, answered: pc.Expression | None = None
) -> list[dict[str, Any]]:
    """Token counts of the measured iterations, or those of them that were answered, put together by these keys."""
    columns = [*keys, *dict.fromkeys(column for column, _ in sums)]
    measured = ~pc.field("warmup")
    with _opened(iterations):
        table = pq.read_table(
            iterations, columns=columns, filters=measured if answered is None else measured & answered
        )
    found: list[dict[str, Any]] = table.group_by(list(keys)).aggregate(list(sums)).to_pylist()
    return found


def tokens_made(iterations: Path) -> dict[tuple[str, str, int], int]:
    """Tokens generated in the measured iterations of each launch, by (engine, workload, block)."""
    rows = _measured_tokens(iterations, _NAMES, [("tokens", "sum")])
    return {(row["engine"], row["workload"], row["block"]): row["tokens_sum"] for row in rows}


def tokens_an_iteration(iterations: Path) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Mean tokens of (prompt, answer) of the measured iterations, by (engine, workload, case); without failed requests,
    whose answers were cut."""
    keys, means = ("engine", "workload", "case"), [("prompt_tokens", "mean"), ("tokens", "mean")]
    rows = _measured_tokens(iterations, keys, means, answered=pc.field("e2e_ms").is_valid())
    return {
        (row["engine"], row["workload"], row["case"]): (row["prompt_tokens_mean"], row["tokens_mean"]) for row in rows
    }
