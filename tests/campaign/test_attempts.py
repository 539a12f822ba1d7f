"""A launch is owed without a record, and again when its unavailable engine has come back; else never."""

from __future__ import annotations

import pytest

from benchmark_runner.campaign.attempts import attempts_made, is_owed
from benchmark_runner.jsonio import write_json


@pytest.mark.parametrize(
    ("status", "attempt", "back", "owed"),
    [
        ("ok", 1, True, False),
        ("ok", 2, False, False),
        ("failed", 1, True, False),
        ("unavailable", 1, False, False),
        ("unavailable", 3, True, True),
    ],
)
def test_only_an_unavailable_engine_that_is_back_is_owed_again(tmp_path, status, attempt, back, owed):
    record = tmp_path / "record.json"
    write_json(record, {"schema_version": 1, "attempt": attempt, "status": status, "iterations": [0] * 10_000})
    assert is_owed(record, engine_is_back=back) is owed
    assert attempts_made(record) == attempt


@pytest.mark.parametrize(
    ("code", "device", "owed"), [(3, "cpu", False), (3, "cuda:0", True), (127, "cpu", True), (None, "cpu", True)]
)
def test_what_an_engine_refused_on_the_cpu_it_would_refuse_again(tmp_path, code, device, owed):
    record = tmp_path / "record.json"
    ended = {"code": code, "signal": None if code else 9}
    write_json(record, {"attempt": 1, "status": "unavailable", "engine_exit": ended, "spec": {"device": device}})
    assert is_owed(record, engine_is_back=True) is owed


def test_a_launch_without_a_record_is_owed(tmp_path):
    assert is_owed(tmp_path / "record.json", engine_is_back=False)
    assert attempts_made(tmp_path / "record.json") == 0
