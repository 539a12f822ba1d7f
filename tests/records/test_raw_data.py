"""raw_data/<engine>.json: any JSON reader reads it, and ours read as little of it as they need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records.raw_data import RawRecord, each_launch, read_heads, without_iterations, write_raw


def _iteration(index: int, token_ns: list[int]) -> dict[str, Any]:
    times = {"start_ns": 5, "token_ids": [1] * len(token_ns), "token_ns": token_ns, "end_ns": 90}
    return {"index": index, "warmup": index == 0, "case": 0, **times, "finish": "length"}


RECORDS = [
    {
        "engine": "a",
        "block": 1,
        "iterations": [_iteration(0, [7, 8]), _iteration(1, [])],
        "reason": 'odd "],\n {"',
    },
    {"engine": "a", "block": 2, "iterations": []},
]
DOCUMENT = {"engine": "ä", "workloads": [{"name": "chat"}]}


def _written(folder: Path, records: list[dict[str, Any]] = RECORDS) -> Path:
    path, raw = folder / "raw_data" / "a.json", map(RawRecord.of, records)
    assert write_raw(path, raw, lambda heads: {**DOCUMENT, "count": len(heads)}) == len(records)
    return path


@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1], []], ids=["two", "one", "none"])
def test_it_is_one_json_document(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    path = _written(tmp_path, records)
    assert json.loads(path.read_text(encoding="utf-8")) == {**DOCUMENT, "launches": records, "count": len(records)}


def _require_launches(path: Path) -> None:
    """Require heads and iterations of RECORDS."""
    (head, iterations), (other, none) = each_launch(path)
    assert [head, other] == list(map(without_iterations, RECORDS))
    assert iterations.index.tolist() == [0, 1] and iterations.token_counts.tolist() == [2, 0]
    assert iterations.token_ns.tolist() == [7, 8]
    assert len(none) == len(none.token_ns) == 0


def test_heads_and_iterations_are_what_was_written(tmp_path: Path) -> None:
    path = _written(tmp_path)
    assert read_heads(path) == {**DOCUMENT, "launches": list(map(without_iterations, RECORDS)), "count": 2}
    _require_launches(path)


def test_heads_are_read_without_parsing_an_iteration(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('[{"index"', '[{"index'), encoding="utf-8")
    assert [head["block"] for head in read_heads(path)["launches"]] == [1, 2]
    with pytest.raises(BenchmarkError, match=r"a\.json is not valid JSON"):
        list(each_launch(path))


def test_a_file_that_someone_laid_out_otherwise_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**DOCUMENT, "launches": RECORDS}, indent=2), encoding="utf-8")
    _require_launches(path)
    assert read_heads(path) == {**DOCUMENT, "launches": list(map(without_iterations, RECORDS))}


def test_a_file_that_ends_early_is_told(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]), encoding="utf-8")
    for read in (read_heads, lambda path: list(each_launch(path))):
        with pytest.raises(BenchmarkError, match=r"a\.json is not valid JSON \(its end is missing\); move it away"):
            read(path)


def test_a_file_that_is_cut_while_it_is_read_is_told(tmp_path: Path) -> None:
    long = {"engine": "a", "block": 1, "iterations": [_iteration(0, [7] * 99_999)]}
    path = _written(tmp_path, [long, long, long])
    code = f"""
import os, sys
sys.path[:0] = {sys.path}
from pathlib import Path
from benchmark_runner.records.raw_data import each_launch
launches = each_launch(path := Path({str(path)!r}))
next(launches)
os.truncate(path, 9)
list(launches)"""
    # In a process of its own: where the file is mapped, the system ends it.
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(
        "a.json is not valid JSON (its end is missing); move it away and run again"
    )


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="is missing; run the stage that makes it again"):
        read_heads(tmp_path / "none.json")


def test_records_that_are_refused_leave_no_file(tmp_path: Path) -> None:
    def refuse(_heads: list[Any]) -> dict[str, Any]:
        raise BenchmarkError("no")

    with pytest.raises(BenchmarkError):
        write_raw(tmp_path / "a.json", map(RawRecord.of, RECORDS), refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_within_a_launch_is_told(tmp_path: Path) -> None:
    path = _written(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    for kept in (lines[:2], [*lines[:2], lines[2][:20]], [*lines[:2], ""], []):
        path.write_text("\n".join(kept), encoding="utf-8")
        with pytest.raises(BenchmarkError, match=r"a\.json is not valid JSON"):
            list(each_launch(path))


@pytest.mark.parametrize("margin", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_never_written_as_null(margin: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        RawRecord.of({"engine": "a", "iterations": [{"index": 0, "margins": [margin]}]})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "18446744073709551616"])
def test_a_number_that_is_none_or_too_large_is_refused_where_it_is_read(tmp_path: Path, number: str) -> None:
    path = _written(tmp_path, [{"engine": "a", "iterations": [{**_iteration(0, [7]), "margins": [0.5]}]}])
    path.write_text(path.read_text(encoding="utf-8").replace("0.5", number), encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"a\.json is not valid JSON"):
        list(each_launch(path))


def test_times_of_63_bits_come_back_as_they_were(tmp_path: Path) -> None:
    times = [2**53 + 1, 2**63 - 1]
    ((_, iterations),) = each_launch(_written(tmp_path, [{"engine": "a", "iterations": [_iteration(0, times)]}]))
    assert iterations.token_ns.tolist() == times
