"""Reading iterations.parquet launch by launch, which its row groups are, so that memory holds the iterations of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark_runner.records.read_ahead import read_ahead

_NAMES: Final = ("engine", "workload", "block")


def _names(file: pq.ParquetFile, group: int) -> tuple[Any, ...]:
    """Engine, workload and block of a row group, by its statistics."""
    columns = file.metadata.row_group(group)
    places = {columns.column(index).path_in_schema: index for index in range(columns.num_columns)}
    return tuple(columns.column(places[name]).statistics.min for name in _NAMES)


def rows_where(table: pa.Table, condition: pa.ChunkedArray) -> pa.Table:
    """The rows that meet a condition; rows that stand together, as measured ones do, are not copied."""
    rows = np.flatnonzero(condition.to_numpy())
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return table.slice(int(rows[0]), len(rows))
    return table.filter(condition)


def _tables(path: Path, engine: str, workload: str, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            found_engine, found_workload, block = _names(file, group)
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
    table = pd.read_parquet(path, columns=list(columns))
    return table[~table["warmup"]]


def _measured_tokens(iterations: Path, keys: Sequence[str], sums: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Token counts of the measured iterations, put together by these keys."""
    columns = [*keys, *dict.fromkeys(column for column, _ in sums)]
    table = pq.read_table(iterations, columns=columns, filters=[("warmup", "==", False)])
    found: list[dict[str, Any]] = table.group_by(list(keys)).aggregate(list(sums)).to_pylist()
    return found


def tokens_made(iterations: Path) -> dict[tuple[str, str, int], int]:
    """Tokens generated in the measured iterations of each launch, by (engine, workload, block)."""
    rows = _measured_tokens(iterations, _NAMES, [("tokens", "sum")])
    return {(row["engine"], row["workload"], row["block"]): row["tokens_sum"] for row in rows}


def tokens_an_iteration(iterations: Path) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Mean tokens of (prompt, answer) of the measured iterations, by (engine, workload, case)."""
    rows = _measured_tokens(iterations, ("engine", "workload", "case"), [("prompt_tokens", "mean"), ("tokens", "mean")])
    return {
        (row["engine"], row["workload"], row["case"]): (row["prompt_tokens_mean"], row["tokens_mean"]) for row in rows
    }
