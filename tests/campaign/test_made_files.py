"""What an analysis before left in a results folder is refused in one line that names file and key, or is as written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark_runner.campaign.foreign import read_foreign
from benchmark_runner.campaign.recorded import MADE
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.records.raw_data import each_launch, read_heads, require_raw_data
from benchmark_runner.records.table import require_table
from finished import finish

KINDS = {**MADE, "environment.json": "environment", "fidelity/candle_cuda.json": "fidelity"}
RAW = "raw_data/candle_cuda.json"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return finish(tmp_path_factory.mktemp("made") / "results", plots=False, launches=4)


@pytest.fixture
def copy(results, tmp_path) -> Path:
    return Path(shutil.copytree(results, tmp_path / "results", ignore=shutil.ignore_patterns("launches")))


def refusal(check: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(BenchmarkError, match=str(path)) as refused:
        check(path)
    words = str(refused.value)
    assert "\n" not in words and len(words) < 1000
    return words


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)
def test_what_the_stages_write_keeps_its_schema_and_another_shape_is_refused_by_its_key(copy, name, kind):
    file = copy / name
    sound = read_foreign(file, kind)
    for key, value in sound.items():
        file.write_text(json.dumps({**sound, key: -2.5 if isinstance(value, list) else [[1]]}))
        assert key in refusal(lambda path: read_foreign(path, kind), file)
    file.write_text(json.dumps({"schema_version": sound["schema_version"]}))
    assert "required" in refusal(lambda path: read_foreign(path, kind), file)


WRONG_LAUNCH: dict[str, Callable[[dict[str, Any]], Any]] = {
    "status": lambda head: head.update(status=["ok"]),
    "host": lambda head: head.pop("host"),
    "monitor": lambda head: head.update(monitor="none"),
    "spec": lambda head: head.update(spec={"cases": 3}),
    "spec of an ok launch": lambda head: head.update(spec=None),
    "lists": lambda head: head.clear(),
    "other engine": lambda head: head.update(engine="other"),
    "other workload": lambda head: head.update(workload="other"),
    "test cases": lambda head: head["spec"].update(cases=head["spec"]["cases"] * 2),
}


def rewritten(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document) + "\n")


@pytest.mark.parametrize("change", WRONG_LAUNCH.values(), ids=WRONG_LAUNCH)
def test_raw_data_is_refused_where_a_launch_in_it_is_none(copy, change):
    file = copy / RAW
    require_raw_data(file)
    rewritten(file, lambda document: change(document["launches"][1]))
    assert "launches.1" in refusal(require_raw_data, file)


@pytest.mark.parametrize("key", ["engine", "workloads", "unlike", "fidelity", "launches"])
def test_raw_data_is_refused_where_what_stands_around_the_launches_is_of_another_shape(copy, key):
    file = copy / RAW
    rewritten(file, lambda document: document.update({key: {"a": 1} if key == "fidelity" else 7}))
    assert key in refusal(require_raw_data, file).partition(RAW)[2]
    file.write_text('["no", "document"]\n')
    assert "has no launches" in refusal(require_raw_data, file)


def test_iterations_of_another_shape_are_told_when_they_are_read(copy):
    file = copy / RAW
    for wrong in (7, [7], [{}], {"index": 0}):
        rewritten(file, lambda document, wrong=wrong: document["launches"][0].update(iterations=wrong))
        refusal(lambda path: list(each_launch(path)), file)
        assert read_heads(file)["launches"]


def test_a_table_without_a_column_or_with_another_type_names_it(copy):
    file = copy / "analysis" / "iterations.parquet"
    require_table(file)
    table = pq.read_table(file)
    pq.write_table(table.drop_columns("e2e_ms"), file)
    assert "column e2e_ms is missing" in refusal(require_table, file)
    texts = table.column("block").cast(pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("block"), "block", texts), file)
    assert "column block is string instead of int32" in refusal(require_table, file)
    pq.write_table(table, file)
    assert "row group 0 is not of one engine and workload" in refusal(require_table, file)
    file.write_bytes(b"PAR1 no columns at all PAR1")
    refusal(require_table, file)
