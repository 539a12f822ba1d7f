"""How decoding slows down as the answer grows: rate by place of the token, from the gaps between tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmark_runner.arrays import FloatArray, IntArray
from benchmark_runner.records.table import launch_tables, rows_where
from benchmark_runner.statistics.estimates import typical_estimate
from benchmark_runner.units import MS_PER_S

MOST_POINTS: Final = 64
"""Chosen: a line in a plot shows no more; longer answers are averaged over neighbouring tokens."""

FIRST_GAP_ENDS_AT: Final = 2
"""The first gap lies between tokens 1 and 2, so it belongs to token 2."""


def gap_matrix(itl_ms: pa.ChunkedArray, places: int) -> FloatArray:
    """Gaps as iterations x places, nan after the end of shorter answers."""
    column = itl_ms.combine_chunks()
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    gaps: FloatArray = column.flatten().to_numpy(zero_copy_only=False)
    if np.all(lengths == places):
        return gaps.reshape(len(lengths), places)
    matrix = np.full((len(lengths), places), np.nan)
    matrix[np.arange(places)[None, :] < lengths[:, None]] = gaps
    return matrix


def bins(places: int, most: int = MOST_POINTS) -> IntArray:
    """First index of each group of neighbouring places, groups being of equal width."""
    return np.arange(0, places, max(1, -(-places // most)), dtype=np.int64)


def launch_rates(matrix: FloatArray, starts: IntArray) -> FloatArray:
    """Tokens a second of one launch by group of places: from the median over iterations of the mean gap in the
    group."""
    known = ~np.isnan(matrix)
    sums = np.add.reduceat(np.where(known, matrix, 0.0), starts, axis=1)
    counts = np.add.reduceat(known.astype(np.int64), starts, axis=1)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    some = np.any(counts > 0, axis=0)
    gaps = np.full(len(starts), np.nan)
    middle = np.median if np.all(counts > 0) else np.nanmedian  # the latter makes a masked array of each
    gaps[some] = middle(means[:, some], axis=0)
    rates = np.full(len(starts), np.nan)
    np.divide(MS_PER_S, gaps, out=rates, where=gaps > 0)
    return rates


def _point(rates: FloatArray, level: float) -> dict[str, Any] | None:
    rates = rates[np.isfinite(rates)]
    if not len(rates):
        return None
    estimate = typical_estimate(rates, level)
    if estimate is None:
        return {"point": float(rates[0]), "low": None, "high": None}
    return {"point": estimate.point, "low": estimate.low, "high": estimate.high}


def case_series(launches: Iterable[pa.ChunkedArray], places: int, level: float) -> list[dict[str, Any]]:
    """Points {position, tokens_per_s} of one engine, workload and case; position counts tokens of the answer from 1.

    launches are the gaps of each launch, as lists an iteration, of which none is longer than places.
    """
    if places == 0:
        return []
    starts = bins(places)
    matrices = (gap_matrix(gaps, places) for gaps in launches)
    rates = np.array([launch_rates(matrix, starts) for matrix in matrices if len(matrix)])
    ends = np.append(starts[1:], places) - 1
    series = []
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        found = _point(rates[:, place], level)
        if found is not None:
            series.append({"position": FIRST_GAP_ENDS_AT + float(start + end) / 2, "tokens_per_s": found})
    return series


def decode_by_position(
    iterations: Path, engines: Sequence[str], cells: Sequence[tuple[str, str]], level: float
) -> list[dict[str, Any]]:
    """Series of all engines and test cases; reads the gaps launch by launch."""

    def column(engine: str, workload: str, case: str, name: str) -> Iterator[pa.ChunkedArray]:
        for _, table in launch_tables(iterations, engine, workload, ["case", name]):
            yield rows_where(table, pc.equal(table.column("case"), case)).column(name)

    found = []
    for engine in engines:
        for workload, case in cells:
            longest = (pc.max(tokens).as_py() or 0 for tokens in column(engine, workload, case, "tokens"))
            places = max(max(longest, default=0) - 1, 0)
            for point in case_series(column(engine, workload, case, "itl_ms"), places, level):
                found.append({"engine": engine, "workload": workload, "case": case, **point})
    return found
