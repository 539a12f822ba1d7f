"""A launch is owed without a record, and again when its unavailable engine has come back; else never."""

from __future__ import annotations

import json
import os

import pytest

from benchmark_runner.campaign.attempts import attempts_made, is_owed, set_aside
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
    ("code", "device", "owed"),
    [(3, "cpu", False), (2, "cpu", False), (3, "cuda:0", True), (127, "cpu", True), (None, "cpu", True)],
)
def test_what_an_engine_refused_on_the_cpu_it_would_refuse_again(tmp_path, code, device, owed):
    record = tmp_path / "record.json"
    ended = {"code": code, "signal": None if code else 9}
    write_json(record, {"attempt": 1, "status": "unavailable", "engine_exit": ended, "spec": {"device": device}})
    assert is_owed(record, engine_is_back=True) is owed


def test_a_launch_without_a_record_is_owed(tmp_path):
    assert is_owed(tmp_path / "record.json", engine_is_back=False)
    assert attempts_made(tmp_path / "record.json") == 0


RECORD = {"schema_version": 1, "attempt": 2, "status": "ok", "iterations": [{"token_ns": [1, 2]}], "timing": {}}


@pytest.mark.parametrize("broken", [0, 9, 70, -1, -9])
def test_a_record_that_was_cut_is_owed_and_kept_under_another_name(tmp_path, broken):
    record = tmp_path / "record.json"
    write_json(record, RECORD, indent=None)
    cut = record.read_bytes()[:-1][: broken or None] if broken else b""
    record.write_bytes(cut)
    assert is_owed(record, engine_is_back=False)
    assert set_aside(record) == tmp_path / "record.json.broken"
    assert not record.exists() and (tmp_path / "record.json.broken").read_bytes() == cut
    record.write_bytes(b"")
    assert set_aside(record) == tmp_path / "record.json.broken-1"


def test_zeros_a_folder_and_a_pipe_in_place_of_a_record_are_owed_and_kept(tmp_path):
    record = tmp_path / "record.json"
    for make in (lambda: record.write_bytes(bytes(5000)), record.mkdir, lambda: os.mkfifo(record)):
        make()
        assert is_owed(record, engine_is_back=False)
        assert set_aside(record) is not None
        assert not os.path.lexists(record)


def test_a_sound_record_that_ends_otherwise_is_a_fact(tmp_path):
    record = tmp_path / "record.json"
    record.write_text(json.dumps(RECORD, indent=1))
    assert not is_owed(record, engine_is_back=True)
    assert set_aside(record) is None


def test_a_broken_record_of_an_unavailable_engine_is_owed(tmp_path):
    record = tmp_path / "record.json"
    record.write_bytes(b'{"attempt": 1, "status": "unavailable", "reason": \x00}\n')
    assert is_owed(record, engine_is_back=False)
    assert set_aside(record) is not None
