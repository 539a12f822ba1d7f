"""iterations.parquet read launch by launch: each once, without warm-ups, with the numbers of the whole table."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records import tabulate
from benchmark_runner.records.samples import samples_of
from benchmark_runner.records.stages import read_stages
from benchmark_runner.records.table import (
    launch_tables,
    read_measured,
    require_table,
    rows_where,
    tokens_an_iteration,
    tokens_made,
)
from benchmark_runner.statistics.inputs import read_inputs
from benchmark_runner.statistics.samples import Sample, each_sample, empty_sample
from records import ScriptedEngine, ScriptedWorkload, write_results
from scripted_load import ScriptedLoad

SPREAD = {"launch_spread": 0.05, "iteration_spread": 0.05}
ENGINES = [ScriptedEngine("torch", **SPREAD), ScriptedEngine("candle", ttft_ms=5.0, **SPREAD)]
WORKLOADS = [
    ScriptedWorkload("chat", ((8, 11), (4, 5)), iterations=6),
    ScriptedWorkload("essay", ((8, 1),), iterations=6),
]


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), Path.touch])
@pytest.mark.parametrize(
    "read",
    [
        require_table,
        tokens_made,
        read_stages,
        lambda path: read_measured(path, ["warmup"]),
        lambda path: list(launch_tables(path, "torch", "chat", ["e2e_ms"])),
        lambda path: samples_of(path, [("torch", "chat", 1)], []),
    ],
)
def test_what_lies_in_the_place_of_a_table_is_named_and_not_waited_for(tmp_path: Path, made: Any, read: Any) -> None:
    made(tmp_path / "made.parquet")
    with pytest.raises(BenchmarkError, match=r"made\.parquet.*; move it away and run again"):
        read(tmp_path / "made.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("tables")
    write_results(found, ENGINES, WORKLOADS, launches=4)
    return found


def test_each_launch_comes_once_without_warm_ups(folder: Path) -> None:
    path = folder / "analysis" / "iterations.parquet"
    whole = pd.read_parquet(path)
    for engine in ("torch", "candle"):
        for workload in ("chat", "essay"):
            tables = list(launch_tables(path, engine, workload, ["index", "e2e_ms"]))
            assert sorted(block for block, _ in tables) == [1, 2, 3, 4]
            for block, table in tables:
                mine = whole[(whole.engine == engine) & (whole.workload == workload) & (whole.block == block)]
                assert table.column_names == ["index", "e2e_ms"]
                assert table.column("e2e_ms").to_pylist() == mine[~mine.warmup].e2e_ms.tolist()


def test_samples_are_those_of_the_whole_table(folder: Path) -> None:
    """The plain definition beside the reading launch by launch."""
    path = folder / "analysis" / "iterations.parquet"
    whole = pd.read_parquet(path)
    whole = whole[~whole.warmup]
    raw, fidelity = ([folder / name / f"{engine.name}.json" for engine in ENGINES] for name in ("raw_data", "fidelity"))
    inputs = read_inputs(folder / "plan.json", raw, fidelity)
    seen = 0
    for (engine, workload, case), metric, sample in each_sample(inputs, path):
        if case is None:
            continue
        mine = whole[(whole.engine == engine) & (whole.workload == workload) & (whole.case == case)]
        for block, values, kept in zip(sample.blocks, sample.values, sample.kept, strict=True):
            rows = mine[mine.block == block]
            if metric.level == "token":
                expected = np.concatenate([np.asarray(gaps, dtype=float) for gaps in rows[metric.name]])
                flags = np.repeat(rows.outlier.to_numpy(), [len(gaps) for gaps in rows[metric.name]])
            else:
                present = rows[metric.name].notna()
                expected, flags = rows[metric.name][present].to_numpy(), rows.outlier[present].to_numpy()
            assert values.tolist() == expected.tolist()
            assert kept.tolist() == [not flag for flag in flags]
            seen += 1
    assert seen > 100


def _sample(*launches: tuple[list[float], list[bool]]) -> Sample:
    values = tuple(np.array(one) for one, _ in launches)
    kept = tuple(np.array(one, dtype=np.bool_) for _, one in launches)
    return Sample(tuple(range(1, len(launches) + 1)), np.arange(len(launches), dtype=np.float64), values, kept)


def test_flagged_values_are_left_out_of_a_cleaned_sample_and_a_launch_of_them_with_it() -> None:
    sample = _sample(([1.0, 9.0, 2.0], [True, False, True]), ([50.0], [False]), ([6.0, 4.0, 5.0], [True] * 3))
    found = sample.cleaned
    assert found.by_block() == {1: 1.5, 3: 5.0}
    assert found.launch_means.tolist() == [1.5, 5.0]
    assert (found.mean, found.median) == (3.6, 4.0)
    assert [values.tolist() for values in sample.values] == [[1.0, 9.0, 2.0], [50.0], [6.0, 4.0, 5.0]]


def test_a_sample_without_flags_is_clean_and_one_without_values_has_no_centre() -> None:
    sample = _sample(([1.0, 9.0, 2.0], [True] * 3), ([3.0, 4.0], [True] * 2))
    assert sample.cleaned.by_block() == sample.by_block() == {1: 2.0, 2: 3.5}
    assert (sample.cleaned.mean, sample.cleaned.median) == (3.8, 3.0)
    assert empty_sample("none").cleaned.by_block() == {}


@pytest.mark.parametrize("measured", [[1, 2], [0], [0, 2], [], [0, 1, 2]], ids=str)
def test_rows_are_those_that_meet_the_condition_together_or_apart(measured: list[int]) -> None:
    table = pa.table({"row": [0, 1, 2]})
    condition = pa.chunked_array([[row in measured for row in range(3)]])
    assert rows_where(table, condition).column("row").to_pylist() == measured


def test_tokens_of_an_answer_are_those_of_answered_requests(tmp_path: Path) -> None:
    serving = ScriptedWorkload("serving", load=ScriptedLoad(concurrency=(4,), requests=8))
    failing = {("c4", number): "cut" for number in (5, 8)}
    write_results(tmp_path, [ScriptedEngine("torch", failing=failing), ScriptedEngine("candle")], [serving], launches=2)
    path = tmp_path / "analysis" / "iterations.parquet"
    mean = tokens_an_iteration(path)
    assert mean["torch", "serving", "c4"] == mean["candle", "serving", "c4"] == (8.0, 11.0)
    assert tokens_made(path)["torch", "serving", 1] == 6 * 11 + 2 * 6 < tokens_made(path)["candle", "serving", 1]


@pytest.mark.parametrize("group_bytes", [1, 3000, 1 << 30])
def test_launches_come_alike_however_many_share_a_row_group(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    usual, other = folder / "analysis" / "iterations.parquet", tmp_path / "iterations.parquet"
    monkeypatch.setattr(tabulate, "GROUP_BYTES", group_bytes)
    tabulate.write_iterations([folder / "raw_data" / f"{engine.name}.json" for engine in ENGINES], other, 2.0)
    groups = {1: 16, 3000: range(5, 16), 1 << 30: 4}[group_bytes]
    found = pq.ParquetFile(other).num_row_groups
    assert found in groups if isinstance(groups, range) else found == groups
    for engine, workload in itertools.product(("torch", "candle"), ("chat", "essay")):
        columns = ["index", "e2e_ms", "itl_ms"]
        one, same = (list(launch_tables(path, engine, workload, columns)) for path in (usual, other))
        assert [block for block, _ in one] == [block for block, _ in same]
        assert all(a.equals(b) for (_, a), (_, b) in zip(one, same, strict=True))
    assert tokens_made(usual) == tokens_made(other) and tokens_an_iteration(usual) == tokens_an_iteration(other)
