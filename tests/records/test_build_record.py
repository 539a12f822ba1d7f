"""Who reads the record of a build finds it of its own shape, or a line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.errors import MADE_AGAIN, BenchmarkError
from benchmark_runner.jsonio import write_json
from benchmark_runner.records.build import read_build
from build_case import build_record


def test_a_record_is_read_whole_and_none_is_there_before_the_build(tmp_path: Path) -> None:
    write_json(tmp_path / "one.build.json", build_record(compiler="rustc 2"))
    assert read_build(tmp_path / "one.build.json") == build_record(compiler="rustc 2")
    assert read_build(tmp_path / "other.build.json") is read_build(None) is None


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({}, "top level"),
        ([1], "top level"),
        (None, "top level"),
        (build_record(status="half"), "status"),
        (build_record(packages=["torch"]), "packages"),
        (build_record(sources={"folder": "."}), "sources"),
        (build_record(cuda_toolkit="13.0"), "cuda_toolkit"),
        (build_record(schema_version=2), "schema_version"),
        (build_record(source_sha256=None), "source_sha256"),
        (build_record(more=1), "more"),
    ],
)
def test_a_record_of_another_shape_is_named_with_its_key_and_the_remedy(tmp_path: Path, content: Any, key: str) -> None:
    write_json(tmp_path / "one.build.json", content)
    with pytest.raises(BenchmarkError, match=key) as refused:
        read_build(tmp_path / "one.build.json")
    message = str(refused.value)
    assert message.startswith(f"{tmp_path}/one.build.json: ") and message.endswith(MADE_AGAIN)
    assert "\n" not in message
