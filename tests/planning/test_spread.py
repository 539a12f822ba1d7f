"""The spread that a plan reckons with: that of launches which were measured on this machine."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
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


def cell(results: Path, name: str, medians_ms, engine="fast", identity="abcabcabcabc", **options):
    for block, median in enumerate(medians_ms, start=1):
        folder = results / name / "launches" / engine / f"chat.{identity}" / str(block)
        record(folder, [median - 1, median, median + 50], **options)


def spread(results: Path):
    return measured_spread(ORDER, results / "now", HOST)


FACTORS = [1.0, 1.02, 0.97, 1.01]
SD = float(np.std(np.log(FACTORS), ddof=1))


def pair(results: Path, name: str, factors=tuple(FACTORS), **options):
    """Two engines whose blocks vary by a lot, and their ratio by `factors`."""
    levels = [100.0, 150.0, 80.0, 120.0][: len(factors)]
    cell(results, name, levels, "slow", **options)
    cell(results, name, [level * factor for level, factor in zip(levels, factors, strict=True)], "fast", **options)


@pytest.mark.parametrize(
    "other", ["[]", "7", "{}", '{"status": "ok", "host": []}', '{"status": "ok", "host": {"hostname": "here"}}', "link"]
)
def test_a_record_of_another_shape_beside_the_campaign_tells_nothing(tmp_path, other):
    pair(tmp_path, "now")
    known = spread(tmp_path)
    stranger = tmp_path / "old" / "launches" / "fast" / "chat.abcabcabcabc" / "1" / "record.json"
    stranger.parent.mkdir(parents=True)
    stranger.symlink_to("nowhere") if other == "link" else stranger.write_text(other)
    assert spread(tmp_path) == known


def test_the_differences_within_blocks_are_pooled_over_pairs_and_cases(tmp_path):
    pair(tmp_path, "now")
    assert spread(tmp_path) == (pytest.approx(SD), 8, 1)
    pair(tmp_path, "before", [1.0, 1.0, 1.0], cases=2)
    assert spread(tmp_path) == (pytest.approx(math.sqrt(SD**2 / 3)), 14, 3)


def test_other_launches_of_the_machine_serve_where_no_pair_is_alike(tmp_path):
    pair(tmp_path, "before", identity="defdefdefdef")
    cell(tmp_path, "now", [90, 100, 110])
    assert spread(tmp_path).of_differences == pytest.approx(SD)
    pair(tmp_path, "alike", [1.0, 1.0, 1.0])
    assert spread(tmp_path).of_differences == 0.0


def test_other_machines_failures_single_engines_and_pairs_of_blocks_tell_nothing(tmp_path):
    pair(tmp_path, "elsewhere", host="there")
    pair(tmp_path, "failed", status="failed")
    pair(tmp_path, "two", [1.0, 1.1])
    cell(tmp_path, "alone", [90, 100, 110])
    assert spread(tmp_path) is None


def test_only_the_newest_records_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark_runner.planning.spread.MOST_RECORDS", 8)
    pair(tmp_path, "old", [1.0, 3.0, 1.0])
    for path in tmp_path.rglob("record.json"):
        os.utime(path, (1000, 1000))
    pair(tmp_path, "new")
    assert spread(tmp_path) == (pytest.approx(SD), 8, 1)


def test_nothing_measured_is_nothing_known(tmp_path):
    assert spread(tmp_path) is None


def test_launches_under_load_tell_the_spread_of_each_level(tmp_path):
    for block, (a, b) in enumerate([(10, 12), (11, 12), (12, 15)], start=1):
        for engine, ms in (("a", a), ("b", b)):
            folder = tmp_path / "old" / "launches" / engine / "serving.abcabcabcabc" / str(block)
            folder.mkdir(parents=True)
            request = {"case": 0, "status": "ok", "scheduled_ns": 7, "chunk_ns": [8, 7 + ms * 10**6]}
            requests = [
                {**request, "phase": "warmup", "chunk_ns": [10**12]},
                {**request, "phase": "measured"},
                {**request, "phase": "measured", "status": "cut", "chunk_ns": []},
                {**request, "phase": "filler", "chunk_ns": [10**12]},
            ]
            content = {"status": "ok", "host": {"hostname": HOST}, "iterations": [], "requests": requests}
            (folder / "record.json").write_text(json.dumps(content))
    found = measured_spread(ORDER, tmp_path / "new", HOST)
    logs = [math.log(a / b) for a, b in [(10, 12), (11, 12), (12, 15)]]
    assert found is not None
    assert found.of_differences == pytest.approx(np.std(logs, ddof=1))
