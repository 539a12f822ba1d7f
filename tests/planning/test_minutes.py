"""How long a campaign will take, by the times of files that finished launches left."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.planning.minutes import NOTHING_FINISHED, expected, rows_that_take_time


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results" / "mine"


def plan_order(out, *cells):
    return [
        {
            "position": position,
            "engine": engine,
            "workload": workload,
            "identity": identity,
            "folder": str(out / "launches" / engine / f"{workload}.{identity}" / str(position)),
        }
        for position, (engine, workload, identity) in enumerate(cells, start=1)
    ]


def finish(out, engine, name, block, seconds, *, started=True):
    folder = out / "launches" / engine / name / str(block)
    folder.mkdir(parents=True)
    for file, at in (("spec.json", 1000), ("record.json", 1000 + seconds)):
        if started or file == "record.json":
            (folder / file).touch()
            os.utime(folder / file, (0, at))


def test_without_a_finished_launch_the_minutes_are_unknown_with_the_reason(out):
    order = plan_order(out, ("a", "w", "00ff"))
    assert expected(order, [1], out) == (None, None, NOTHING_FINISHED, 0)


def test_launches_take_as_long_as_those_of_their_identity(out):
    order = plan_order(out, ("a", "w", "aa"), ("b", "w", "bb"), ("a", "w", "aa"), ("b", "w", "bb"))
    finish(out, "a", "w.aa", 1, 60)
    finish(out, "b", "w.bb", 2, 120)
    assert expected(order, [3, 4], out) == (6.0, 3.0, None, 2)


def test_a_neighbouring_folder_knows_the_same_identity_under_any_name(out):
    order = plan_order(out, ("a", "w", "aa"), ("a_control", "w", "aa"))
    finish(out.parent / "last-week", "older_name", "w.aa", 1, 30)
    assert expected(order, [1, 2], out) == (1.0, 1.0, None, 1)


def test_another_identity_tells_nothing(out):
    order = plan_order(out, ("a", "w", "aa"))
    finish(out, "a", "w.00", 1, 30)
    assert expected(order, [1], out).total_minutes is None


def test_a_finished_campaign_owes_no_time(out):
    order = plan_order(out, ("a", "w", "aa"))
    finish(out, "a", "w.aa", 1, 90)
    assert expected(order, [], out) == (1.5, 0.0, None, 1)


def test_an_unavailable_engine_takes_no_time_until_it_is_owed_again(out):
    order = plan_order(out, ("a", "w", "aa"), ("b", "w", "bb"))
    finish(out, "a", "w.aa", 1, 60)
    finish(out, "b", "w.bb", 2, 60, started=False)
    assert expected(order, [], out).total_minutes == 1.0
    assert expected(order, [2], out) == (2.0, 1.0, None, 1)


def test_a_launch_that_was_cut_short_tells_nothing(out):
    order = plan_order(out, ("a", "w", "aa"))
    finish(out, "a", "w.aa", 1, 60)
    (out / "launches" / "a" / "w.aa" / "1" / "record.json").unlink()
    assert expected(order, [1], out).total_minutes is None


def test_launches_that_refuse_a_load_take_no_time(out):
    cells = [(engine, workload, "00ff") for engine in ("able", "alone", "brought") for workload in ("serving", "w")]
    order = plan_order(out, *cells)
    engines = [
        {"name": "able", "adapter": "able-bench", "load": ["closed"]},
        {"name": "alone", "adapter": "alone-bench"},
        {"name": "brought", "adapter": None},
    ]
    loaded = {"name": "c1", "load": {"mode": "closed"}}
    workloads = [{"name": "serving", "cases": [loaded]}, {"name": "w", "cases": [{"name": "case_1"}]}]
    found = rows_that_take_time({"engines": engines, "workloads": workloads, "order": order})
    assert [row for row in order if row not in found] == [order[2]]
