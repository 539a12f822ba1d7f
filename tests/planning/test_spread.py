"""The spread that a plan reckons with: that of launches which were measured on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmark_runner.planning.spread import measured_spread

HOST = "here"
ORDER = [{"identity": "abcabcabcabc"}]


def record(folder: Path, times_ms, *, status="ok", host=HOST, cases=1):
    folder.mkdir(parents=True)
    iterations = [{"warmup": True, "case": 0, "start_ns": 0, "end_ns": 10**12}]
    iterations += [
        {"warmup": False, "case": case, "start_ns": 5, "end_ns": 5 + int(time * 1e6)}
        for time in times_ms
        for case in range(cases)
    ]
    content = {"status": status, "host": {"hostname": host}, "iterations": iterations}
    (folder / "record.json").write_text(json.dumps(content))


def cell(results: Path, name: str, medians_ms, identity="abcabcabcabc", **options):
    for block, median in enumerate(medians_ms, start=1):
        folder = results / name / "launches" / "fast" / f"chat.{identity}" / str(block)
        record(folder, [median - 1, median, median + 50], **options)


def spread(results: Path):
    return measured_spread(ORDER, results / "now", HOST)


def test_launch_medians_of_this_identity_are_pooled(tmp_path):
    cell(tmp_path, "now", [99, 100, 101])
    cell(tmp_path, "before", [198, 200, 202, 200], cases=2)
    found = spread(tmp_path)
    first, second = 0.01, ((2**2 + 2**2) / 3) ** 0.5 / 200
    assert found.cv == pytest.approx(((first**2 + 2 * second**2) / 3) ** 0.5)
    assert (found.launches, found.cells) == (7, 3)


def test_other_launches_of_the_machine_serve_where_none_are_alike(tmp_path):
    cell(tmp_path, "before", [90, 100, 110], identity="defdefdefdef")
    assert spread(tmp_path).cv == pytest.approx(0.1)
    cell(tmp_path, "now", [99, 100, 101])
    assert spread(tmp_path).cv == pytest.approx(0.01)


@pytest.mark.parametrize(
    "other", ["[]", "7", "{}", '{"status": "ok", "host": []}', '{"status": "ok", "host": {"hostname": "here"}}', "link"]
)
def test_a_record_of_another_shape_beside_the_campaign_tells_nothing(tmp_path, other):
    cell(tmp_path, "now", [99, 100, 101])
    known = spread(tmp_path)
    stranger = tmp_path / "old" / "launches" / "fast" / "chat.abcabcabcabc" / "1" / "record.json"
    stranger.parent.mkdir(parents=True)
    stranger.symlink_to("nowhere") if other == "link" else stranger.write_text(other)
    assert spread(tmp_path) == known


def test_other_machines_failures_and_pairs_tell_nothing(tmp_path):
    cell(tmp_path, "elsewhere", [90, 100, 110], host="there")
    cell(tmp_path, "failed", [90, 100, 110], status="failed")
    cell(tmp_path, "two", [90, 110])
    assert spread(tmp_path) is None


def test_only_the_newest_records_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark_runner.planning.spread.MOST_RECORDS", 3)
    cell(tmp_path, "old", [50, 100, 150])
    for path in tmp_path.rglob("record.json"):
        os.utime(path, (1000, 1000))
    cell(tmp_path, "new", [99, 100, 101])
    assert spread(tmp_path).launches == 3 and spread(tmp_path).cv == pytest.approx(0.01)


def test_nothing_measured_is_nothing_known(tmp_path):
    assert spread(tmp_path) is None
