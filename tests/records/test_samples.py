"""The monitor's samples as a table: a row a sample, a column a reading with its unit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records.samples import Sampled, launch_table, samples_of, unit_of, write_samples

FIRST: list[Mapping[str, Any]] = [
    {"event": "start", "time_ns": 1, "absent": {"gpu_power_watts": "no GPU"}},
    {"event": "sample", "time_ns": 5, "engine_rss_bytes": 10, "cpu_percent_per_core": [1, 2]},
    {"event": "sample", "time_ns": 6, "temperatures_celsius": {"Tctl": 61.5}},
    {"event": "end", "samples": 2},
]
SECOND: list[Mapping[str, Any]] = [
    {"event": "sample", "time_ns": 9, "engine_rss_bytes": 12.5, "cpu_percent_per_core": [0.5]},
]


def launch(folder: Path, engine: str, lines: Sequence[Mapping[str, Any]]) -> pa.Table:
    file = folder / f"{engine}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return launch_table(Sampled.read({"engine": engine, "workload": "chat", "block": 2, "position": 7}, file))


def test_samples_of_all_launches_stand_in_one_table(tmp_path: Path) -> None:
    out = tmp_path / "metrics.parquet"
    assert write_samples([launch(tmp_path, "a", FIRST), launch(tmp_path, "b", SECOND)], out) == 3
    table = pq.read_table(out)
    assert table.select(["engine", "workload", "block", "position", "time_ns"]).to_pylist()[2] == {
        "engine": "b",
        "workload": "chat",
        "block": 2,
        "position": 7,
        "time_ns": 9,
    }
    assert table.column("engine_rss_bytes").to_pylist() == [10, None, 12.5]
    assert table.column("cpu_percent_per_core").to_pylist() == [[1, 2], None, [0.5]]
    assert table.column("temperatures_celsius.Tctl").to_pylist() == [None, 61.5, None]
    units = {field.name: (field.metadata or {}).get(b"unit") for field in table.schema}
    assert (units["engine_rss_bytes"], units["temperatures_celsius.Tctl"]) == (b"B", "°C".encode())


def test_of_the_table_the_launches_and_readings_that_are_asked_for_are_read(tmp_path: Path) -> None:
    out, there, gone = tmp_path / "metrics.parquet", ("a", "chat", 2), ("a", "chat", 1)
    write_samples([launch(tmp_path, "a", FIRST), launch(tmp_path, "b", SECOND)], out)
    found = samples_of(out, [there, gone], ["engine_rss_bytes", "gpu_power_watts"])
    names = ("time_ns", "engine_rss_bytes")
    assert [[one[name] for name in names] for one in found[there]] == [[5, 10], [6, None]]
    assert "gpu_power_watts" not in found[there][0] and found[gone] == []
    assert samples_of(tmp_path / "absent", [], []) == {}


@pytest.mark.parametrize("content", [b"", b"PAR1 another PAR1"])
def test_a_table_of_samples_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (out := tmp_path / "metrics.parquet").write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"metrics\.parquet: .*makes it again"):
        samples_of(out, [("a", "chat", 2)], [])


def test_without_a_launch_the_table_is_empty_and_there(tmp_path: Path) -> None:
    out = tmp_path / "metrics.parquet"
    assert write_samples([], out) == 0
    assert pq.read_table(out).column_names == ["engine", "workload", "block", "position", "time_ns"]


def test_a_reading_of_another_kind_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"a\.jsonl: holds a reading of another kind"):
        launch(tmp_path, "a", [*FIRST, {"event": "sample", "time_ns": "soon"}])


def test_launches_that_disagree_about_a_reading_are_told(tmp_path: Path) -> None:
    unlike = launch(tmp_path, "b", [{"event": "sample", "time_ns": 1, "engine_rss_bytes": "much"}])
    with pytest.raises(BenchmarkError, match="unlike kinds of one reading"):
        write_samples([launch(tmp_path, "a", FIRST), unlike], tmp_path / "out")


def test_a_reading_without_a_known_ending_has_no_unit() -> None:
    assert (unit_of("gpu_power_watts"), unit_of("engine_threads")) == ("W", "")
