"""What iterations.parquet holds, and reading it launch by launch.

A row group holds launches of one engine on one workload, so that memory holds two groups, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark_runner.errors import MADE_AGAIN, BenchmarkError, lack_of
from benchmark_runner.jsonio import made_file
from benchmark_runner.records.read_ahead import read_ahead
from benchmark_runner.terminal import printable

if TYPE_CHECKING:
    import pandas as pd

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
def opened_table(path: Path) -> Iterator[pq.ParquetFile]:
    """A table that a stage made, to read; BenchmarkError names the file where it, or what is read of it, is none."""
    try:
        with made_file(path), pq.ParquetFile(path) as file:
            yield file
    except pa.ArrowException as error:
        if lack_of(error) is not None:  # of threads or memory: nothing is wrong with the file
            raise
        raise BenchmarkError(f"{path}: {printable(error):.300}; {MADE_AGAIN}") from error


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The table of iterations; raises as opened_table, and where a column is not as SCHEMA says."""
    with opened_table(path) as file:
        found = {field.name: field.type for field in file.schema_arrow}
        for field in SCHEMA:
            if found.get(field.name, field.type if field.name == ADDED else None) != field.type:
                told = f"{found[field.name]} instead of {field.type}" if field.name in found else "missing"
                raise BenchmarkError(f"{path}: column {field.name} is {told}; {MADE_AGAIN}")
        yield file


def _cell(path: Path, file: pq.ParquetFile, group: int) -> tuple[str, str]:
    """Engine and workload of a row group, by its statistics; BenchmarkError where it has several."""
    columns = file.metadata.row_group(group)
    places = {columns.column(index).path_in_schema: index for index in range(columns.num_columns)}
    told = [columns.column(places[name]).statistics for name in _NAMES[:2]]
    if not all(one is not None and one.has_min_max and one.min == one.max for one in told):
        raise BenchmarkError(f"{path}: row group {group} is not of one engine and workload; {MADE_AGAIN}")
    return told[0].min, told[1].min


def require_table(path: Path) -> None:
    """Raise BenchmarkError, which names the file, where it is no table as tabulate writes it; reads its end alone."""
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            _cell(path, file, group)


def rows_where(table: pa.Table, condition: pa.ChunkedArray) -> pa.Table:
    """The rows that meet a condition; rows that stand together, as measured ones do, are not copied."""
    rows = np.flatnonzero(condition.to_numpy())
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return table.slice(int(rows[0]), len(rows))
    return table.filter(condition)


def _tables(path: Path, engine: str, workload: str, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            if _cell(path, file, group) == (engine, workload):
                yield from _launches(
                    file.read_row_group(group, columns=list(dict.fromkeys((*columns, "block", "warmup")))), columns
                )


def _launches(table: pa.Table, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """(block, measured rows) of each launch of a row group, in which its rows stand together."""
    blocks = table.column("block").to_numpy()
    begins = [0, *(np.flatnonzero(np.diff(blocks)) + 1).tolist()]
    for begin, end in zip(begins, [*begins[1:], len(blocks)], strict=True):
        launch = table.slice(begin, end - begin)
        yield int(blocks[begin]), rows_where(launch, pc.invert(launch.column("warmup"))).select(list(columns))


def launch_tables(path: Path, engine: str, workload: str, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """(block, measured iterations) of each launch of an engine on a workload, in the order in which they ran.

    Warm-ups are left out.
    """
    return read_ahead(_tables(path, engine, workload, columns))


def read_measured(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Measured iterations, without warm-ups, of iterations.parquet: columns that have one value a row."""
    import pandas as pd  # half a second that the stages which read launch by launch need not spend

    with _opened(path):
        table = pd.read_parquet(path, columns=list(columns))
    return table[~table["warmup"]]


def _sums(
    path: Path, keys: Sequence[str], columns: Sequence[str], wanted: pc.Expression
) -> dict[tuple[Any, ...], Counter[str]]:
    """Sums of columns over the wanted iterations and their number (count_all) by the values of these keys; read a row
    group at a time."""
    summed = [*((name, "sum") for name in columns), ([], "count_all")]
    found: dict[tuple[Any, ...], Counter[str]] = {}
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*keys, *columns, "warmup", "e2e_ms"]).filter(wanted)
            for row in table.group_by(list(keys)).aggregate(summed).to_pylist():
                found.setdefault(tuple(row.pop(key) for key in keys), Counter()).update(row)
    return found


def tokens_made(iterations: Path) -> dict[tuple[str, str, int], int]:
    """Tokens generated in the measured iterations of each launch, by (engine, workload, block)."""
    found = _sums(iterations, _NAMES, ["tokens"], ~pc.field("warmup"))
    return {(engine, workload, block): sums["tokens_sum"] for (engine, workload, block), sums in found.items()}


def tokens_an_iteration(iterations: Path) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Mean tokens of (prompt, answer) of the measured iterations, by (engine, workload, case); without failed requests,
    whose answers were cut."""
    answered = ~pc.field("warmup") & pc.field("e2e_ms").is_valid()
    found = _sums(iterations, ("engine", "workload", "case"), ["prompt_tokens", "tokens"], answered)
    return {
        (engine, workload, case): (
            sums["prompt_tokens_sum"] / sums["count_all"],
            sums["tokens_sum"] / sums["count_all"],
        )
        for (engine, workload, case), sums in found.items()
    }
